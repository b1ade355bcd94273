/**
 * One step of a random history of the books, done to the model and to the database, and the comparison of both afterwards.
 *
 * Buckets are only counters here: they hand out numbers, forget them, and hand them out twice, as a Redis that lost its
 * memory would. The database's clock is the history's own (see freezeClock), so that even instants must be equal.
 */
import assert from "node:assert/strict";
import { BooksModel } from "../../lab/simulation/model/books-model.ts";
import { sqlFailure } from "../../src/adapters/postgres/database-errors.ts";
import type { BuyerId, Rid, SaleId } from "../../src/domain/ids.ts";
import type { LedgerMode, Sale } from "../../src/domain/sale.ts";
import type { Books, CommitRow, Grant } from "../../src/ports/books.ts";
import type { BucketEpoch } from "../../src/ports/bucket-store.ts";
import type { Database } from "../../src/ports/database.ts";
import type { Attempt } from "../../src/ports/ledger.ts";
import type { OrderStore } from "../../src/ports/order-store.ts";
import { assertEquations, type BooksFixture } from "./books-fixture.ts";
import { compareStates } from "./books-state.ts";
import type { Dice } from "./history.ts";
import { buyerOf, present, ridOf } from "./ledger-fixture.ts";

const BUYERS = 9;
const ROWS_MAX = 7;
const MODES: readonly LedgerMode[] = ["postgres", "warming", "redis", "draining", "closed"];
const START_MS = 1_900_000_000_000;

/** Makes the database's clock a number in a table. For databases of one test only. */
export async function freezeClock(database: Database): Promise<void> {
  await database.query({ text: "CREATE TABLE frozen_clock (now bigint NOT NULL)" });
  await database.query({ text: "INSERT INTO frozen_clock VALUES ($1)" }, [START_MS]);
  await database.query({
    text: `CREATE OR REPLACE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT now FROM frozen_clock'`,
  });
}

type Address = BucketEpoch & { readonly saleId: SaleId };

export class BooksHistory {
  readonly #fixture: BooksFixture;
  readonly #dice: Dice;
  readonly #model: BooksModel;
  readonly #saleId: SaleId;
  /** Every row that a bucket ever handed out, with the bucket. */
  readonly #accepted: { readonly address: Address; readonly row: CommitRow }[] = [];
  readonly #grantIds: string[] = [];
  #nowMs = START_MS;
  #names = 0;
  #sale: Sale;

  constructor(options: { fixture: BooksFixture; sale: Sale; stocks: readonly number[]; dice: Dice }) {
    this.#fixture = options.fixture;
    this.#sale = options.sale;
    this.#saleId = options.sale.id;
    this.#dice = options.dice;
    this.#model = new BooksModel({ nowMs: () => this.#nowMs });
    this.#model.addSale(options.sale, options.stocks);
  }

