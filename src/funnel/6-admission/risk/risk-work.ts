/**
 * What the risk engine does beside the hot path: proposals become bans, and operators and other processes are told.
 *
 * Proposals wait in a list of fixed length, one per subject, and leave it a few at a time: an attacker who could make us
 * write to the database as fast as he asks would have found a better attack than the one he is banned for.
 */
import { createLoop, type Loop } from "../../../orders/loop.ts";
import type { AutomaticBan, BanStore } from "../../../ports/ban-store.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { Random } from "../../../ports/random.ts";
import type { Log } from "../../../ports/telemetry.ts";
import type { FadingKind } from "./fading-counts.ts";
import type { BanProposal, RiskEngine, SharedCounts } from "./risk-engine.ts";

const INTERVAL_MS = 1_000;
const PROPOSALS_MAX = 256;
const PROPOSALS_PER_PASS_MAX = 20;
/** The same subject is not proposed again within this time, whatever came of it. */
const PROPOSED_FOR_MS = 60_000;
const REPORT_INTERVAL_MS = 5_000;
const MINUTE_MS = 60_000;
/** Counts of a process that was not heard of for this long do not count any more. */
const COUNTS_AGE_MS_MAX = MINUTE_MS;
const BAN = { banMs: 15 * MINUTE_MS, banMsMax: 24 * 60 * MINUTE_MS, windowMs: 24 * 60 * MINUTE_MS };

const REASONS: Readonly<Record<FadingKind, string>> = {
  hammering: "attempts against the limits, without waiting",
  failed_challenges: "challenges failed",
  dropped_holds: "holds left unpaid",
};

export interface RiskWorkParts {
  readonly bans: Pick<BanStore, "banAutomatically" | "writeReport" | "readCounts">;
  /** The name of this process in reports. */
  readonly runId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The part of the engine that others hear of, and that hears of them. */
export type ReportingEngine = Pick<RiskEngine, "report" | "sharedCounts" | "learnCounts">;

interface Proposed {
  readonly proposal: BanProposal;
  readonly atMs: number;
  isSent: boolean;
}

/** See the head of this file. */
export class RiskWork {
  readonly #parts: RiskWorkParts;
  readonly #proposed = new Map<string, Proposed>();
  readonly #loop: Loop;
  #engine: ReportingEngine | null = null;
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #reported = "";
  #writtenAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: RiskWorkParts) {
    this.#parts = parts;
    const { clock, random, log } = parts;
    this.#loop = createLoop({
      name: "risk",
      clock,
      random,
      log,
      intervalMs: INTERVAL_MS,
      run: async (isStopping) => {
        await this.#banProposed(isStopping);
        await this.#report();
      },
    });
  }

  /** Takes note of a proposal; never waits. Beyond the list's length proposals are lost: there will be others. */
  readonly propose = (proposal: BanProposal): void => {
    const nowMs = this.#parts.clock.monotonicMs();
    const name = `${proposal.kind} ${proposal.subject}`;
    const known = this.#proposed.get(name);
    if (known !== undefined && nowMs - known.atMs < PROPOSED_FOR_MS) return;
    if (known === undefined && this.#proposed.size >= PROPOSALS_MAX) return;
    this.#proposed.set(name, { proposal, atMs: nowMs, isSent: false });
  };

  start(engine: ReportingEngine): void {
    this.#engine = engine;
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #banProposed(isStopping: () => boolean): Promise<void> {
    const { bans, random, log, clock } = this.#parts;
    let sent = 0;
    for (const [name, proposed] of this.#proposed) {
      if (isStopping() || sent >= PROPOSALS_PER_PASS_MAX) return;
      if (proposed.isSent) {
        if (clock.monotonicMs() - proposed.atMs >= PROPOSED_FOR_MS) this.#proposed.delete(name);
        continue;
      }
      const ban = await bans.banAutomatically(toBan(proposed.proposal, random.id()));
      proposed.isSent = true;
      sent += 1;
      if (ban !== null) log.warn({ banId: ban.id, kind: ban.kind, reason: ban.reason }, "banned for a while by rule");
    }
  }

  async #report(): Promise<void> {
    const { bans, clock, runId } = this.#parts;
    if (this.#engine === null || clock.monotonicMs() - this.#reportedAtMs < REPORT_INTERVAL_MS) return;
    this.#reportedAtMs = clock.monotonicMs();
    const report = this.#engine.report();
    const counts = this.#engine.sharedCounts();
    const text = JSON.stringify([report, counts]);
    const isOld = clock.monotonicMs() - this.#writtenAtMs >= COUNTS_AGE_MS_MAX / 2;
    if (text !== this.#reported || isOld) {
      await bans.writeReport({ runId, report, counts });
      this.#reported = text;
      this.#writtenAtMs = clock.monotonicMs();
    }
    this.#engine.learnCounts(await bans.readCounts<SharedCounts>({ exceptRunId: runId, ageMsMax: COUNTS_AGE_MS_MAX }));
  }
}

function toBan({ kind, subject, cause, figure }: BanProposal, id: string): AutomaticBan {
  return { id, kind, subject, reason: `${REASONS[cause]}: ${figure}`, ...BAN };
}
