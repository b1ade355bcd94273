/**
 * Whether what a process holds stays the same under load: its resident memory and its open files, looked at every second.
 *
 * Compared are the median of a stretch after the warm-up and that of an equally long one at the end, so that neither a moment of
 * garbage nor a lucky last look decides.
 */
import { median } from "./axis.ts";

export const GROWTH_SHARE_MAX = 0.05;
/** Files come and go with the load's connections; a leak is more than this and does not stop. */
const FILES_SLACK = 4;
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
  readonly isFlat: boolean;
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
  const isFlat = residentGrowth <= GROWTH_SHARE_MAX && openFilesAfter <= openFilesBefore + FILES_SLACK;
  return { residentBytesBefore, residentBytesAfter, residentGrowth, openFilesBefore, openFilesAfter, isFlat };
}
