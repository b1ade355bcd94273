/**
 * The funnel: one attempt, seven stages, cheapest refusal first. This file is the product's order of business.
 *
 * A straight line on purpose, without a middleware engine: whoever reorders stages must see it in the diff. Stages 1 to 5
 * decide without waiting and without the body; on sale day nearly every attempt ends there. What each stage asks, and
 * why in this order, is in README.md beside this file.
 */

import type { SaleId } from "../domain/ids.ts";
import type { Refusal } from "../domain/refusals.ts";
import type { FlushReport } from "../ledger/batcher.ts";
import type { ChangeFeed } from "../ports/change-feed.ts";
import type { Clock } from "../ports/clock.ts";
import type { BatchOutcome, Ledger, Stock } from "../ports/ledger.ts";
import type { MemoryGauge } from "../ports/memory-gauge.ts";
import type { Random } from "../ports/random.ts";
import type { Decision, FunnelTelemetry, Log } from "../ports/telemetry.ts";
import { BusyAdvice } from "./1-shed/busy-advice.ts";
import { ConcurrencyLimit } from "./1-shed/concurrency-limit.ts";
import { EventLoopDelay } from "./1-shed/event-loop-delay.ts";
import { Ladder } from "./1-shed/ladder.ts";
import { Ramp } from "./1-shed/ramp.ts";
import { RouteGuard } from "./1-shed/route-guard.ts";
import { Shed } from "./1-shed/shed.ts";
import type { Catalogue } from "./2-window/catalogue.ts";
import { judgeWindow } from "./2-window/window.ts";
import { type Authenticator, isRefusal } from "./3-identity/authenticate.ts";
import type { Keys } from "./3-identity/keys.ts";
import { readPass } from "./3-identity/pass.ts";
import type { Session } from "./3-identity/session-token.ts";
import type { AsnLookup } from "./4-throttle/asn-table.ts";
import { type SharedThrottle, Throttle, type ThrottleLimits, type ThrottleScope } from "./4-throttle/throttle.ts";
import { Lanes } from "./5-sold-out/lane.ts";
import { LatchKeeper } from "./5-sold-out/latch-keeper.ts";
import { Admission } from "./6-admission/admission.ts";
import { type ChallengeGate, isDemand, noChallengeGate } from "./6-admission/challenge-gate.ts";
import { type RiskAssessor, trustingAssessor } from "./6-admission/risk/risk.ts";
import { LiveAttempts } from "./7-reserve/live-attempts.ts";
import { type AdmittedAttempt, type ReserveServices, reserve } from "./7-reserve/reserve.ts";
import { PassDesk } from "./pass-desk.ts";
import { answerRefusal, plainRefusal } from "./refusal-answers.ts";
import type { HotAnswer, HotRequest } from "./request.ts";

export interface FunnelDependencies {
  readonly ledger: Ledger;
  /** Shared with the buyer API; started by {@link Funnel.warmUp}, stopped by whoever made it. */
  readonly catalogue: Catalogue;
  /** Shared with the buyer API, so that a nonce is known on all routes. */
  readonly authenticator: Authenticator;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly telemetry: FunnelTelemetry;
  readonly keys: Keys;
  readonly limits: ThrottleLimits;
  /** Where nodes enforce the limits together; absent or null = each its own. Started by whoever made it. */
  readonly limitExchange?: SharedThrottle["exchange"] | null;
  /** Which system an address belongs to; absent or null = no list. */
  readonly asns?: AsnLookup | null;
  /** Address ranges (CIDR) whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  readonly challengeGate?: ChallengeGate;
  readonly riskAssessor?: RiskAssessor;
  /** Whether the highest band of suspicion refuses. Default: it slows down. */
  readonly refusesByScore?: boolean;
  /** How long it takes until a ledger that was away gets all its work again. 0, the default = it gets it at once. */
  readonly rampMs?: number;
  /** Absent or null = memory turns nobody away. */
  readonly memory?: MemoryGauge | null;
  /** What the redis ledger promises of a 202; weaker than "always" is said in the answer. */
  readonly durability?: "always" | "everysec";
}

