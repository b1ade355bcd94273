/**
 * A lean load of buyers over HTTP that remembers every request and its answer.
 *
 * Each visit is a new buyer with one intention: it goes to some node, and when the outcome is unknown or the shop asks to
 * come later, it comes back with the same key, at any node, as a careful client would. Some winners pay, some give back,
 * some ask again to hear the same answer, some try for more than the limit; the rest let the hold pass. Everything is drawn
 * from a seed. Judging is history-checker.ts's work.
 */
import { deriveRid, parseBuyerId, parseSaleId } from "../../src/domain/ids.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { SessionMint } from "../../test/support/minted-session.ts";
import { type HttpAnswer, headerOf } from "../swarm/http-answer.ts";
import { HttpClient, type HttpOutcome } from "../swarm/http-client.ts";
import { createSeededRandom, type SeededRandom } from "../swarm/seeded-random.ts";
import { parseObject, readProblem } from "../swarm/shopper.ts";
import { type BuyerSession, buildPlainRequest, buildSignedRequest } from "../swarm/signed-request.ts";
import { wait } from "../swarm/system-clock.ts";
import type { HistoryAnswer, HistoryRecord, Operation } from "./history.ts";

const CONNECTIONS_PER_NODE_MAX = 128;
const QUEUE_DEPTH_MAX = 4_096;
/** A frozen node answers nobody: its buyers go elsewhere after this long. */
const ANSWER_WITHIN_MS = 2_500;
const COMES_BACK_AFTER_MS_MIN = 40;
const COMES_BACK_AFTER_MS_SPAN = 160;
/** Whoever left with nothing makes room for the next one only after a while. */
const LOOKS_AGAIN_AFTER_MS = 200;
const ASKS_AGAIN_WITHIN_MS = 900;
const PAYMENT_TRIES_MAX = 12;
const NOTIFY_COPIES_MAX = 10;
const NS_PER_MS = 1_000_000;
/** "come later" or "nobody knows"; everything else is a decision. */
const TRANSIENT = new Set([
  "busy",
  "draining",
  "throttled",
  "unavailable",
  "internal",
  "signature_stale",
  "session_expired",
]);

export interface BuyersOptions {
  readonly nodes: readonly { readonly name: string; readonly buyerPort: number }[];
  readonly secret: string;
  readonly saleId: string;
  readonly sku: string;
  readonly perBuyerMax: number;
  readonly seed: number;
  readonly clock: Clock;
}

/** What winners do, as shares of all winners; the rest lets the hold pass. */
export interface Habits {
  readonly paysShare: number;
  /** Pays on the provider's page so that the money comes after the hold has ended; 0 when absent. */
  readonly paysLateShare?: number;
  readonly cancelsShare: number;
  readonly asksAgainShare: number;
  readonly wantsMoreShare: number;
}

export const USUAL_HABITS: Habits = { paysShare: 0.2, cancelsShare: 0.15, asksAgainShare: 0.15, wantsMoreShare: 0.05 };
export const KEEPERS: Habits = { paysShare: 0, cancelsShare: 0, asksAgainShare: 0, wantsMoreShare: 0 };

export interface Pace {
  readonly visitors: number;
  /** The longest pause between two visits of a visitor. */
  readonly pauseMsMax: number;
  readonly habits: Habits;
  /** Null: between 1 and the limit, drawn. */
  readonly quantity: number | null;
}

interface Attempt {
  readonly session: BuyerSession;
  readonly idempotencyKey: string;
  readonly rid: string;
  readonly quantity: number;
}

/** See the file comment. */
export class Buyers {
  readonly records: HistoryRecord[] = [];
  /** Wall clock of nanosecond 0. */
  readonly originMs: number;
  readonly #options: BuyersOptions;
  readonly #clients: readonly HttpClient[];
  readonly #mint: SessionMint;
  readonly #acceptedNs: number[] = [];
  readonly #errands = new Set<Promise<void>>();
  #visitCount = 0;
  #isOpen = false;
  #giveUpAtMs = Number.POSITIVE_INFINITY;
  #visitors: Promise<void>[] = [];
  #pace: Pace | null = null;

