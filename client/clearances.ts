/**
 * The clearances of a session: earned by solving challenges, kept per sale, sent along until they end.
 *
 * Solving may take a few rounds: a solution that came too late or was not good enough is answered with a fresh challenge.
 * A lost answer is asked for again; if the server had counted it, the fresh challenge that follows costs the work once
 * more, never the units. When attempts need one is the server's word; doorbuster.ts brings it here.
 */
import { type ChallengeSolver, challengeIn, WORK_KIND } from "./challenge.ts";
import type { Challenge, Clearance, Problem } from "./contract.ts";
import { DoorbusterError, problemOf } from "./problem.ts";
import { isWorthRetrying, waitBeforeRetryMs } from "./retry.ts";
import { sleep } from "./sleep.ts";

/** How far solving is, from 0 to 1. */
export interface ChallengeProgress {
  readonly challenge: Challenge;
  readonly fraction: number;
}

/** What is being cleared, and whom to tell. */
export interface ClearRequest {
  readonly saleId: string;
  readonly signal?: AbortSignal;
  readonly onChallenge?: (progress: ChallengeProgress) => void;
}

export interface ClearancesParts {
  readonly solve: ChallengeSolver;
  /** A signed POST where there is a body, else a GET; rejects when the network fails. */
  readonly send: (call: { path: string; body?: string; signal: AbortSignal | undefined }) => Promise<Response>;
  /** The server's time. */
  readonly now: () => number;
  readonly random: () => number;
}

/** Challenges solved for one wish before the refusal is believed. */
export const SOLVES_MAX = 3;
/** Challenges that may come and be exchanged for one wish, solved or not. */
const TURNS_MAX = 20;
/** Requests with one solution, while the server is busy or the network fails. */
const HAND_INS_MAX = 4;
/** A clearance this near its end is not worth sending. */
const CLEARANCE_MARGIN_MS = 5_000;

const UNSOLVABLE: Problem = {
  type: "about:blank",
  title: "This challenge cannot be solved here.",
  status: 428,
  reason: "challenge_required",
};

/** One per session. */
export class Clearances {
  readonly #parts: ClearancesParts;
  readonly #bySale = new Map<string, Clearance>();
  readonly #earning = new Map<string, Promise<Problem | null>>();

  constructor(parts: ClearancesParts) {
    this.#parts = parts;
  }

  /** What clears attempts of a sale; null when nothing does, or not for long. */
  find(saleId: string): Clearance | null {
    const known = this.#bySale.get(saleId);
    return known === undefined || known.expiresAt - CLEARANCE_MARGIN_MS <= this.#parts.now() ? null : known;
  }

  keep(clearance: Clearance): void {
    this.#bySale.set(clearance.saleId, clearance);
  }

  /** Forgets all of them: they belong to a session that is no longer used. */
  clear(): void {
    this.#bySale.clear();
  }

  /** A challenge to solve ahead of time; null where the sale never asks. Throws DoorbusterError, and for the network. */
  async ask(request: ClearRequest, kind: string | null = null): Promise<Challenge | null> {
    const wanted = kind === null ? "" : `&kind=${encodeURIComponent(kind)}`;
    const path = `/v1/challenges/new?saleId=${encodeURIComponent(request.saleId)}${wanted}`;
    const response = await this.#parts.send({ path, signal: request.signal });
    if (!response.ok) throw new DoorbusterError(await problemOf(response));
    const { challenge } = (await response.json()) as { challenge: "none" | Challenge };
    return challenge === "none" ? null : challenge;
  }

  /**
   * Solves the challenge, or those that come in its place, and keeps the clearance. Null, or the refusal it ended with.
   * Throws what the solver and the network throw. While one is being earned for a sale, others wait for that one: a
   * device must not work twice, nor a person be asked twice.
   */
  async earn(request: ClearRequest, first: Challenge): Promise<Problem | null> {
    const underWay = this.#earning.get(request.saleId);
    if (underWay !== undefined) return await underWay;
    const earning = this.#earn(request, first);
    this.#earning.set(request.saleId, earning);
    try {
      return await earning;
    } finally {
      this.#earning.delete(request.saleId);
    }
  }

  async #earn(request: ClearRequest, first: Challenge): Promise<Problem | null> {
    const { saleId, signal, onChallenge } = request;
    this.#bySale.delete(saleId);
    let challenge: Challenge | null = first;
    let problem: Problem = UNSOLVABLE;
    for (let solves = 0, turns = 0; challenge !== null && solves < SOLVES_MAX && turns < TURNS_MAX; turns += 1) {
      const current: Challenge = challenge;
      const onProgress = (fraction: number) => onChallenge?.({ challenge: current, fraction });
      onProgress(0);
      const solution = await this.#parts.solve(current, { signal, onProgress });
      if (typeof solution === "string") {
        solves += 1;
        const answer = await this.#handIn(request, { token: current.token, solution });
        if (answer === null) return null;
        problem = answer;
        challenge = challengeIn(answer);
      } else {
        challenge = await this.#otherKind(request, current, solution?.instead ?? WORK_KIND);
      }
    }
    return problem;
  }

  async #handIn(request: ClearRequest, solved: { token: string; solution: string }): Promise<Problem | null> {
    const { saleId, signal } = request;
    const body = JSON.stringify({ saleId, ...solved });
    for (let attempt = 1; ; attempt += 1) {
      const isLast = attempt >= HAND_INS_MAX || signal?.aborted === true;
      let problem: Problem | null = null;
      try {
        const response = await this.#parts.send({ path: "/v1/challenges", body, signal });
        if (response.ok) {
          this.keep((await response.json()) as Clearance);
          return null;
        }
        problem = await problemOf(response);
        if (!isWorthRetrying(problem) || isLast) return problem;
      } catch (error) {
        if (isLast) throw error;
      }
      await sleep(waitBeforeRetryMs({ attempt, problem, random: this.#parts.random() }), signal);
    }
  }

  /** Another kind in the place of a challenge, or the same kind anew; null when it is not to be had. */
  async #otherKind(request: ClearRequest, challenge: Challenge, kind: string): Promise<Challenge | null> {
    const isAnew = challenge.kind === kind && kind !== WORK_KIND;
    return isAnew || challenge.alternatives.includes(kind) ? this.ask(request, kind) : null;
  }
}