export interface Funnel {
  /** Gives passes out, before the sale opens. */
  readonly passes: PassDesk;
  /** Decides one attempt. Synchronous up to stage 6; never throws, never rejects. */
  decide(request: HotRequest): HotAnswer | Promise<HotAnswer>;
  /** Loads catalogue, stock and holders. Until it resolves, every attempt is `busy`. */
  warmUp(): Promise<void>;
  /** Is not ready any more; attempts are still taken. */
  announceDrain(): void;
  /** Refuses new attempts as `draining`; those in flight finish. */
  drain(): void;
  /** Ends all timers. Call it after the listener stopped. */
  stop(): Promise<void>;
  /** Attempts past stage 6 without an answer yet. */
  inFlight(): number;
  /** How late the event loop is, smoothed, in milliseconds. */
  eventLoopDelayMs(): number;
  /** What one in a hundred turns of the last ten seconds exceeded, in milliseconds. */
  eventLoopDelayMsP99(): number;
  /** Attempts that may be in flight now. */
  attemptsMax(): number;
  /** How often each limit of stage 4 held an attempt back. */
  throttled(): ReadonlyMap<ThrottleScope, number>;
  /** Lets requests of the other routes through as far as the process can take them. */
  readonly routeGuard: RouteGuard;
  /** The newest stock of an item that this process has heard of; null before the first. At most seconds old. */
  stockOf(itemId: number): Stock | null;
  /** Why the node takes no work, or null when it does. */
  readiness(): "draining" | "busy" | null;
}

/** Builds the funnel; nothing runs until {@link Funnel.warmUp}. */
export function createFunnel(dependencies: FunnelDependencies): Funnel {
  return new SevenStages(dependencies);
}

class SevenStages implements Funnel {
  readonly passes: PassDesk;
  readonly #parts: FunnelDependencies;
  readonly #limit = new ConcurrencyLimit();
  readonly #ramp: Ramp;
  readonly #loopDelay: EventLoopDelay;
  readonly #shed: Shed;
  readonly routeGuard: RouteGuard;
  readonly #throttle: Throttle;
  readonly #lanes: Lanes;
  readonly #keeper: LatchKeeper;
  readonly #admission: Admission;
  readonly #risk: RiskAssessor;
  readonly #services: ReserveServices;
  /** Null where buyers are not limited: then neither is this. */
  readonly #live: LiveAttempts | null;

