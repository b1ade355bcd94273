/**
 * Armed attempts: passes asked for before the sale opens, kept until their attempt is made or they end.
 *
 * At the opening an attempt with a pass is one small request that needs no signature, so not even WebCrypto stands between
 * the press and the wire. A pass that the server does not accept any more is forgotten, and the attempt goes the ordinary
 * way with the same key: a pass can make it faster, never impossible. Challenges are clearances.ts's work.
 */
import { challengeIn } from "./challenge.ts";
import { type ChallengeProgress, type Clearances, SOLVES_MAX } from "./clearances.ts";
import type { Problem } from "./contract.ts";
import { DoorbusterError, problemOf } from "./problem.ts";
import { randomToken } from "./sign.ts";

export interface ArmRequest {
  readonly saleId: string;
  readonly sku: string;
  readonly quantity: number;
  /** The key of the attempt to come. Default: a fresh one. 8–64 visible ASCII characters. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
  /** Called while a challenge is being solved. */
  readonly onChallenge?: (progress: ChallengeProgress) => void;
}

/** An attempt that is ready. Times in milliseconds since the epoch, by the server's clock. */
export interface ArmedAttempt {
  readonly saleId: string;
  readonly sku: string;
  readonly quantity: number;
  readonly idempotencyKey: string;
  readonly pass: string;
  readonly expiresAt: number;
  /** When this buyer may make it: earlier than the sale's own opening if he is in a tier. */
  readonly opensAt: number;
}

export interface PassesParts {
  readonly clearances: Pick<Clearances, "find" | "earn">;
  /** A signed POST; rejects when the network fails. */
  readonly send: (call: {
    path: string;
    body: string;
    clearance: string | undefined;
    signal: AbortSignal | undefined;
  }) => Promise<Response>;
  /** The server's time. */
  readonly now: () => number;
}

/** One per session. */
export class Passes {
  readonly #parts: PassesParts;
  readonly #byKey = new Map<string, ArmedAttempt>();

  constructor(parts: PassesParts) {
    this.#parts = parts;
  }

  /** Gets a pass and keeps it, solving a challenge on the way if there is one. Throws DoorbusterError, and for the network. */
  async arm(request: ArmRequest): Promise<ArmedAttempt> {
    const { saleId, sku, quantity, signal } = request;
    const idempotencyKey = request.idempotencyKey ?? randomToken();
    const path = `/v1/sales/${encodeURIComponent(saleId)}/passes`;
    const body = JSON.stringify({ sku, quantity, idempotencyKey });
    for (let solvesLeft = SOLVES_MAX; ; solvesLeft -= 1) {
      const clearance = this.#parts.clearances.find(saleId)?.clearance;
      const response = await this.#parts.send({ path, body, clearance, signal });
      if (response.ok) {
        const issued = (await response.json()) as Pick<ArmedAttempt, "pass" | "expiresAt" | "opensAt">;
        const armed = { saleId, sku, quantity, idempotencyKey, ...issued };
        this.keep(armed);
        return armed;
      }
      const refusal = await this.#afterRefusal(request, await problemOf(response), solvesLeft);
      if (refusal !== null) throw new DoorbusterError(refusal);
    }
  }

  /** Null when the challenge that was asked for is solved now. */
  async #afterRefusal(request: ArmRequest, problem: Problem, solvesLeft: number): Promise<Problem | null> {
    const challenge = challengeIn(problem);
    if (challenge === null || solvesLeft === 0) return problem;
    return this.#parts.clearances.earn(request, challenge);
  }

  keep(armed: ArmedAttempt): void {
    this.#byKey.set(armed.idempotencyKey, armed);
  }

  /** The pass for exactly this attempt; undefined when there is none, or none any more. */
  find(attempt: { saleId: string; sku: string; quantity: number; idempotencyKey: string }): string | undefined {
    const armed = this.#byKey.get(attempt.idempotencyKey);
    if (armed === undefined || armed.expiresAt <= this.#parts.now()) return undefined;
    const { saleId, sku, quantity } = attempt;
    const isForIt = armed.saleId === saleId && armed.sku === sku && armed.quantity === quantity;
    return isForIt ? armed.pass : undefined;
  }

  /** The server did not accept it. False when there was none. */
  drop(idempotencyKey: string): boolean {
    return this.#byKey.delete(idempotencyKey);
  }

  /** Forgets all of them: they belong to a session that is no longer used. */
  clear(): void {
    this.#byKey.clear();
  }
}
