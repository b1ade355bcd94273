/**
 * A gate whose challenges are solved in no time, and a solver that is the SDK's own.
 */
import { ProofOfWork } from "../../client/pow.ts";
import type { Keys } from "../../src/funnel/3-identity/keys.ts";
import { ChallengeDesk, type ChallengeDeskParts } from "../../src/funnel/6-admission/challenge/challenge-desk.ts";
import { DemandingGate, type DemandingGateParts } from "../../src/funnel/6-admission/challenge/demanding-gate.ts";
import { LoadLevel } from "../../src/funnel/6-admission/challenge/load-level.ts";
import type { ChallengeDocument } from "../../src/ports/challenge.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Random } from "../../src/ports/random.ts";

export const TEST_TTL_MS = 120_000;
export const TEST_CLEARANCE_MS = 600_000;
export const TEST_BITS = 4;
export const TEST_BITS_MAX = 8;
/** Attempts per second that are no crowd. */
export const TEST_LOAD_PER_S = 40;

export interface TestGateParts {
  readonly keys: Keys;
  readonly clock: Clock;
  readonly random: Random;
  readonly desk?: Partial<ChallengeDeskParts>;
  readonly gate?: Partial<DemandingGateParts>;
}

/** Scores from 50 on are suspect. */
export function createTestGate({ keys, clock, random, desk, gate }: TestGateParts): DemandingGate {
  return new DemandingGate({
    desk: new ChallengeDesk({ keys, random, ttlMs: TEST_TTL_MS, clearanceMs: TEST_CLEARANCE_MS, ...desk }),
    load: new LoadLevel({ ordinaryPerS: TEST_LOAD_PER_S }),
    keys,
    clock,
    bandOf: (score) => (score >= 50 ? "challenge" : "pass"),
    baseDifficulty: TEST_BITS,
    difficultyMax: TEST_BITS_MAX,
    ...gate,
  });
}

/** The solution of a proof of work. */
export function solve({
  token,
  difficulty,
  puzzles,
}: Pick<ChallengeDocument, "token"> & Record<string, unknown>): string {
  const work = new ProofOfWork({ token, difficulty: Number(difficulty), puzzles: Number(puzzles) });
  while (!work.work(1_000_000));
  return work.solution;
}
