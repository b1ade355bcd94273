/**
 * Everything a sale's page knows and does: the document, the clock, this buyer's attempts and reservations.
 *
 * Plain fields and one `draw`: the whole page is drawn from the model, at most once per turn of the event loop. Signals
 * would draw less, but their share of the script's budget is needed elsewhere. Requests are the SDK's work, and when to
 * ask again is purchase.ts's. Reservations come by stream, and by polling while the stream is broken.
 */
import type { PageSignals, Reservation, SaleDocument, SaleItem } from "../../client/contract.ts";
import type { Doorbuster } from "../../client/doorbuster.ts";
import { DoorbusterError } from "../../client/problem.ts";
import { isWorthRetrying, waitBeforeRetryMs } from "../../client/retry.ts";
import { randomToken } from "../../client/sign.ts";
import { sleep } from "../../client/sleep.ts";
import { spokenRemaining, tickDelayMs } from "../shared/countdown.ts";
import { Arming } from "./arming.ts";
import { type ButtonView, saleStateNow } from "./buy-button.ts";
import { Clearing } from "./clearing.ts";
import { textOf } from "./failure-words.ts";
import type { Answer, Attempt, Purchase, PurchaseEvent } from "./purchase.ts";
import { IDLE, nextPurchase, refusalOf } from "./purchase.ts";
import { RESERVATION_VIEWS } from "./reservation-view.ts";
import { recallAttempt, recallSession, rememberAttempt, rememberReceipt, rememberSession } from "./tab-memory.ts";

const POLL_MS = 4_000;
const POLL_SPREAD_MS = 2_000;
const TICK_MS_MAX = 1_000;

export interface SaleModelParts {
  /** What the page tells of its device when a session begins; absent = nothing. Must not reject. */
  readonly signals?: () => Promise<PageSignals>;
  readonly shop: Doorbuster;
  readonly saleId: string;
  /** The reservation the buyer comes back for, from the payment page. */
  readonly spotlight: string | null;
  /** Draws the page from the model. */
  readonly draw: () => void;
}

export class SaleModel {
  sale: SaleDocument | null = null;
  isMissing = false;
  /** Why the page cannot be kept fresh; empty while it can. */
  trouble = "";
  /** Why the buyer's last action on a reservation failed; empty when it did not. */
  failure = "";
  /** The server's time as last drawn. */
  now: number;
  clockErrorMs: number | null = null;
  /** Newest first. */
  reservations: readonly Reservation[] = [];
  /** What is under way for a reservation; one thing at a time. */
  busy: { readonly rid: string; readonly what: "pay" | "give-back" } | null = null;
  /** The reservation whose giving back must be confirmed. */
  doubted: string | null = null;
  /** The newest sentence for the live region. */
  spoken = "";
  /** The reservation whose card takes the focus when it is drawn. */
  spotlight: string | null;
  /** Quantities the buyer chose, by sku. */
  readonly chosen = new Map<string, number>();
  /** The sale's challenge. */
  readonly clearing: Clearing;
  /** What is checked before the opening. */
  readonly arming: Arming;
  readonly #purchases = new Map<string, Purchase>();
  readonly #shop: Doorbuster;
  readonly #saleId: string;
  readonly #draw: () => void;
  readonly #signals: SaleModelParts["signals"];
  #isDrawDue = false;
  #isStreaming = false;
  #starting: Promise<void> | null = null;
  #tickTimer: ReturnType<typeof setTimeout> | undefined;

  constructor({ shop, saleId, spotlight, draw, signals }: SaleModelParts) {
    this.#shop = shop;
    this.#signals = signals;
    this.#saleId = saleId;
    this.spotlight = spotlight;
    this.#draw = draw;
    this.now = shop.clock.now();
    this.clearing = new Clearing({
      shop,
      saleId,
      changed: () => this.changed(),
      say: (text) => {
        this.spoken = text;
      },
      chance: Math.random(),
    });
    this.arming = new Arming({
      shop,
      saleId,
      begin: () => this.#begin(),
      onChallenge: this.clearing.onChallenge,
      onSolved: () => this.clearing.end(),
      changed: () => this.changed(),
      say: (text) => {
        this.spoken = text;
      },
      textOf,
    });
  }