  constructor(parts: FunnelDependencies) {
    const { ledger, catalogue, feed, clock, random, log, limits, trustedProxies } = parts;
    this.#parts = parts;
    this.#loopDelay = new EventLoopDelay(clock);
    this.#ramp = new Ramp({ clock, rampMs: parts.rampMs ?? 0 });
    const ladder = new Ladder({ loopDelay: this.#loopDelay, memory: parts.memory ?? null, clock });
    const advice = new BusyAdvice(clock);
    this.#shed = new Shed({ limit: this.#limit, ladder, ramp: this.#ramp, advice });
    this.routeGuard = new RouteGuard({ ladder, advice: new BusyAdvice(clock), clock });
    const exchange = parts.limitExchange ?? null;
    const shared = exchange === null ? null : { exchange, name: "attempts" as const };
    const asns = parts.asns ?? null;
    this.#throttle = new Throttle({ limits, trustedProxies, bans: catalogue, asns, clock, random, shared });
    this.#lanes = new Lanes({
      ledger,
      catalogue,
      clock,
      random,
      onFlush: (report) => this.#learn(report),
    });
    this.#keeper = new LatchKeeper({ ledger, catalogue, lanes: this.#lanes, feed, clock, log });
    const gate = parts.challengeGate ?? noChallengeGate;
    this.#risk = parts.riskAssessor ?? trustingAssessor;
    this.#admission = new Admission({
      gate,
      assessor: this.#risk,
      refusesByScore: parts.refusesByScore ?? false,
    });
    const fullness = () => this.#fullness;
    this.passes = new PassDesk({ catalogue, admission: this.#admission, gate, keys: parts.keys, clock, fullness });
    this.#live = limits.buyerPerS > 0 ? new LiveAttempts() : null;
    const durability = parts.durability ?? "always";
    this.#services = { keys: parts.keys, clock, shed: this.#shed, gate, durability };
  }

  decide(request: HotRequest): HotAnswer | Promise<HotAnswer> {
    const arrivedAtMs = this.#parts.clock.monotonicMs();
    try {
      return this.#pass(request, arrivedAtMs);
    } catch (error) {
      return this.#confess(error, null, arrivedAtMs);
    }
  }

  #pass(request: HotRequest, arrivedAtMs: number): HotAnswer | Promise<HotAnswer> {
    const { catalogue, clock, authenticator } = this.#parts;

    // 1 shed
    const shed = this.#shed.check(request);
    if (shed !== null) return this.#refuse(shed, null, arrivedAtMs);

    // 2 window
    const nowMs = clock.nowMs();
    const entry = catalogue.find(request.saleId);
    if (entry === null) return this.#refuse(plainRefusal("no_such_sale"), null, arrivedAtMs);
    const { sale } = entry;
    const place = entry.places.get(request.sku);
    if (place === undefined) return this.#refuse(plainRefusal("no_such_item"), sale.id, arrivedAtMs);
    const window = judgeWindow(sale, nowMs);
    if (window.kind === "ended") return this.#refuse(window.refusal, sale.id, arrivedAtMs);
    // Paused and closed wait for the next exit: see 2-window/window.ts.
    const pending = window.kind === "pending" ? window.refusal : null;

    // 3 identity
    const pass = readPass(this.#parts.keys.pass, request, nowMs);
    if (pass !== null && isRefusal(pass)) return this.#refuse(pending ?? pass, sale.id, arrivedAtMs);
    const demands = { signature: sale.signature, replay: "later" } as const;
    const session = pass === null ? authenticator.authenticate(request, demands) : pass.session;
    if (isRefusal(session)) return this.#refuse(pending ?? session, sale.id, arrivedAtMs);

    // 4 throttle
    const throttled = this.#throttle.admit(request, session, sale.id);
    if (throttled !== null) return this.#refuseKnown(session, pending ?? throttled, sale.id, arrivedAtMs);

    // 5 sold-out
    const lane = this.#lanes.laneOf(place);
    if (pending !== null && lane.hasFinalHolders && !lane.latch.holders.has(session.buyerId)) {
      return this.#refuse(pending, sale.id, arrivedAtMs);
    }
    const gone = lane.latch.check({ buyerId: session.buyerId, saleEpoch: sale.epoch, nowMs: arrivedAtMs });
    if (gone !== null) return this.#refuse(pending ?? gone, sale.id, arrivedAtMs);

    // 6 admission
    const fullness = this.#fullness;
    const asked = this.#admission.check({ entry, session, request, nowMs, hasPass: pass !== null, fullness });
    const demand = asked !== null && isDemand(asked) ? asked : null;
    if (asked !== null && !isDemand(asked)) return this.#refuseKnown(session, pending ?? asked, sale.id, arrivedAtMs);

    // 3 again, for the few who come this far: a nonce is good for one request
    const replayed = pass === null ? authenticator.noteUse(request, session) : null;
    if (replayed !== null) return this.#refuseKnown(session, pending ?? replayed, sale.id, arrivedAtMs);

    // 7 reserve, one attempt of a buyer at a time
    const key = request.header("idempotency-key") ?? "";
    const another = this.#live?.begin({ saleId: sale.id, buyerId: session.buyerId, key }) ?? null;
    if (another !== null) return this.#refuseKnown(session, pending ?? another, sale.id, arrivedAtMs);
    return this.#reserve({ request, place, lane, session, pass, demand }, arrivedAtMs);
  }

  async #reserve(attempt: AdmittedAttempt, arrivedAtMs: number): Promise<HotAnswer> {
    const saleId = attempt.place.entry.sale.id;
    try {
      const outcome = await reserve(attempt, this.#services);
      if (outcome.kind === "refused") return this.#refuseKnown(attempt.session, outcome.refusal, saleId, arrivedAtMs);
      this.#count(saleId, outcome.replayed ? "replayed" : "accepted", arrivedAtMs);
      return outcome.answer;
    } catch (error) {
      return this.#confess(error, saleId, arrivedAtMs);
    } finally {
      this.#live?.end({ saleId, buyerId: attempt.session.buyerId });
    }
  }

  /** A refusal that says something about whoever asked. */
  #refuseKnown(session: Session, refusal: Refusal, saleId: SaleId, arrivedAtMs: number): HotAnswer {
    this.#risk.refused(session, refusal);
    return this.#refuse(refusal, saleId, arrivedAtMs);
  }

  #refuse(refusal: Refusal, saleId: SaleId | null, arrivedAtMs: number): HotAnswer {
    this.#count(saleId, refusal.reason, arrivedAtMs);
    return answerRefusal(refusal);
  }

  /** A bug of ours: the buyer gets an id, the log gets the error. */
  #confess(error: unknown, saleId: SaleId | null, arrivedAtMs: number): HotAnswer {
    const requestId = this.#parts.random.id();
    this.#parts.log.error({ error, requestId, saleId }, "an attempt ended in a bug");
    return this.#refuse({ reason: "internal", extra: { requestId } }, saleId, arrivedAtMs);
  }

  /** Attempts on their way to the ledger, as a part of the most there may be. */
  get #fullness(): number {
    return this.#shed.inFlight / this.#limit.limit;
  }

  #count(saleId: SaleId | null, decision: Decision, arrivedAtMs: number): void {
    this.#parts.telemetry.decided(saleId, decision, this.#parts.clock.monotonicMs() - arrivedAtMs);
  }

  #learn({ attempts, answer, askedAtMs, latencyMs, oldestWaitingMs }: FlushReport): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#limit.observe({
      latencyMs: Math.max(latencyMs, oldestWaitingMs),
      flightMs: nowMs - askedAtMs,
      answers: attempts.length,
      inFlight: this.#shed.inFlight,
      nowMs,
    });
    this.#ramp.observe({ isAnswered: answer?.outcomes.some(({ kind }) => kind !== "unknown") ?? false, latencyMs });
    // A ledger that cannot tell the item's stock by the way has said that there is nothing for these: look after it.
    if (answer?.stock === null && answer.outcomes.some(isOutOfStock)) this.#keeper.wakeSoon();
  }

  async warmUp(): Promise<void> {
    await this.#parts.catalogue.start();
    await this.#keeper.start();
    this.#loopDelay.start();
    this.#shed.markWarm();
  }

  announceDrain(): void {
    this.#shed.announceDrain();
  }

  drain(): void {
    this.#shed.drain();
  }

  async stop(): Promise<void> {
    this.#shed.drain();
    this.#loopDelay.stop();
    await this.#keeper.stop();
  }

  inFlight(): number {
    return this.#shed.admitted;
  }

  eventLoopDelayMs(): number {
    return this.#loopDelay.delayMs;
  }

  eventLoopDelayMsP99(): number {
    return this.#loopDelay.delayMsP99();
  }

  attemptsMax(): number {
    return this.#limit.limit;
  }

  throttled(): ReadonlyMap<ThrottleScope, number> {
    return this.#throttle.refusals();
  }

  stockOf(itemId: number): Stock | null {
    return this.#lanes.find(itemId)?.latch.stock ?? null;
  }

  readiness(): "draining" | "busy" | null {
    return this.#shed.readiness;
  }
}

function isOutOfStock(outcome: BatchOutcome["outcomes"][number]): boolean {
  return outcome.kind === "refused" && (outcome.reason === "empty" || outcome.reason === "sold_out");
}