  /** Draws and does one step; throws where model and database disagree. Answers the step's name. */
  async step(): Promise<string> {
    const steps: readonly (readonly [weight: number, step: () => Promise<string>])[] = [
      [30, () => this.#commit()],
      [5, () => this.#voidRow()],
      [3, () => this.#voidSeq()],
      [5, () => this.#recordLost()],
      [10, () => this.#transfer()],
      [8, () => this.#settleGrant()],
      [4, () => this.#notes()],
      [6, () => this.#changeMode()],
      [4, () => this.#fence()],
      [8, () => this.#reserve()],
      [10, () => this.#end()],
      [6, () => this.#pay()],
      [2, () => this.#adjust()],
      [5, () => this.#passTime()],
    ];
    let draw = this.#dice(steps.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, step] of steps) {
      if (draw < weight) return step();
      draw -= weight;
    }
    throw new Error("the dice fell off the table");
  }

  /** Everything stored equals the model's, and what the books answer; every fourth time also fills and the equations. */
  async compare(): Promise<void> {
    const { database, books } = this.#fixture;
    await compareStates({ database, model: this.#model, saleId: this.#saleId });
    const { epoch } = this.#sale;
    const aboveSeq = ({ itemId, bucket }: { itemId: number; bucket: number }): number => (itemId + bucket) % 3;
    await this.#both((on) => on.readBooks({ saleId: this.#saleId, aboveSeq }));
    await this.#both((on) => on.readGrantedItems({ itemIds: [0, ...this.#sale.items.map(({ itemId }) => itemId)] }));
    await this.#both((on) => on.listUnsettledGrants({ saleId: this.#saleId, epoch }));
    await this.#both(async (on) => (await on.readLedgerStates([this.#saleId])).map(({ isRelayDue }) => isRelayDue));
    await this.#both(async (on) => (await on.listLedgersDue()).some(({ saleId }) => saleId === this.#saleId));
    const address = { ...this.#address(), epoch, afterSeq: this.#dice(4), throughSeq: 4 + this.#dice(20) };
    const rowsMax = 1 + this.#dice(5);
    await this.#both((on) => on.sumOrders(address));
    await this.#both((on) => on.missingSeqs({ ...address, rowsMax }));
    if (this.#dice(4) > 0) return;
    await this.#compareFill(books, address.itemId);
    await assertEquations(this.#fixture, this.#saleId);
  }

  /** Small pages of the database against one page of the model. */
  async #compareFill(books: Books, itemId: number): Promise<void> {
    const whole = { itemId, cursor: "", rowsMax: 10_000 };
    const reservations = new Map<string, unknown>();
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page: Awaited<ReturnType<Books["readReservations"]>> = await books.readReservations({
        itemId,
        cursor,
        rowsMax: 9,
      });
      for (const each of page.reservations) reservations.set(each.rid, each);
      cursor = page.next;
    }
    const expected = (await this.#model.readReservations(whole)).reservations;
    assert.deepEqual(reservations, new Map(expected.map((each) => [each.rid, each])));
  }

  /** The same call on both; answers and refusals must be equal. Answers the model's answer, null when it was refused. */
  async #both<Answer>(call: (on: Books) => Promise<Answer>): Promise<Answer | null> {
    return this.#compared(
      String(call),
      () => call(this.#fixture.books),
      () => call(this.#model),
    );
  }

  async #bothOrders<Answer>(call: (on: OrderStore) => Promise<Answer>): Promise<Answer | null> {
    return this.#compared(
      String(call),
      () => call(this.#fixture.orders),
      () => call(this.#model.orders),
    );
  }

  async #compared<Answer>(
    what: string,
    real: () => Promise<Answer>,
    model: () => Promise<Answer>,
  ): Promise<Answer | null> {
    const [got, expected] = [await settled(real), await settled(model)];
    assert.deepEqual(got, expected, `database and model differ about ${what}`);
    return expected.answer ?? null;
  }

  #newName(): number {
    this.#names += 1;
    return this.#names;
  }

  #address(): Address {
    const item = present(this.#sale.items[this.#dice(this.#sale.items.length)]);
    const epoch = this.#dice(12) === 0 ? this.#sale.epoch - this.#dice(2) : this.#sale.epoch;
    return { saleId: this.#saleId, itemId: item.itemId, bucket: this.#dice(this.#sale.buckets), epoch };
  }

  /** Mostly the bucket's next number, now and then one that it gave out before or one further on. */
  #nextSeq(address: Address, taken: ReadonlySet<number>): number {
    const own = this.#accepted.filter(({ address: other }) => isSameBucket(address, other)).map(({ row }) => row.seq);
    const highest = Math.max(0, ...own, ...taken);
    const wild = this.#dice(20);
    const seq = wild === 0 ? 1 + this.#dice(highest + 1) : highest + (wild === 1 ? 3 : 1);
    return taken.has(seq) ? highest + 1 : seq;
  }

  /** Now and then with a rid that a bucket accepted before, of this item or another, for as many units or others. */
  #drawRow(address: Address, taken: ReadonlySet<number>): CommitRow {
    const known = this.#dice(10) === 0 ? this.#drawAccepted()?.row : undefined;
    const fresh = buyerOf(this.#dice(BUYERS));
    const { rid, buyerId } = known ?? { rid: ridOf(this.#sale, fresh, `key-${this.#newName()}`), buyerId: fresh };
    const isFar = this.#dice(8) === 0;
    const promisedUntil = this.#nowMs + this.#sale.holdMs + (isFar ? 60_000 : this.#dice(10_001) - 5_000);
    const isSame = known !== undefined && this.#dice(3) > 0;
    const quantity = isSame ? known.quantity : 1 + this.#dice(this.#sale.perBuyerMax);
    return { seq: this.#nextSeq(address, taken), rid, buyerId, quantity, promisedUntil };
  }

  /** New rows and rows of earlier batches, whole or in part, in any order. Rids and numbers are each unique. */
  #drawRows(address: Address): CommitRow[] {
    const rows = new Map<string, CommitRow>();
    const taken = new Set<number>();
    const known = this.#accepted.filter(({ address: other }) => isSameBucket(address, other));
    for (let count = 1 + this.#dice(ROWS_MAX); count > 0; count--) {
      const again = this.#dice(4) === 0 ? known[this.#dice(Math.max(1, known.length))] : undefined;
      const row = again?.row ?? this.#drawRow(address, taken);
      if (rows.has(row.rid) || taken.has(row.seq)) continue;
      rows.set(row.rid, row);
      taken.add(row.seq);
      if (again === undefined) this.#accepted.push({ address, row });
    }
    return [...rows.values()];
  }

  /** A batch that is refused is halved, as the worker does, and what is left of it voided. */
  async #commit(): Promise<string> {
    const address = this.#address();
    await this.#commitOrVoid(address, this.#drawRows(address));
    return "commit";
  }

  async #commitOrVoid(address: Address, rows: readonly CommitRow[]): Promise<void> {
    const outcome = await this.#both((on) => on.commitBatch({ ...address, rows }));
    if (outcome !== null) return;
    if (rows.length > 1) {
      const half = Math.ceil(rows.length / 2);
      await this.#commitOrVoid(address, rows.slice(0, half));
      await this.#commitOrVoid(address, rows.slice(half));
      return;
    }
    const reason = this.#dice(2) === 0 ? "limit" : "over_issue";
    await this.#both((on) => on.voidRow({ ...address, row: present(rows[0]), reason }));
  }

  async #voidRow(): Promise<string> {
    const address = this.#address();
    const row = this.#dice(3) === 0 ? this.#drawAccepted()?.row : this.#drawRow(address, new Set());
    if (row === undefined) return "nothing";
    const reason = present((["limit", "poison", "over_issue", "lost"] as const)[this.#dice(4)]);
    await this.#both((on) => on.voidRow({ ...address, row, reason }));
    return `void ${reason}`;
  }

  async #voidSeq(): Promise<string> {
    const request = { ...this.#address(), seq: 1 + this.#dice(20), quantity: 1 + this.#dice(2) };
    await this.#both((on) => on.voidSeq(request));
    return "void number";
  }

  async #recordLost(): Promise<string> {
    const drawn = this.#drawAccepted();
    const address = drawn?.address ?? this.#address();
    const fresh = this.#drawRow(address, new Set());
    const rows = drawn === undefined || drawn.row.rid === fresh.rid ? [fresh] : [drawn.row, fresh];
    this.#accepted.push({ address, row: fresh });
    await this.#both((on) => on.recordLost({ ...address, rows }));
    return "lost";
  }

  #drawAccepted(): { readonly address: Address; readonly row: CommitRow } | undefined {
    return this.#accepted[this.#dice(Math.max(1, this.#accepted.length))];
  }

  async #transfer(): Promise<string> {
    const known = this.#dice(6) === 0 ? this.#grantIds[this.#dice(Math.max(1, this.#grantIds.length))] : undefined;
    const grantId = known ?? `grant-${this.#saleId}-${this.#newName()}`;
    if (known === undefined) this.#grantIds.push(grantId);
    const request = { ...this.#address(), grantId, units: 1 + this.#dice(12) };
    const isGrant = this.#dice(3) > 0;
    await this.#both((on): Promise<Grant | null> => (isGrant ? on.placeGrant(request) : on.askBack(request)));
    return isGrant ? "grant" : "ask back";
  }

  async #settleGrant(): Promise<string> {
    const grantId = this.#grantIds[this.#dice(Math.max(1, this.#grantIds.length))];
    const row = this.#model.tables.data.grants.get(grantId ?? "");
    if (row === undefined) return "nothing";
    const movedUnits = row.units > 0 && this.#dice(4) > 0 ? row.units : this.#dice(Math.abs(row.units) + 2);
    await this.#both((on) => on.settleGrant({ grantId: row.grantId, movedUnits }));
    return "settle";
  }

  async #notes(): Promise<string> {
    const request = { saleId: this.#saleId, epoch: this.#sale.epoch, rowsMax: 100 };
    const [notes, expected] = [await this.#fixture.books.listNotes(request), await this.#model.listNotes(request)];
    const count = this.#dice(notes.length + 1);
    await this.#fixture.books.deleteNotes(notes.slice(0, count).map((note) => note.noteId));
    await this.#model.deleteNotes(expected.slice(0, count).map((note) => note.noteId));
    return "notes";
  }

  async #changeMode(): Promise<string> {
    const from = this.#dice(4) > 0 ? this.#sale.mode : present(MODES[this.#dice(MODES.length)]);
    const likely: LedgerMode = from === "warming" ? "redis" : "draining";
    const to = this.#dice(4) > 0 ? likely : present(MODES[this.#dice(MODES.length)]);
    // Draining ends every history's fun for the epoch: it comes seldom.
    if (to === "draining" && this.#dice(4) > 0) return "nothing";
    const change = { saleId: this.#saleId, epoch: this.#sale.epoch, from, to, reason: `because ${this.#names}` };
    await this.#both((on) => on.changeMode(change));
    await this.#readSale();
    return `${from} → ${to}`;
  }

  async #fence(): Promise<string> {
    const seenEpoch = this.#sale.epoch - (this.#dice(5) === 0 ? 1 : 0);
    const mode = this.#dice(4) === 0 ? "postgres" : "warming";
    const from = this.#dice(3) === 0 ? { from: [present(MODES[this.#dice(MODES.length)])] } : {};
    await this.#both((on) => on.fence({ saleId: this.#saleId, seenEpoch, ...from, mode, reason: `to ${mode}` }));
    await this.#readSale();
    return "fence";
  }

  async #readSale(): Promise<void> {
    this.#sale = present(await this.#fixture.sales.findSale(this.#saleId));
  }

  /** Some of the rids were accepted by buckets before: known, lost or ended. */
  async #reserve(): Promise<string> {
    const item = present(this.#sale.items[this.#dice(this.#sale.items.length)]);
    const attempts = new Map<string, Attempt>();
    for (let count = 1 + this.#dice(4); count > 0; count--) {
      const known = this.#dice(2) === 0 ? this.#drawAccepted()?.row : undefined;
      const buyerId = (known?.buyerId ?? buyerOf(this.#dice(BUYERS))) as BuyerId;
      const rid = (known?.rid ?? ridOf(this.#sale, buyerId, `key-${this.#newName()}`)) as Rid;
      const quantity = known?.quantity ?? 1 + this.#dice(this.#sale.perBuyerMax);
      attempts.set(buyerId, { rid, buyerId, quantity });
    }
    const batch = {
      saleId: this.#saleId,
      itemId: item.itemId,
      epoch: this.#sale.epoch,
      attempts: [...attempts.values()],
    };
    await this.#compared(
      "reserve",
      () => this.#fixture.ledger.reserve(batch),
      () => this.#model.ledger.reserve(batch),
    );
    return "reserve";
  }

  #drawRid(): Rid | null {
    const rids = [...this.#model.tables.data.orders.keys()];
    return (rids[this.#dice(Math.max(1, rids.length))] ?? null) as Rid | null;
  }

  async #end(): Promise<string> {
    const rid = this.#drawRid();
    const buyerId = buyerOf(this.#dice(BUYERS));
    if (rid === null) return "nothing";
    const owner = this.#model.tables.data.orders.get(rid)?.buyerId as typeof buyerId;
    await this.#bothOrders(async (on) => (await on.cancelHold({ rid, buyerId: owner }))?.status);
    const begun = await this.#bothOrders(async (on) => {
      const expiring = await on.beginExpiry({ rowsMax: 1_000, retryAfterMs: -1 });
      return expiring.map((order) => order.rid).sort();
    });
    const chosen = (begun ?? []).filter(() => this.#dice(3) > 0);
    await this.#bothOrders((on) => on.finishEnding(chosen));
    return "end";
  }

  async #pay(): Promise<string> {
    const rid = this.#drawRid();
    if (rid === null) return "nothing";
    const quantity = this.#model.tables.data.orders.get(rid)?.quantity ?? 0;
    const isRight = this.#dice(6) > 0;
    const payment = { provider: "test", notificationId: null, paymentId: `pay-${rid}` };
    const amount = { amount: quantity * 1_000 + (isRight ? 0 : 1), currency: "EUR" };
    await this.#bothOrders((on) => on.attachPayment({ rid, paymentId: payment.paymentId }));
    if (this.#dice(2) === 0) await this.#bothOrders((on) => on.settlePayment({ ...payment, amount }));
    // Mostly late money: whose hold has ended meanwhile, or was paid already.
    const begun = [...this.#model.tables.data.orders.values()].filter((order) => order.paymentId !== null);
    const late = begun[this.#dice(Math.max(1, begun.length))];
    if (late === undefined) return "pay";
    const units = { amount: late.quantity * 1_000, currency: "EUR" };
    const lateId = `pay-${late.rid}`;
    await this.#bothOrders((on) => on.settlePayment({ ...payment, paymentId: lateId, amount: units }));
    return "pay";
  }

  async #adjust(): Promise<string> {
    const item = present(this.#sale.items[this.#dice(this.#sale.items.length)]);
    const delta = this.#dice(9) - 3;
    const done = await settled(async () => this.#model.adjustStock(item.itemId, delta));
    const change = { saleId: this.#saleId, sku: item.sku, delta, reason: "history" };
    const real = await settled(() => this.#fixture.sales.adjustStock(change));
    assert.equal(real.refusal === undefined, done.refusal === undefined);
    return "adjust";
  }

  async #passTime(): Promise<string> {
    this.#nowMs += this.#dice(5) === 0 ? this.#sale.holdMs : this.#dice(3_000);
    await this.#fixture.database.query({ text: "UPDATE frozen_clock SET now = $1" }, [this.#nowMs]);
    return "time";
  }
}

function isSameBucket(one: Address, other: Address): boolean {
  return one.itemId === other.itemId && one.bucket === other.bucket && one.epoch === other.epoch;
}

/** What a call came to: its answer, or the fault's code and the constraint behind it. */
async function settled<Answer>(call: () => Promise<Answer>): Promise<{ answer?: Answer; refusal?: string }> {
  try {
    return { answer: await call() };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    return { refusal: `${code} ${sqlFailure(error)?.constraint ?? ""}` };
  }
}