  constructor(options: BuyersOptions) {
    const { clock } = options;
    this.#options = options;
    this.originMs = clock.nowMs() - clock.monotonicMs();
    this.#mint = new SessionMint(options.secret);
    this.#clients = options.nodes.map(
      (node) =>
        new HttpClient({
          host: "127.0.0.1",
          port: node.buyerPort,
          connectionsMax: CONNECTIONS_PER_NODE_MAX,
          queueDepthMax: QUEUE_DEPTH_MAX,
          deadlineMs: ANSWER_WITHIN_MS,
          clock,
        }),
    );
  }

  get acceptedCount(): number {
    return this.#acceptedNs.length;
  }

  nowNs(): number {
    return Math.round(this.#options.clock.monotonicMs() * NS_PER_MS);
  }

  /** When the first acceptance that was asked for after the instant was heard; null while there is none. */
  firstAcceptanceAfterNs(sinceNs: number): number | null {
    for (let at = this.records.length - 1, found: number | null = null; ; at -= 1) {
      const record = this.records[at];
      if (record === undefined || (record.completeNs ?? sinceNs) < sinceNs) return found;
      if (isFreshAcceptance(record) && record.invokeNs >= sinceNs) found = record.completeNs;
    }
  }

  /** Whoever had heard by that instant that his reservation is queued. */
  queuedBefore(untilNs: number): readonly string[] {
    return this.records.flatMap(({ rid, completeNs, answer }) =>
      answer?.kind === "accepted" && answer.status === 202 && completeNs !== null && completeNs <= untilNs ? [rid] : [],
    );
  }

  /** The longest time since the instant in which no acceptance was heard; until now, or until the first one. */
  longestSilenceSinceMs(sinceNs: number): number {
    let longest = 0;
    let last = sinceNs;
    for (const atNs of this.#acceptedNs) {
      if (atNs < sinceNs) continue;
      longest = Math.max(longest, atNs - last);
      last = atNs;
    }
    return longest / NS_PER_MS;
  }

  /** Visitors come until `stop`. */
  start(pace: Pace): void {
    this.#isOpen = true;
    this.#giveUpAtMs = Number.POSITIVE_INFINITY;
    this.#pace = pace;
    this.#visitors = Array.from({ length: pace.visitors }, () => this.#visit(pace));
  }

  /** From now on that many times the visitors. */
  press(factor: number): void {
    const pace = this.#pace;
    if (pace === null) throw new Error("nobody came yet");
    for (let more = pace.visitors; more < factor * pace.visitors; more += 1) this.#visitors.push(this.#visit(pace));
  }

  /** Nobody new comes. Who is inside has this long to get an answer; errands of winners are run to their end. */
  async stop(withinMs: number): Promise<void> {
    this.#isOpen = false;
    this.#giveUpAtMs = this.#options.clock.monotonicMs() + withinMs;
    await Promise.all(this.#visitors);
    await Promise.all(this.#errands);
  }

  /** Hangs up; requests without an answer stay open in the history. */
  close(): void {
    this.#isOpen = false;
    this.#giveUpAtMs = 0;
    for (const client of this.#clients) client.close();
  }

  async #visit(pace: Pace): Promise<void> {
    const { clock, perBuyerMax } = this.#options;
    while (this.#isOpen) {
      this.#visitCount += 1;
      const random = createSeededRandom(this.#options.seed, this.#visitCount);
      const session = this.#newSession(random);
      const quantity = pace.quantity ?? 1 + random.below(perBuyerMax);
      const attempt = this.#attempt(session, quantity, random);
      const isWon = await this.#press(attempt, random);
      if (isWon) this.#sendOnErrands(attempt, pace.habits, random);
      await wait(
        clock,
        random.fraction() * (isWon ? pace.pauseMsMax : Math.max(pace.pauseMsMax, LOOKS_AGAIN_AFTER_MS)),
      );
    }
  }

  /** What a winner does next, beside the stream of visits. */
  #sendOnErrands(attempt: Attempt, habits: Habits, random: SeededRandom): void {
    const draw = random.fraction();
    const choices: readonly (readonly [number, () => Promise<void>])[] = [
      [habits.paysShare, () => this.#pay(attempt, "pay", random)],
      [habits.paysLateShare ?? 0, () => this.#pay(attempt, "pay_late", random)],
      [habits.cancelsShare, () => this.#cancel(attempt, random)],
      [habits.asksAgainShare, () => this.#askAgain(attempt, random)],
      [habits.wantsMoreShare, () => this.#wantMore(attempt, random)],
    ];
    let below = 0;
    const chosen = choices.find(([share]) => {
      below += share;
      return draw < below;
    });
    if (chosen === undefined) return;
    const errand = chosen[1]();
    this.#errands.add(errand);
    void errand.finally(() => this.#errands.delete(errand));
  }

  /** One intention, as many requests as it takes. True when it was accepted. */
  async #press(attempt: Attempt, random: SeededRandom): Promise<boolean> {
    const { clock, saleId, sku } = this.#options;
    const path = `/v1/sales/${saleId}/items/${sku}/reservations`;
    const body = `{"quantity":${attempt.quantity}}`;
    for (;;) {
      const answer = await this.#ask(attempt, "reserve", random, { method: "POST", path, body });
      if (answer?.kind === "accepted") return true;
      if (answer?.kind === "refused" && !TRANSIENT.has(answer.reason)) return false;
      if (clock.monotonicMs() >= this.#giveUpAtMs) return false;
      await wait(clock, COMES_BACK_AFTER_MS_MIN + random.fraction() * COMES_BACK_AFTER_MS_SPAN);
    }
  }

  async #askAgain(attempt: Attempt, random: SeededRandom): Promise<void> {
    await wait(this.#options.clock, random.fraction() * ASKS_AGAIN_WITHIN_MS);
    await this.#ask(attempt, "read", random, { method: "GET", path: `/v1/reservations/${attempt.rid}`, body: null });
    await this.#press(attempt, random);
  }

  /** Whoever has the limit and asks for more is refused, in every mode. */
  async #wantMore(attempt: Attempt, random: SeededRandom): Promise<void> {
    await this.#press(this.#attempt(attempt.session, this.#options.perBuyerMax, random), random);
  }

  async #cancel(attempt: Attempt, random: SeededRandom): Promise<void> {
    await wait(this.#options.clock, random.fraction() * ASKS_AGAIN_WITHIN_MS);
    await this.#ask(attempt, "cancel", random, {
      method: "DELETE",
      path: `/v1/reservations/${attempt.rid}`,
      body: null,
    });
  }

  /** Checkout at the shop, then the provider's page, until somebody says yes or no. */
  async #pay(attempt: Attempt, op: "pay" | "pay_late", random: SeededRandom): Promise<void> {
    const { clock } = this.#options;
    const path = `/v1/reservations/${attempt.rid}/checkout`;
    for (let tries = 0; tries < PAYMENT_TRIES_MAX; tries += 1) {
      const checkout = await this.#exchange(attempt, "checkout", random, { method: "POST", path, body: null });
      if (checkout !== null && checkout.status === 201) {
        await this.#pressPay(attempt, op, random, String(parseObject(checkout.body)["checkoutUrl"]));
        return;
      }
      if (checkout !== null && !TRANSIENT.has(readProblem(checkout).reason)) return;
      await wait(clock, COMES_BACK_AFTER_MS_MIN + random.fraction() * COMES_BACK_AFTER_MS_SPAN);
    }
  }

  async #pressPay(attempt: Attempt, op: "pay" | "pay_late", random: SeededRandom, checkoutUrl: string): Promise<void> {
    const page = new URL(checkoutUrl);
    const form = paymentForm(op, random);
    for (let tries = 0; tries < PAYMENT_TRIES_MAX; tries += 1) {
      const invokeNs = this.nowNs();
      const request = buildPlainRequest({
        method: "POST",
        path: page.pathname + page.search,
        host: page.host,
        forwardedFor: attempt.session.forwardedFor,
        body: form.toString(),
        contentType: "application/x-www-form-urlencoded",
      });
      const outcome = await this.#client(random).send(request);
      const answer = outcome.kind === "answer" ? outcome.answer : null;
      const isPaid =
        answer?.status === 303 && !(headerOf(answer.head, "location") ?? "").includes(page.pathname.toLowerCase());
      if (!wasNeverSent(outcome)) {
        this.#note(attempt, op, invokeNs, answer, isPaid ? { kind: "done", status: "paid" } : null);
      }
      if (answer !== null && answer.status < 500) return;
      await wait(this.#options.clock, COMES_BACK_AFTER_MS_MIN);
    }
  }

  async #ask(
    attempt: Attempt,
    op: Operation,
    random: SeededRandom,
    request: { method: "GET" | "POST" | "DELETE"; path: string; body: string | null },
  ): Promise<HistoryAnswer | null> {
    const answer = await this.#exchange(attempt, op, random, request);
    return answer === null ? null : understand(op, answer);
  }

  /** One signed request, on record. Null: no answer. */
  async #exchange(
    attempt: Attempt,
    op: Operation,
    random: SeededRandom,
    request: { method: "GET" | "POST" | "DELETE"; path: string; body: string | null },
  ): Promise<HttpAnswer | null> {
    const { session } = attempt;
    const content = {
      ...request,
      idempotencyKey: op === "reserve" ? attempt.idempotencyKey : null,
      timestampMs: this.#options.clock.nowMs(),
      nonce: random.text(22),
    };
    const invokeNs = this.nowNs();
    const outcome = await this.#client(random).send(buildSignedRequest(session, content, "shop.test"));
    if (wasNeverSent(outcome)) return null;
    const answer = outcome.kind === "answer" ? outcome.answer : null;
    this.#note(attempt, op, invokeNs, answer, answer === null ? null : understand(op, answer));
    return answer;
  }

  #note(
    attempt: Attempt,
    op: Operation,
    invokeNs: number,
    heard: HttpAnswer | null,
    answer: HistoryAnswer | null,
  ): void {
    const completeNs = heard === null ? null : this.nowNs();
    const { rid, quantity, session } = attempt;
    const record = { invokeNs, completeNs, op, buyer: session.buyerId, rid, quantity, answer };
    this.records.push(record);
    if (isFreshAcceptance(record)) this.#acceptedNs.push(completeNs ?? 0);
  }

  #client(random: SeededRandom): HttpClient {
    return this.#clients[random.below(this.#clients.length)] as HttpClient;
  }

  #attempt(session: BuyerSession, quantity: number, random: SeededRandom): Attempt {
    const idempotencyKey = random.text(22);
    const buyerId = parseBuyerId(session.buyerId);
    const saleId = parseSaleId(this.#options.saleId);
    if (buyerId === null || saleId === null) throw new Error(`not an id: ${session.buyerId}`);
    return { session, idempotencyKey, rid: deriveRid({ buyerId, saleId, idempotencyKey }), quantity };
  }

  #newSession(random: SeededRandom): BuyerSession {
    const { token, signingKey, buyerId } = this.#mint.mint();
    const forwardedFor = `10.${random.below(256)}.${random.below(256)}.${1 + random.below(254)}`;
    return { token, signingKey: Buffer.from(signingKey, "base64url"), buyerId, forwardedFor };
  }
}

