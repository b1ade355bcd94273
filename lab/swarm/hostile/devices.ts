/**
 * How long a proof of work takes whoever has to do it: people's devices, and an attacker's machines.
 *
 * Five thousand buyers have five thousand processors, and this machine has two. So the run's challenges are made easier by a
 * known factor and solved for real, and whoever solved one waits as long as his device would have needed for the full one. An
 * attacker's accounts share his processors: they wait for each other.
 */
import { ProofOfWork } from "../../../client/pow.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { wait } from "../system-clock.ts";

/** The challenge as a 428 carries it. */
export interface WorkTask {
  readonly token: string;
  readonly difficulty: number;
  readonly puzzles: number;
}

/** Something that computes. */
export interface Device {
  /** Waits as long as so many hashes take here. */
  work(hashes: number): Promise<void>;
}

/** `CHALLENGE_BITS` as deployed, and as in the run: what lies between is waited for. */
export const DEPLOYED_BITS = 14;
export const RUN_BITS = 6;
export const RUN_BITS_MAX = 10;
const SCALE = 2 ** (DEPLOYED_BITS - RUN_BITS);
const TRIES_PER_SLICE = 4_096;

/** Hashes per second of a page on an old telephone and on a good computer. */
const PERSON_RATE_MIN = 150_000;
const PERSON_RATE_MAX = 1_500_000;
/** Of one processor core with a program made for it. */
const CORE_RATE = 8_000_000;

/** A buyer's own device. */
export function drawOwnDevice(clock: Clock, random: SeededRandom): Device {
  const rate = PERSON_RATE_MIN * (PERSON_RATE_MAX / PERSON_RATE_MIN) ** random.fraction();
  return { work: (hashes) => wait(clock, (hashes / rate) * 1_000) };
}

/** Machines that many accounts share: work is done in the order in which it comes. */
export function rentCores(clock: Clock, cores: number): Device {
  const rate = cores * CORE_RATE;
  let freeAtMs = 0;
  return {
    work(hashes) {
      const nowMs = clock.monotonicMs();
      freeAtMs = Math.max(freeAtMs, nowMs) + (hashes / rate) * 1_000;
      return wait(clock, freeAtMs - nowMs);
    },
  };
}

/** People who are paid for solving: as slow as people are, however fast the device. */
export function hirePeople(clock: Clock, random: SeededRandom, times: { minMs: number; maxMs: number }): Device {
  return { work: () => wait(clock, times.minMs + random.fraction() * (times.maxMs - times.minMs)) };
}

/** The solution, after the time it takes. */
export async function solve(clock: Clock, task: WorkTask, device: Device): Promise<string> {
  const work = new ProofOfWork(task);
  while (!work.work(TRIES_PER_SLICE)) await wait(clock, 0);
  await device.work(task.puzzles * 2 ** task.difficulty * SCALE);
  return work.solution;
}
