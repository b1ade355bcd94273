/**
 * Whether what a process holds stays the same under load: its resident memory and its open files, looked at every second.
 *
 * Compared are the median of a stretch after the warm-up and that of an equally long one at the end, so that neither a moment of
 * garbage nor a lucky last look decides. A process that was not there at any look has ended, and a load that was answered
 * otherwise than it should was none: both are failures, whatever the memory did.
 */
import { OTHER_ANSWERS_FRACTION_MAX } from "../bench/paths.ts";
import { median } from "./axis.ts";

export const GROWTH_SHARE_MAX = 0.05;
/** Files come and go with the load's connections; a leak is more than this and does not stop. */
const FILES_SLACK = 4;
/** A node that shares its cores with all the others sheds some attempts; with more than this it was no load of the ledger. */
const BUSY_SHARE_MAX = 0.25;
/** Of all looks: left out at the beginning, and compared at either end. */
const WARM_UP_SHARE = 0.15;
const STRETCH_SHARE = 0.15;

export interface SoakSample {
  readonly atMs: number;
  readonly residentBytes: number;
  readonly openFiles: number;
}

export interface SoakVerdict {
  readonly residentBytesBefore: number;
  readonly residentBytesAfter: number;
  /** 0.05 = a twentieth more than before. */
  readonly residentGrowth: number;
  /** The most that were open in each stretch. */
  readonly openFilesBefore: number;
  readonly openFilesAfter: number;
  /** Held no memory at a look: a running process always does. */
  readonly isGone: boolean;
  /** Never when it is gone. */
  readonly isFlat: boolean;
}

/** What one kind of load was answered, in all its turns. */
export interface LoadAnswers {
  readonly outcomes: Readonly<Record<string, number>>;
  readonly unanswered: number;
}

/** Judges one process by its samples, in order of time. Throws when there are too few to compare anything. */
export function judgeSoak(samples: readonly SoakSample[]): SoakVerdict {
  const stretch = Math.floor(samples.length * STRETCH_SHARE);
  const start = Math.ceil(samples.length * WARM_UP_SHARE);
  if (stretch < 1 || start + stretch > samples.length - stretch)
    throw new Error(`${samples.length} samples say nothing`);
  const before = samples.slice(start, start + stretch);
  const after = samples.slice(-stretch);
  const residentBytesBefore = median(before.map(({ residentBytes }) => residentBytes));
  const residentBytesAfter = median(after.map(({ residentBytes }) => residentBytes));
  const residentGrowth = residentBytesAfter / residentBytesBefore - 1;
  const openFilesBefore = Math.max(...before.map(({ openFiles }) => openFiles));
  const openFilesAfter = Math.max(...after.map(({ openFiles }) => openFiles));
  const isGone = samples.some(({ residentBytes }) => residentBytes === 0);
  const isFlat = !isGone && residentGrowth <= GROWTH_SHARE_MAX && openFilesAfter <= openFilesBefore + FILES_SLACK;
  return { residentBytesBefore, residentBytesAfter, residentGrowth, openFilesBefore, openFilesAfter, isGone, isFlat };
}

/** What was wrong with the answers of a load that expects these; empty = nothing. */
export function judgeAnswers(
  load: string,
  { outcomes, unanswered }: LoadAnswers,
  expected: readonly string[],
): readonly string[] {
  const all = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  const busy = outcomes["busy"] ?? 0;
  const right = expected.reduce((sum, outcome) => sum + (outcomes[outcome] ?? 0), 0);
  const found = `${load}: expected ${expected.join(" or ")}, got ${JSON.stringify(outcomes)}`;
  return [
    ...(unanswered === 0 ? [] : [`${load}: ${unanswered} requests had no answer`]),
    ...(right === 0 || all - right - busy > all * OTHER_ANSWERS_FRACTION_MAX ? [found] : []),
    ...(busy > all * BUSY_SHARE_MAX ? [`${load}: ${busy} of ${all} were told that the node is busy`] : []),
  ];
}