/** What the provider is told: some notifications come twice, late, or in the wrong order. */
function paymentForm(op: "pay" | "pay_late", random: SeededRandom): URLSearchParams {
  const form = new URLSearchParams({ action: op });
  if (random.fraction() < 0.2) form.set("notifyCopies", String(1 + random.below(NOTIFY_COPIES_MAX)));
  if (random.fraction() < 0.1) form.set("notifyOrder", "reversed");
  if (random.fraction() < 0.1) form.set("notifySeconds", "1");
  if (op === "pay_late") {
    form.set("lateSeconds", String(1 + random.below(2)));
    form.set("cancelRule", random.fraction() < 0.5 ? "answers_processing" : "captured_anyway");
  }
  return form;
}

function wasNeverSent(outcome: HttpOutcome): boolean {
  return outcome.kind === "no_answer" && (outcome.cause === "refused" || outcome.cause === "queue_full");
}

function isFreshAcceptance(record: HistoryRecord): boolean {
  return record.answer?.kind === "accepted" && !record.answer.replayed;
}

function understand(op: Operation, answer: HttpAnswer): HistoryAnswer {
  if (answer.status >= 300) return { kind: "refused", status: answer.status, ...stageAndReason(answer) };
  const body = parseObject(answer.body);
  if (op !== "reserve") return { kind: "done", status: String(body["status"] ?? answer.status) };
  return {
    kind: "accepted",
    status: answer.status === 202 ? 202 : 201,
    holdUntil: Number(body["holdUntil"]),
    replayed: headerOf(answer.head, "idempotent-replayed") === "true",
  };
}

function stageAndReason(answer: HttpAnswer): { stage: string; reason: string } {
  const { stage, reason } = readProblem(answer);
  return { stage, reason };
}
