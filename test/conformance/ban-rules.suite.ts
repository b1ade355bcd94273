/**
 * Bans that nobody makes by hand, on real databases: they grow, they end, and an operator has the last word. Holds left
 * unpaid cost their time again, and money that comes late after all is forgiven.
 */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { PostgresBanStore } from "../../src/adapters/postgres/postgres-ban-store.ts";
import type { BuyerId, Rid } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import type { Ban } from "../../src/ports/sale-store.ts";
import { buyerOf, itemIdOf, type LedgerFixture, openSale, present, ridOf } from "./ledger-fixture.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const RULE = { banMs: MINUTE_MS, banMsMax: 60 * MINUTE_MS, windowMs: DAY_MS };
const COOL = { rowsMax: 100, windowMs: DAY_MS, coolDownMsMax: 60 * MINUTE_MS };
/** Endings happen at the database's own time; a test waits for none of it. */
const CLOSE_MS = 20_000;

export function describeBanRules(name: string, open: () => Promise<LedgerFixture>): void {
  describe(`bans: ${name}`, () => {
    let fixture: LedgerFixture;
    let bans: PostgresBanStore;
    let sale: Sale;
    let drawn = 0;
    before(async () => {
      fixture = await open();
      bans = new PostgresBanStore(fixture.database);
      sale = await openSale(fixture, { stocks: [1_000], perBuyerMax: 5 });
    });
    beforeEach(() => fixture.database.query({ text: "TRUNCATE ban, dropped_hold, risk_report" }).then(() => undefined));
    after(() => fixture.close());

    const propose = (subject = "ann", kind: "buyer" | "device" = "buyer"): Promise<Ban | null> => {
      drawn += 1;
      return bans.banAutomatically({ id: `auto-${drawn}`, kind, subject, reason: "challenges failed: 30", ...RULE });
    };
    const endAll = () => fixture.database.query({ text: "UPDATE ban SET expires_at = now_ms() - 1" });
    const lengthOf = (ban: Ban): number => (ban.expiresAt ?? 0) - ban.createdAt;
    const near = (actualMs: number, expectedMs: number) =>
      assert.ok(Math.abs(actualMs - expectedMs) < CLOSE_MS, `${actualMs} ms is not about ${expectedMs} ms`);

    async function hold(buyerId: BuyerId): Promise<Rid> {
      drawn += 1;
      const rid = ridOf(sale, buyerId, `key-${drawn}`);
      const { outcomes } = await fixture.ledger.reserve({
        saleId: sale.id,
        itemId: itemIdOf(sale),
        epoch: sale.epoch,
        attempts: [{ rid, buyerId, quantity: 1 }],
      });
      assert.equal(outcomes[0]?.kind, "accepted");
      return rid;
    }

    /** A hold that ran out just now, after `heldMs`. */
    async function runOut(buyerId: BuyerId, heldMs: number): Promise<Rid> {
      const rid = await hold(buyerId);
      await fixture.database.query(
        { text: "UPDATE orders SET created_at = now_ms() - $2, hold_until = now_ms() - 1 WHERE rid = $1" },
        [rid, heldMs],
      );
      await fixture.orders.beginExpiry({ rowsMax: 500, retryAfterMs: 0 });
      await fixture.orders.finishEnding([rid]);
      return rid;
    }

    async function coolDownOf(buyerId: BuyerId): Promise<Ban | null> {
      await bans.coolDown(COOL);
      const all = (await bans.listBans()).filter(
        ({ subject, effect }) => subject === buyerId && effect === "cool_down",
      );
      return all[0] ?? null;
    }

    test("an automatic ban lasts four times as long each further time, up to its most", async () => {
      const lengths: number[] = [];
      for (let times = 0; times < 5; times += 1) {
        lengths.push(Math.round(lengthOf(present(await propose())) / MINUTE_MS));
        await endAll();
      }
      assert.deepEqual(lengths, [1, 4, 16, 60, 60]);
    });

    test("it says what it is, and is not made twice, not even by ten nodes at once", async () => {
      const made = (await Promise.all(Array.from({ length: 10 }, () => propose()))).filter((ban) => ban !== null);
      assert.equal(made.length, 1);
      const [ban] = await bans.listBans();
      assert.deepEqual(ban, made[0]);
      assert.equal(ban?.origin, "automatic");
      assert.equal(ban?.effect, "refuse");
      assert.equal(ban?.reason, "challenges failed: 30");
    });

    test("an operator who lifts it is not overruled, and one who exempts somebody even less", async () => {
      const ban = present(await propose());
      assert.equal(await bans.deleteBan(ban.id), true);
      assert.equal(await bans.deleteBan(ban.id), false);
      assert.deepEqual(await bans.listBans(), []);
      assert.equal(await propose(), null);
      assert.notEqual(await propose("bob"), null);
      const exemption = { id: "e", kind: "device" as const, subject: "office", reason: "our own", expiresAt: null };
      await bans.createBan({ ...exemption, effect: "exempt" });
      assert.equal(await propose("office", "device"), null);
      assert.notEqual(await propose("office", "buyer"), null);
    });

    test("every change raises the revision, and nothing else does", async () => {
      const before = await bans.banRevision();
      const ban = present(await propose());
      const after = await bans.banRevision();
      assert.ok(after > before);
      await bans.coolDown(COOL);
      assert.equal(await bans.banRevision(), after);
      await bans.deleteBan(ban.id);
      assert.ok((await bans.banRevision()) > after);
    });

    test("whoever lets a hold run out waits as long as he kept it, and twice as long the second time", async () => {
      const buyer = buyerOf("dropper");
      await runOut(buyer, 10 * MINUTE_MS);
      const first = present(await coolDownOf(buyer));
      near(lengthOf(first), 10 * MINUTE_MS);
      await runOut(buyer, 10 * MINUTE_MS);
      near(lengthOf(present(await coolDownOf(buyer))), 20 * MINUTE_MS);
      for (let times = 0; times < 4; times += 1) await runOut(buyer, 10 * MINUTE_MS);
      near(lengthOf(present(await coolDownOf(buyer))), COOL.coolDownMsMax);
    });

    test("one hold that is given back costs nothing, a second one its time", async () => {
      const buyer = buyerOf("undecided");
      const giveBack = async (): Promise<void> => {
        const rid = await hold(buyer);
        await fixture.database.query({ text: "UPDATE orders SET created_at = now_ms() - 90000 WHERE rid = $1" }, [rid]);
        await fixture.orders.cancelHold({ rid, buyerId: buyer });
      };
      await giveBack();
      assert.equal(await coolDownOf(buyer), null);
      await giveBack();
      near(lengthOf(present(await coolDownOf(buyer))), 90_000);
    });

    test("a hold that is paid costs nothing, and money that comes late is forgiven", async () => {
      const buyer = buyerOf("late");
      const rid = await hold(buyer);
      const pay = (paid: Rid) =>
        fixture.orders.settlePayment({
          provider: "test",
          notificationId: null,
          paymentId: `pay-${paid}`,
          amount: present(sale.items[0]).price,
        });
      await fixture.orders.attachPayment({ rid, paymentId: `pay-${rid}` });
      await pay(rid);
      assert.equal(await coolDownOf(buyer), null);
      const late = await hold(buyer);
      await fixture.orders.attachPayment({ rid: late, paymentId: `pay-${late}` });
      await fixture.database.query({ text: "UPDATE orders SET hold_until = now_ms() - 1 WHERE rid = $1" }, [late]);
      await fixture.orders.beginExpiry({ rowsMax: 500, retryAfterMs: 0 });
      await fixture.orders.finishEnding([late]);
      const droppedHolds = () => fixture.database.query({ text: "SELECT rid FROM dropped_hold" });
      assert.equal((await droppedHolds()).length, 1);
      await pay(late);
      assert.deepEqual(await droppedHolds(), []);
    });

    test("money that comes late ends the cool-down as well", async () => {
      const buyer = buyerOf("slow-bank");
      const rid = await hold(buyer);
      await fixture.orders.attachPayment({ rid, paymentId: `pay-${rid}` });
      await fixture.database.query(
        { text: "UPDATE orders SET created_at = now_ms() - 60000, hold_until = now_ms() - 1 WHERE rid = $1" },
        [rid],
      );
      await fixture.orders.beginExpiry({ rowsMax: 500, retryAfterMs: 0 });
      // While the provider decides, the units are still his and the cool-down is there: nobody wins the race for them.
      assert.equal(present(await fixture.orders.findOrder(rid)).status, "expiring");
      assert.notEqual(await coolDownOf(buyer), null);
      await fixture.orders.settlePayment({
        provider: "test",
        notificationId: null,
        paymentId: `pay-${rid}`,
        amount: present(sale.items[0]).price,
      });
      assert.equal(await coolDownOf(buyer), null);
    });

    test("nobody who is exempt cools down, and no hold is counted twice", async () => {
      const buyer = buyerOf("house");
      await bans.createBan({
        id: "x",
        kind: "buyer",
        subject: buyer,
        reason: "ours",
        expiresAt: null,
        effect: "exempt",
      });
      await runOut(buyer, 10 * MINUTE_MS);
      assert.equal(await coolDownOf(buyer), null);
      const other = buyerOf("other");
      await runOut(other, 10 * MINUTE_MS);
      assert.equal(await bans.coolDown(COOL), 1);
      assert.equal(await bans.coolDown(COOL), 0);
    });

    test("what is over long enough is forgotten, and what is in force is not", async () => {
      await propose("ended");
      await endAll();
      await propose("lasting");
      await runOut(buyerOf("gone"), MINUTE_MS);
      await bans.writeReport({ runId: "node", report: {}, counts: {} });
      await bans.forget({ banAgeMsMin: -MINUTE_MS * 2, dropAgeMsMin: -MINUTE_MS, reportAgeMsMin: -MINUTE_MS });
      const counts = await fixture.database.query<{ subject: string }>({ text: "SELECT subject FROM ban" });
      assert.deepEqual(counts, []);
      assert.deepEqual(await bans.readReports({ ageMsMax: MINUTE_MS }), []);
      await propose("lasting");
      await bans.forget({ banAgeMsMin: 0, dropAgeMsMin: 0, reportAgeMsMin: 0 });
      assert.equal((await bans.listBans()).length, 1);
    });

    test("processes read each other's counts as they were written, and not those of the dead", async () => {
      const counts = { device: [[4_294_967_295, 7, 1, 2, 3, 4_294_967_295]] };
      await bans.writeReport({ runId: "one", report: {}, counts });
      await bans.writeReport({ runId: "two", report: {}, counts: { device: [] } });
      const read = (exceptRunId: string) => bans.readCounts({ exceptRunId, ageMsMax: MINUTE_MS });
      assert.deepEqual(await read("two"), [counts]);
      assert.deepEqual(await read("one"), [{ device: [] }]);
      await fixture.database.query({ text: "UPDATE risk_report SET at = now_ms() - 100000 WHERE run_id = 'one'" });
      assert.deepEqual(await read("two"), []);
    });

    test("a process replaces its report, and old ones are not read", async () => {
      await bans.writeReport({ runId: "one", report: { bands: { pass: 1 } }, counts: {} });
      await bans.writeReport({ runId: "one", report: { bands: { pass: 2 } }, counts: {} });
      await bans.writeReport({ runId: "two", report: {}, counts: {} });
      await fixture.database.query({ text: "UPDATE risk_report SET at = now_ms() - 100000 WHERE run_id = 'two'" });
      const reports = await bans.readReports({ ageMsMax: MINUTE_MS });
      assert.deepEqual(
        reports.map(({ runId, report }) => ({ runId, report })),
        [{ runId: "one", report: { bands: { pass: 2 } } }],
      );
    });
  });
}
