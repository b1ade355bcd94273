/**
 * Port: runs the load of a rehearsal somewhere that is not this event loop.
 *
 * Promises: resolves with what was measured, or rejects with an Error in words for the operator; nothing that it started is left
 * running, and the rehearsal's sales are closed unless the machine died. It never runs longer than the task's time plus a
 * minute. Does not judge whether now is a good time, does not sign, does not remember.
 */
import type { MeasuredRate } from "../domain/certificate.ts";

/** A process whose processor time belongs to a decision: found by the port that it listens on, on this machine. */
export interface ServerOnThisMachine {
  /** As the certificate calls it. */
  readonly part: string;
  readonly port: number;
}

export interface RehearsalTask {
  /** Begins the ids of the sales that it makes. */
  readonly id: string;
  /** Origins of one deployment's nodes. */
  readonly targets: readonly string[];
  /** A host that is not loopback and is ours all the same; null = none. */
  readonly ownHost: string | null;
  readonly adminUrl: string;
  readonly adminToken: string;
  readonly secret: string;
  /** The ledger that decides with all servers well. */
  readonly ledger: "redis" | "postgres";
  /** Parts of the stock in Redis: those of the sale that is rehearsed. */
  readonly buckets: number;
  readonly durationMs: number;
  readonly latencyMsMax: number;
  readonly servers: readonly ServerOnThisMachine[];
}

export interface RehearsalProgress {
  readonly phase: "preparing" | "accepting" | "refusing" | "ending";
  /** The rate that is tried; 0 = none. */
  readonly ratePerS: number;
  readonly trials: number;
  /** The highest rates that were kept so far. */
  readonly acceptsPerS: number;
  readonly refusesPerS: number;
  readonly elapsedMs: number;
}

/** What was measured. */
export interface RehearsalMeasurement {
  readonly accepts: MeasuredRate;
  readonly refuses: MeasuredRate | null;
  /** The ledger that decided. */
  readonly ledger: "redis" | "postgres";
  readonly nodes: number;
}

export interface RehearsalRunner {
  /** `signal` ends it early: it rejects with the signal's reason, an Error in words for the operator. */
  run(
    task: RehearsalTask,
    listeners: { readonly onProgress: (progress: RehearsalProgress) => void; readonly signal: AbortSignal },
  ): Promise<RehearsalMeasurement>;
}
