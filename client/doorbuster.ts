/**
 * The SDK's front door: one object per buyer that keeps the time, the session and the promises of a correct client.
 *
 * Works in browsers and on servers with Web standards only (fetch, WebCrypto, streams). What it adds over plain fetch:
 * server time corrected for the round trip, signatures, and retries that reuse the *same* idempotency key, so that a
 * lost answer can never buy twice. Expected refusals are values; only a broken network or a bug throws.
 */
import { RetryBudget } from "../src/domain/retry-budget.ts";
import { type ChallengeSolver, challengeIn, solveInSlices } from "./challenge.ts";
import { type ChallengeProgress, Clearances, type ClearRequest, SOLVES_MAX } from "./clearances.ts";
import type {
  Acceptance,
  CheckoutPage,
  Clearance,
  PageSignals,
  Problem,
  Reservation,
  SaleDocument,
  StoredSession,
} from "./contract.ts";
import { type EventListeners, type EventSubscription, followReservations } from "./events.ts";
import { type ArmedAttempt, type ArmRequest, Passes } from "./passes.ts";
import { DoorbusterError, problemOf } from "./problem.ts";
import { isWorthRetrying, RETRY_BUDGET, waitBeforeRetryMs } from "./retry.ts";
import { ServerClock } from "./server-clock.ts";
import { randomToken, SigningKey, signatureHeaders } from "./sign.ts";
import { sleep } from "./sleep.ts";

export interface DoorbusterOptions {
  /** Where the buyer API lives, without `/v1`. Default: the page's own origin. */
  readonly baseUrl?: string;
  /** A replacement for the global fetch, for tests and servers with an agent of their own. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Local wall clock in milliseconds. */
  readonly now?: () => number;
  /** Local monotonic clock in milliseconds. */
  readonly monotonic?: () => number;
  /** Uniform in [0, 1): spreads retries. */
  readonly random?: () => number;
  /** Each single request is given up after this; the retry rules then apply. Default 8,000. */
  readonly requestDeadlineMs?: number;
  /** Bounds what is sent again. Default: each object its own; a server with many buyers shares one among them. */
  readonly retryBudget?: RetryBudget;
  /** Solves the challenges of sales that ask for one. Default: proof of work, on this thread. */
  readonly solveChallenge?: ChallengeSolver;
}

/** How a session is started: as a guest, or with the shop's own login. */
export type SessionStart = ({ readonly kind: "guest" } | { readonly kind: "jwt"; readonly token: string }) & {
  /** What the page tells of its device. Without it a session begins with a little more suspicion. */
  readonly signals?: PageSignals;
};

export interface ReserveRequest {
  readonly saleId: string;
  readonly sku: string;
  readonly quantity: number;
  /** Keep it to resume an attempt after a reload. Default: a fresh one. 8–64 visible ASCII characters. */
  readonly idempotencyKey?: string;
  /** Retries end when the next one would start later than this after the call. Default 30,000; 0 = one request. */
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
  /** Called before each wait, so that a page can say what is going on. `problem` null = the network failed. */
  readonly onRetry?: (retry: { attempt: number; waitMs: number; problem: Problem | null }) => void;
  /** Called while a challenge is being solved, which patience does not limit. */
  readonly onChallenge?: (progress: ChallengeProgress) => void;
}

/**
 * How an attempt ended. "accepted" may be a replay of an earlier answer. "unknown" means that no answer could be had in
 * time: the same key must be used to find out.
 */
export type ReserveResult =
  | {
      readonly kind: "accepted";
      readonly reservation: Acceptance;
      readonly replayed: boolean;
      readonly idempotencyKey: string;
    }
  | { readonly kind: "refused"; readonly problem: Problem; readonly idempotencyKey: string }
  | { readonly kind: "unknown"; readonly cause: unknown; readonly idempotencyKey: string };

const REQUEST_DEADLINE_MS = 8_000;
const PATIENCE_MS = 30_000;
const HTTP_NOT_FOUND = 404;

const SIGNED_POST = { method: "POST", auth: "signed" } as const;

interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly body?: string;
  readonly idempotencyKey?: string;
  readonly clearance?: string | undefined;
  readonly pass?: string | undefined;
  /** "none" for calls without a session, and for those whose pass stands for it. */
  readonly auth: "none" | "token" | "signed";
  readonly signal?: AbortSignal | undefined;
}

interface LiveSession {
  readonly stored: StoredSession;
  readonly key: SigningKey;
}

type ReserveTry = { readonly result: ReserveResult } | { readonly again: Problem | null; readonly cause: unknown };

/** A buyer's connection to a Doorbuster server. */
export class Doorbuster {
  /** The server's time; call `clock.sync()` before showing a countdown. */
  readonly clock: ServerClock;
  readonly #options: DoorbusterOptions;
  readonly #baseUrl: string;
  readonly #fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly #random: () => number;
  readonly #monotonic: () => number;
  readonly #retries: RetryBudget;
  readonly #clearances: Clearances;
  readonly #passes: Passes;
  #session: LiveSession | null = null;

  constructor(options: DoorbusterOptions = {}) {
    this.#options = options;
    this.#baseUrl = (options.baseUrl ?? "").replace(/\/$/, "");
    this.#fetch = options.fetch ?? ((url, init) => fetch(url, init));
    this.#random = options.random ?? Math.random;
    this.#monotonic = options.monotonic ?? (() => performance.now());
    this.#retries = options.retryBudget ?? new RetryBudget(RETRY_BUDGET);
    this.clock = new ServerClock({
      askServer: async () => (await this.#json<{ now: number }>({ method: "GET", path: "/v1/time", auth: "none" })).now,
      now: options.now ?? (() => performance.timeOrigin + performance.now()),
      monotonic: this.#monotonic,
    });
    this.#clearances = new Clearances({
      solve: options.solveChallenge ?? solveInSlices,
      send: (call) =>
        this.#send({ ...call, ...(call.body === undefined ? { method: "GET", auth: "token" } : SIGNED_POST) }),
      now: () => this.clock.now(),
      random: this.#random,
    });
    this.#passes = new Passes({
      clearances: this.#clearances,
      send: (call) => this.#send({ ...call, ...SIGNED_POST }),
      now: () => this.clock.now(),
    });
  }

  /** The session in use; null before {@link startSession} or {@link resumeSession}. */
  get session(): StoredSession | null {
    return this.#session?.stored ?? null;
  }

  /** Starts a session and uses it from now on. Throws DoorbusterError when the server refuses. */
  async startSession(start: SessionStart = { kind: "guest" }): Promise<StoredSession> {
    const body = JSON.stringify(start);
    const stored = await this.#json<StoredSession>({ method: "POST", path: "/v1/sessions", body, auth: "none" });
    await this.resumeSession(stored);
    return stored;
  }

  /** Uses a session that was started earlier. */
  async resumeSession(stored: StoredSession): Promise<void> {
    if (this.#session?.stored.token !== stored.token) for (const held of [this.#clearances, this.#passes]) held.clear();
    this.#session = { stored, key: await SigningKey.import(stored.signingKey) };
  }

  /** The public document of a sale; null when there is none. */
  async sale(saleId: string, signal?: AbortSignal): Promise<SaleDocument | null> {
    return this.#jsonOrNull<SaleDocument>({
      method: "GET",
      path: `/v1/sales/${encodeURIComponent(saleId)}`,
      auth: "none",
      signal,
    });
  }

  /**
   * Asks for units, and keeps asking with the same key while the outcome is open or the server says "later". Never
   * throws for anything the server or the network does: see {@link ReserveResult}.
   */
  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const idempotencyKey = request.idempotencyKey ?? randomToken();
    const endsAtMs = this.#monotonic() + (request.patienceMs ?? PATIENCE_MS);
    let hasResynced = false;
    let solvesLeft = SOLVES_MAX;
    this.#retries.earn();
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#reserveOnce(request, idempotencyKey);
      if ("result" in outcome) {
        if (isPassRefused(outcome.result) && this.#passes.drop(idempotencyKey)) continue;
        if (await this.#canClear(request, outcome.result, solvesLeft)) {
          solvesLeft -= 1;
          continue;
        }
        const isStale = outcome.result.kind === "refused" && outcome.result.problem.reason === "signature_stale";
        if (!isStale || hasResynced) return outcome.result;
        hasResynced = true;
        await this.#resync();
        continue;
      }
      const advisedMs = waitBeforeRetryMs({ attempt, problem: outcome.again, random: this.#random() });
      const waitMs = Math.max(advisedMs, this.#retries.waitMs(this.#monotonic()));
      if (request.signal?.aborted || this.#monotonic() + waitMs > endsAtMs) {
        if (outcome.again === null) return { kind: "unknown", cause: outcome.cause, idempotencyKey };
        return { kind: "refused", problem: outcome.again, idempotencyKey };
      }
      this.#retries.book(this.#monotonic());
      request.onRetry?.({ attempt, waitMs, problem: outcome.again });
      await sleep(waitMs, request.signal);
    }
  }

  /**
   * Solves the sale's challenge before it is asked for, so that the attempt at the opening is one small request. Answers
   * the clearance, which is used from now on and may be kept for {@link useClearance}; null where the sale never asks.
   * Throws DoorbusterError when the server refuses, and what the solver and the network throw.
   */
  async prepare(request: ClearRequest): Promise<Clearance | null> {
    const challenge = await this.#clearances.ask(request);
    if (challenge === null) return null;
    const refusal = await this.#clearances.earn(request, challenge);
    if (refusal !== null) throw new DoorbusterError(refusal);
    return this.#clearances.find(request.saleId);
  }

  /**
   * Gets an attempt ready before the sale opens: eligibility and challenge are settled now, and {@link reserve} with the
   * same key is then one small request. Throws DoorbusterError when the server refuses, and what solver and network throw.
   */
  async arm(request: ArmRequest): Promise<ArmedAttempt> {
    this.#needSession();
    return this.#passes.arm(request);
  }

  /** Uses what was armed in this session earlier, before a reload. */
  useArmed(armed: ArmedAttempt): void {
    this.#passes.keep(armed);
  }

  /** What clears attempts of a sale now; null when nothing does. */
  clearanceOf(saleId: string): Clearance | null {
    return this.#clearances.find(saleId);
  }

  /** Uses a clearance of this session that was earned earlier. */
  useClearance(clearance: Clearance): void {
    this.#clearances.keep(clearance);
  }

  /** The buyer's own reservation; null when it is not his. */
  async reservation(rid: string, signal?: AbortSignal): Promise<Reservation | null> {
    return this.#jsonOrNull<Reservation>({
      method: "GET",
      path: `/v1/reservations/${encodeURIComponent(rid)}`,
      auth: "token",
      signal,
    });
  }

  /** All of the buyer's own reservations in a sale. */
  async reservations(saleId: string, signal?: AbortSignal): Promise<readonly Reservation[]> {
    const path = `/v1/reservations?saleId=${encodeURIComponent(saleId)}`;
    const answer = await this.#json<unknown>({ method: "GET", path, auth: "token", signal });
    if (Array.isArray(answer)) return answer as readonly Reservation[];
    return (answer as { reservations: readonly Reservation[] }).reservations;
  }

  /** Gives a hold back. Idempotent. */
  async cancel(rid: string): Promise<Reservation> {
    return this.#json<Reservation>({
      method: "DELETE",
      path: `/v1/reservations/${encodeURIComponent(rid)}`,
      auth: "signed",
    });
  }

  /** Opens (or finds again) the payment of a hold. */
  async checkout(rid: string): Promise<CheckoutPage> {
    return this.#json<CheckoutPage>({
      method: "POST",
      path: `/v1/reservations/${encodeURIComponent(rid)}/checkout`,
      auth: "signed",
    });
  }

  /** Follows the buyer's reservations until closed. */
  events(listeners: EventListeners): EventSubscription {
    return followReservations(
      {
        open: ({ lastEventId, signal }) =>
          this.#fetch(`${this.#baseUrl}/v1/events`, {
            headers: {
              accept: "text/event-stream",
              authorization: `Bearer ${this.#needSession().stored.token}`,
              ...(lastEventId === "" ? {} : { "last-event-id": lastEventId }),
            },
            cache: "no-store",
            signal,
          }),
        random: this.#random,
      },
      listeners,
    );
  }

  /**
   * Whether the refusal asked for a challenge that is solved now. A failure on the way leaves the refusal as it was: the
   * attempt was refused for certain, so nothing about it is open.
   */
  async #canClear(request: ReserveRequest, result: ReserveResult, solvesLeft: number): Promise<boolean> {
    const challenge = result.kind === "refused" ? challengeIn(result.problem) : null;
    if (challenge === null || solvesLeft === 0) return false;
    try {
      return (await this.#clearances.earn(request, challenge)) === null;
    } catch {
      return false;
    }
  }

  async #reserveOnce(request: ReserveRequest, idempotencyKey: string): Promise<ReserveTry> {
    const path = `/v1/sales/${encodeURIComponent(request.saleId)}/items/${encodeURIComponent(request.sku)}/reservations`;
    const body = JSON.stringify({ quantity: request.quantity });
    this.#needSession();
    const pass = this.#passes.find({ ...request, idempotencyKey });
    const clearance = pass === undefined ? this.#clearances.find(request.saleId)?.clearance : undefined;
    const auth = pass === undefined ? "signed" : "none";
    try {
      const call = { method: "POST", path, body, idempotencyKey, clearance, pass, auth } as const;
      const response = await this.#send({ ...call, signal: request.signal });
      if (response.ok) {
        const reservation = (await response.json()) as Acceptance;
        const replayed = response.headers.get("idempotent-replayed") === "true";
        return { result: { kind: "accepted", reservation, replayed, idempotencyKey } };
      }
      const problem = await problemOf(response);
      if (isWorthRetrying(problem)) return { again: problem, cause: null };
      return { result: { kind: "refused", problem, idempotencyKey } };
    } catch (cause) {
      // No answer, or half of one: the attempt may have been accepted, so only the same key may follow.
      return { again: null, cause };
    }
  }

  async #resync(): Promise<void> {
    try {
      await this.clock.sync();
    } catch (error) {
      // Without a new reading the next try is stale again and is reported as that.
      if (!(error instanceof Error)) throw error;
    }
  }

  #needSession(): LiveSession {
    if (this.#session === null) throw new Error("Start or resume a session first.");
    return this.#session;
  }

  async #json<Document>(call: Call): Promise<Document> {
    const response = await this.#send(call);
    if (!response.ok) throw new DoorbusterError(await problemOf(response));
    return (await response.json()) as Document;
  }

  async #jsonOrNull<Document>(call: Call): Promise<Document | null> {
    const response = await this.#send(call);
    if (response.ok) return (await response.json()) as Document;
    const problem = await problemOf(response);
    if (response.status === HTTP_NOT_FOUND) return null;
    throw new DoorbusterError(problem);
  }

  async #send(call: Call): Promise<Response> {
    const deadline = AbortSignal.timeout(this.#options.requestDeadlineMs ?? REQUEST_DEADLINE_MS);
    const headers: Record<string, string> = { accept: "application/json" };
    if (call.body !== undefined) headers["content-type"] = "application/json";
    if (call.idempotencyKey !== undefined) headers["idempotency-key"] = call.idempotencyKey;
    if (call.clearance !== undefined) headers["x-clearance"] = call.clearance;
    if (call.pass !== undefined) headers["x-pass"] = call.pass;
    if (call.auth !== "none") headers["authorization"] = `Bearer ${this.#needSession().stored.token}`;
    if (call.auth === "signed") {
      const asked = { ...call, baseUrl: this.#baseUrl, nowMs: this.clock.now() };
      Object.assign(headers, await signatureHeaders(this.#needSession().key, asked));
    }
    return this.#fetch(`${this.#baseUrl}${call.path}`, {
      method: call.method,
      headers,
      ...(call.body === undefined ? {} : { body: call.body }),
      cache: "no-store",
      signal: call.signal === undefined ? deadline : AbortSignal.any([deadline, call.signal]),
    });
  }
}

function isPassRefused(result: ReserveResult): boolean {
  return result.kind === "refused" && result.problem.reason === "pass_invalid";
}
