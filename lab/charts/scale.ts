/**
 * From values to places: the axes of a chart, linear or logarithmic, with marks at round numbers.
 *
 * Bounded whatever the values are: no axis has more than MARKS_MAX marks, and a range of one value is made wider so that
 * nothing is divided by zero. Values that an axis cannot show (not finite; not positive on a logarithmic one) are the
 * caller's to leave out, with `canShow`.
 */
import { formatNumber } from "./text.ts";

/** A labelled place on an axis, 0 at its beginning and 1 at its end. */
export interface Mark {
  readonly at: number;
  readonly label: string;
}

export interface Scale {
  /** Where a value lies, 0 to 1 within the axis. */
  readonly place: (value: number) => number;
  readonly marks: readonly Mark[];
}

const MARKS_WANTED = 5;
const MARKS_MAX = 12;
const DECADES_WITH_STEPS_MAX = 2;
/** Differences between values beyond this could be infinite, and fractions of what is nearer to zero than that nothing. */
const SIZE_MAX = 1e300;
const SIZE_MIN = 1e-300;

/** Whether an axis of this kind has a place for the value. */
export function canShow(value: number, isLogarithmic: boolean): boolean {
  return Number.isFinite(value) && (!isLogarithmic || value > 0);
}

/** Marks at multiples of 1, 2 or 5; reaches from mark to mark, so every value lies within. */
export function linearScale(values: readonly number[], options: { fromZero: boolean }): Scale {
  const [low, high] = rangeOf(options.fromZero ? [...values, 0] : values);
  const step = roundStep((high - low) / MARKS_WANTED);
  const first = Math.floor(low / step);
  const last = Math.min(Math.ceil(high / step), first + MARKS_MAX);
  const span = (last - first) * step;
  const digits = Math.max(3, Math.ceil(Math.log10(Math.max(Math.abs(first), Math.abs(last), 1))) + 1);
  const marks = Array.from({ length: last - first + 1 }, (_, index) => ({
    at: index / (last - first),
    label: formatNumber((first + index) * step, digits),
  }));
  return { place: (value) => clampShare((clampSize(value) - first * step) / span), marks };
}

/** Marks at powers of ten, and at 2 and 5 between them when there is room. */
export function logarithmicScale(values: readonly number[]): Scale {
  const exponents = values.map((value) => Math.log10(value));
  const low = Math.floor(lowest(exponents, 0));
  const high = Math.max(low + 1, Math.ceil(highest(exponents, 1)));
  const decades = high - low;
  const factors = decades <= DECADES_WITH_STEPS_MAX ? [1, 2, 5] : [1];
  const stride = Math.ceil(decades / (MARKS_MAX - 1));
  const marks: Mark[] = [];
  for (let exponent = low; exponent <= high; exponent += stride) {
    for (const factor of factors) {
      const at = (exponent + Math.log10(factor) - low) / decades;
      if (at <= 1) marks.push({ at, label: formatNumber(Number(`${factor}e${exponent}`)) });
    }
  }
  return { place: (value) => clampShare((Math.log10(value) - low) / decades), marks };
}

function rangeOf(values: readonly number[]): readonly [number, number] {
  const low = clampSize(lowest(values, 0));
  const high = clampSize(highest(values, 1));
  // One value, or several that are too close for marks between them: an axis with that value in its middle.
  const isWideEnough = high - low > Math.max(Math.abs(low), Math.abs(high)) * 1e-9;
  if (isWideEnough) return [low, high];
  const margin = Math.abs(high) / 2;
  return high === 0 ? [0, 1] : [low - margin, high + margin];
}

function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const factor = [1, 2, 5].find((round) => round * power >= step * 0.999) ?? 10;
  return factor * power;
}

function lowest(values: readonly number[], otherwise: number): number {
  return values.length === 0 ? otherwise : values.reduce((found, value) => Math.min(found, value), Infinity);
}

function highest(values: readonly number[], otherwise: number): number {
  return values.length === 0 ? otherwise : values.reduce((found, value) => Math.max(found, value), -Infinity);
}

function clampSize(value: number): number {
  return Math.abs(value) < SIZE_MIN ? 0 : Math.min(SIZE_MAX, Math.max(-SIZE_MAX, value));
}

function clampShare(share: number): number {
  return Math.min(1, Math.max(0, share));
}
