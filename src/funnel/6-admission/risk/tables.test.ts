/**
 * What is held against somebody fades, a beat is told from a hand, the slow lane lets one through at a time, and whoever
 * does not listen to his wait is known by it.
 */
import { describe, expect, test } from "bun:test";
import { FadingCounts } from "./fading-counts.ts";
import { Rhythm } from "./rhythm.ts";
import { SlowLane } from "./slow-lane.ts";
import { ToldWaits } from "./told-waits.ts";

const ANN = { high: 7, low: 9 };
const BOB = { high: 8, low: 9 };

describe("fading counts", () => {
  test("halve in every half-life and end as nothing", () => {
    const counts = new FadingCounts({ entriesMax: 64, halfLifeMs: 1_000 });
    for (let times = 0; times < 8; times += 1) counts.add(ANN, "hammering", 0);
    const read = (nowMs: number) => counts.readAt(counts.find(ANN), "hammering", nowMs);
    expect(read(0)).toBe(8);
    expect(read(1_000)).toBeCloseTo(4);
    expect(read(2_000)).toBeCloseTo(2);
    expect(read(6_000)).toBe(0);
  });

  test("keep kinds and keys apart", () => {
    const counts = new FadingCounts({ entriesMax: 64, halfLifeMs: 1_000 });
    counts.add(ANN, "dropped_holds", 0, 3);
    expect(counts.readAt(counts.find(ANN), "failed_challenges", 0)).toBe(0);
    expect(counts.find(BOB)).toBe(-1);
  });

  test("of a heavy key survive a flood of light ones", () => {
    const counts = new FadingCounts({ entriesMax: 64, halfLifeMs: 60_000 });
    counts.add(ANN, "failed_challenges", 0, 30);
    for (let index = 1; index < 100_000; index += 1) counts.add({ high: index, low: index }, "hammering", 1);
    expect(counts.readAt(counts.find(ANN), "failed_challenges", 1)).toBeGreaterThan(29);
  });
});

describe("rhythm", () => {
  test("of a loop is found, with a timer's jitter in it", () => {
    const rhythm = new Rhythm({ entriesMax: 64 });
    let beats = 0;
    for (let turn = 0; turn < 20; turn += 1) beats = rhythm.note(ANN, turn * 500 + (turn % 3) * 4);
    expect(beats).toBeGreaterThanOrEqual(12);
  });

  test("of a hand is none, nor of a client that spreads its retries", () => {
    const rhythm = new Rhythm({ entriesMax: 64 });
    let nowMs = 0;
    let mostBeats = 0;
    for (let turn = 0; turn < 500; turn += 1) {
      // A low-discrepancy walk over 80 to 120 % of the wait: what spreading by a fifth looks like.
      nowMs += 1_000 * (0.8 + 0.4 * ((turn * 0.618_034) % 1));
      mostBeats = Math.max(mostBeats, rhythm.note(ANN, nowMs));
    }
    expect(mostBeats).toBeLessThan(5);
  });

  test("ends with a pause", () => {
    const rhythm = new Rhythm({ entriesMax: 64 });
    for (let turn = 0; turn < 20; turn += 1) rhythm.note(ANN, turn * 500);
    expect(rhythm.note(ANN, 60_000)).toBe(0);
  });
});

describe("the slow lane", () => {
  test("lets the first through after its wait, and then one at a time", () => {
    const lane = new SlowLane({ entriesMax: 64, distanceMs: 3_000 });
    expect(lane.enter(ANN, 0)).toBe(3_000);
    expect(lane.enter(ANN, 1_000)).toBe(2_000);
    expect(lane.enter(ANN, 3_000)).toBe(0);
    expect(lane.enter(ANN, 3_001)).toBe(2_999);
    expect(lane.enter(ANN, 6_000)).toBe(0);
  });

  test("is everybody's own, and empty again after a while", () => {
    const lane = new SlowLane({ entriesMax: 64, distanceMs: 3_000 });
    lane.enter(ANN, 0);
    expect(lane.enter(BOB, 3_000)).toBe(3_000);
    expect(lane.enter(ANN, 100_000)).toBe(3_000);
  });
});

describe("told waits", () => {
  test("are kept or not, and keeping them is never held against anybody", () => {
    const waits = new ToldWaits({ entriesMax: 64 });
    expect(waits.tell(ANN, 1_000, 0)).toBe(false);
    expect(waits.tell(ANN, 1_000, 1_000)).toBe(false);
    expect(waits.tell(ANN, 1_000, 1_200)).toBe(true);
    expect(waits.tell(BOB, 1_000, 1_200)).toBe(false);
  });
});