  /** Loads everything and keeps it fresh for as long as the page lives. */
  start(): void {
    this.wake();
    void this.#poll();
  }

  /** After a sleep or a return from the cache nothing on the page can be trusted: the clock least of all. */
  wake(): void {
    this.busy = null;
    void this.#keepFresh(this.#syncClock());
    if (this.sale !== null) void this.#keepFresh(this.#refresh());
  }

  /** Asks for a drawing. */
  changed(): void {
    if (this.#isDrawDue) return;
    this.#isDrawDue = true;
    queueMicrotask(() => {
      this.#isDrawDue = false;
      this.#draw();
    });
  }

  /** The server's time, now and not as last drawn. */
  readonly serverNow = (): number => this.#shop.clock.now();

  /** When the sale opens for this buyer: a pass may have said that he is in one of its tiers. */
  get opensAt(): number {
    const own = this.arming.opensAt;
    const isOfTier = own !== null && this.sale?.tiers?.some((tier) => tier.opensAt === own) === true;
    return isOfTier ? own : (this.sale?.opensAt ?? 0);
  }

  purchaseOf(sku: string): Purchase {
    return this.#purchases.get(sku) ?? IDLE;
  }

  item(sku: string): SaleItem | undefined {
    return this.sale?.items.find((item) => item.sku === sku);
  }

  /** Units of the item that are this buyer's, and the reservation among them that waits for payment. */
  ownUnits(sku: string): { units: number; unpaidRid: string | null } {
    const own = this.reservations.filter((one) => one.sku === sku && RESERVATION_VIEWS[one.status].isOwned);
    return {
      units: own.reduce((sum, one) => sum + one.quantity, 0),
      unpaidRid: own.find((one) => one.status !== "paid")?.rid ?? null,
    };
  }

  /** The item's button was pressed while it showed `action`. */
  press(sku: string, quantity: number, action: ButtonView["action"]): void {
    if (action === "show") {
      this.spotlight = this.ownUnits(sku).unpaidRid;
      this.changed();
    } else if (action === "stop") this.#dispatch(sku, { kind: "stop" });
    else if (action !== null) {
      this.clearing.questions.hurry();
      const key = this.arming.keyFor(sku, quantity) ?? randomToken();
      this.arming.forget(sku);
      this.#dispatch(sku, { kind: "press", key, quantity, patient: action === "patient" });
    }
  }

  /** Something of this buyer's waits for payment, and he is not on his way to it. */
  get isUnpaid(): boolean {
    const unpaid = this.reservations.some((one) => one.status === "queued" || this.#isHeld(one.rid));
    return unpaid && this.busy?.what !== "pay";
  }

  /** Leaves for the payment page. */
  pay(rid: string): void {
    void this.#act(rid, "pay", async () => location.assign((await this.#shop.checkout(rid)).checkoutUrl));
  }

  giveBack(rid: string): void {
    void this.#act(rid, "give-back", async () => {
      this.#take(await this.#shop.cancel(rid));
      this.busy = null;
    });
  }

