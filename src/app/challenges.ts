/**
 * The challenges of a node: the desk that gives them out, and the gate that asks for them.
 */
import { ChallengeDesk } from "../funnel/6-admission/challenge/challenge-desk.ts";
import { DemandingGate } from "../funnel/6-admission/challenge/demanding-gate.ts";
import { LoadLevel } from "../funnel/6-admission/challenge/load-level.ts";
import type { ProcessParts } from "./process-parts.ts";

/** A session that began with at least this much held against it gets harder challenges from the start. */
const SUSPECT_SCORE_MIN = 30;

/** One per node: the hot route and the routes ahead of it must know the same used challenges. */
export function createChallenges(
  parts: Pick<ProcessParts, "config" | "clock" | "random" | "keys" | "edge">,
): DemandingGate {
  const { config, clock, random, keys, edge } = parts;
  const desk = new ChallengeDesk({
    keys,
    random,
    edge: edge?.state ?? null,
    ttlMs: config.challengeTtlMs,
    clearanceMs: config.challengeClearanceMs,
  });
  return new DemandingGate({
    desk,
    load: new LoadLevel({ ordinaryPerS: config.challengeLoadPerS }),
    keys,
    clock,
    bandOf: (score) => (score >= SUSPECT_SCORE_MIN ? "challenge" : "pass"),
    baseDifficulty: config.challengeBits,
    difficultyMax: config.challengeBitsMax,
  });
}