  /** Both actions may be repeated; a server that is away for a moment costs the buyer no second press. */
  async #act(rid: string, what: "pay" | "give-back", action: () => Promise<void>): Promise<void> {
    if (this.busy !== null) return;
    this.busy = { rid, what };
    this.failure = "";
    for (let attempt = 1; ; attempt += 1) {
      this.changed();
      try {
        await action();
        this.failure = "";
        break;
      } catch (error) {
        this.failure = textOf(error);
        const problem = error instanceof DoorbusterError ? error.problem : null;
        if (!this.#isHeld(rid) || (problem !== null && !isWorthRetrying(problem))) {
          this.busy = null;
          break;
        }
        this.changed();
        await sleep(waitBeforeRetryMs({ attempt, problem, random: Math.random() }));
      }
    }
    this.changed();
  }

  #isHeld(rid: string): boolean {
    const one = this.reservations.find((reservation) => reservation.rid === rid);
    return one?.status === "held" && this.#shop.clock.now() < one.holdUntil;
  }

  async #keepFresh(work: Promise<void>): Promise<void> {
    try {
      await work;
      this.trouble = "";
    } catch (error) {
      this.trouble = textOf(error);
    }
    this.changed();
  }

  /** Brings the page to the current instant and wakes again when one of its countdowns changes. */
  #tick(): void {
    clearTimeout(this.#tickTimer);
    const before = this.now;
    const now = this.#shop.clock.now();
    this.now = now;
    const ends = this.reservations.filter((one) => one.status === "held").map((one) => one.holdUntil);
    const { sale } = this;
    if (sale !== null) {
      const { opensAt } = this;
      ends.push(saleStateNow({ ...sale, opensAt }, now) === "scheduled" ? opensAt : sale.closesAt);
      const left = spokenRemaining({ previousMs: opensAt - before, currentMs: opensAt - now });
      if (left !== null) this.spoken = `Opens in ${left}`;
      else if (before < opensAt && now >= opensAt) this.spoken = "The sale is open";
    }
    for (const [sku, purchase] of this.#purchases) {
      if (purchase.kind !== "waiting") continue;
      if (purchase.askAt <= now) this.#dispatch(sku, { kind: "ask" });
      else ends.push(purchase.askAt);
    }
    this.#tickTimer = setTimeout(
      () => this.#tick(),
      Math.min(TICK_MS_MAX, ...ends.map((end) => tickDelayMs(end - now))),
    );
    this.changed();
  }

  async #poll(): Promise<void> {
    if (this.sale === null || !document.hidden) await this.#keepFresh(this.#refresh());
    // Spread: a crowd that loaded in the same second must not poll in the same second.
    setTimeout(() => void this.#poll(), POLL_MS + POLL_SPREAD_MS * Math.random());
  }

  async #refresh(): Promise<void> {
    const isFirst = this.sale === null;
    const sale = await this.#shop.sale(this.#saleId);
    this.sale = sale;
    this.isMissing = sale === null;
    for (const { sku, availability } of sale?.items ?? []) {
      const purchase = this.purchaseOf(sku);
      if (purchase.kind === "refused" && purchase.reason === "empty" && availability !== "none") this.#set(sku, IDLE);
      if (isFirst) this.#resume(sku);
    }
    this.#tick();
    await this.#begin();
    if (sale !== null) void this.clearing.prepare(sale, this.now);
    if (!this.#isStreaming) await this.#loadReservations();
  }

  async #syncClock(): Promise<void> {
    this.clockErrorMs = (await this.#shop.clock.sync()).errorMs;
    this.#tick();
  }

  /** Takes up the tab's session or starts one, once however often it is asked for. A failure may be repeated. */
  async #begin(): Promise<void> {
    this.#starting ??= this.#openSession();
    try {
      await this.#starting;
    } catch (error) {
      this.#starting = null;
      throw error;
    }
  }

  async #openSession(): Promise<void> {
    const known = recallSession(this.#shop.clock.now());
    if (known === null)
      rememberSession(await this.#shop.startSession({ kind: "guest", ...(await this.#tellSignals()) }));
    else await this.#shop.resumeSession(known);
    this.clearing.recall();
    this.arming.recall(this.sale?.items.map((item) => item.sku) ?? []);
    this.#shop.events({
      onReservation: (reservation) => this.#take(reservation),
      onOpen: () => {
        this.#isStreaming = true;
        void this.#keepFresh(this.#loadReservations());
      },
      onBreak: () => {
        this.#isStreaming = false;
      },
      onEnd: () => this.#dropSession(),
    });
  }

  async #tellSignals(): Promise<{ signals?: PageSignals }> {
    return this.#signals === undefined ? {} : { signals: await this.#signals() };
  }

  /** The next need of a session starts a new one. */
  #dropSession(): void {
    this.#isStreaming = false;
    this.#starting = null;
    rememberSession(null);
  }

  async #loadReservations(): Promise<void> {
    for (const reservation of await this.#shop.reservations(this.#saleId)) this.#take(reservation);
  }

  #take(reservation: Reservation): void {
    const known = this.reservations.find((one) => one.rid === reservation.rid);
    if (reservation.saleId !== this.#saleId || (known?.updatedAt ?? 0) > reservation.updatedAt) return;
    if (known?.status !== reservation.status) this.spoken = RESERVATION_VIEWS[reservation.status].title;
    const others = this.reservations.filter((one) => one !== known);
    this.reservations = [...others, reservation].sort((one, other) => other.createdAt - one.createdAt);
    // Its time begins now and not when the page was drawn last: 10:01 of ten minutes would be a strange beginning.
    this.#tick();
  }

  /** After a reload an attempt that was still open is asked for again: it may have been accepted. */
  #resume(sku: string): void {
    const open = recallAttempt(this.#saleId + sku);
    if (open === null) return;
    const attempt: Attempt = { ...open, tries: 0, unknown: true, patient: false };
    this.#set(sku, { kind: "waiting", attempt, cause: "unknown", askAt: 0 });
  }

  #dispatch(sku: string, event: PurchaseEvent): void {
    const before = this.purchaseOf(sku);
    const after = nextPurchase(before, event);
    if (after === before) return;
    this.#set(sku, after);
    if (after.kind === "sending") void this.#send(sku, after.attempt);
    if (after.kind === "waiting") this.#tick();
    if (after.kind === "refused") this.spoken = after.title;
  }

  #set(sku: string, purchase: Purchase): void {
    const attempt = purchase.kind === "sending" || purchase.kind === "waiting" ? purchase.attempt : null;
    rememberAttempt(this.#saleId + sku, attempt === null ? null : { key: attempt.key, quantity: attempt.quantity });
    this.#purchases.set(sku, purchase);
    this.changed();
  }

  async #send(sku: string, attempt: Attempt): Promise<void> {
    const answer = await this.#ask(sku, attempt);
    this.#dispatch(sku, { kind: "answer", answer, now: this.#shop.clock.now(), chance: Math.random() });
  }

  async #ask(sku: string, { key, quantity }: Attempt): Promise<Answer> {
    try {
      await this.#begin();
    } catch (error) {
      // Nothing was sent yet, so the outcome is known: not now.
      const reason = error instanceof DoorbusterError ? error.problem.reason : "offline";
      return { kind: "refused", reason, title: textOf(error), retryAfterMs: null, left: null };
    }
    const wish = { saleId: this.#saleId, sku, quantity, idempotencyKey: key, patienceMs: 0 };
    const result = await this.#shop.reserve({ ...wish, onChallenge: this.clearing.onChallenge });
    this.clearing.end();
    if (result.kind === "unknown") return { kind: "lost" };
    if (result.kind === "refused") {
      const refusal = refusalOf(result.problem);
      if (refusal.reason.startsWith("session_")) this.#dropSession();
      if (["paused", "closed"].includes(refusal.reason)) void this.#keepFresh(this.#refresh());
      return refusal;
    }
    const { receipt, ...accepted } = result.reservation;
    rememberReceipt(accepted.rid, receipt);
    const { amount, currency } = this.item(sku)?.price ?? { amount: 0, currency: "EUR" };
    this.spotlight = accepted.rid;
    // A stand-in, older than any document of the server's own, which then takes its place.
    const createdAt = this.#shop.clock.now();
    this.#take({ ...accepted, amount: { amount: amount * quantity, currency }, createdAt, updatedAt: 0 });
    return { kind: "accepted", rid: accepted.rid };
  }
}
