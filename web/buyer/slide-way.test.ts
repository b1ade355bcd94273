/**
 * What the page writes down of a hand's movement is what the server reads, for every hand.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readTrack, TRACK_POINTS_MAX } from "../../src/challenges/slide-track.ts";
import { SlideWay } from "./slide-way.ts";

const movement = fc.array(fc.record({ afterMs: fc.double({ min: 0, max: 400, noNaN: true }), leftPx: fc.nat(266) }), {
  minLength: 1,
  maxLength: 300,
});

describe("the way of a piece", () => {
  test("is read by the server whatever the hand did, and ends where the hand ended", () => {
    fc.assert(
      fc.property(movement, fc.boolean(), (steps, isSeenBeginning) => {
        const way = new SlideWay();
        let nowMs = 5_000.4;
        if (isSeenBeginning) way.begin(nowMs);
        for (const { afterMs, leftPx } of steps) {
          nowMs += afterMs;
          way.move(nowMs, leftPx);
        }
        const text = way.toString();
        expect(text.split(";").length).toBeLessThanOrEqual(TRACK_POINTS_MAX);
        if (!way.isMovement) return;
        const track = readTrack(text);
        expect(track?.endPx).toBe(steps.at(-1)?.leftPx);
        expect(track?.durationMs).toBeGreaterThanOrEqual(300);
      }),
    );
  });

  test("of one click is no movement yet, and becomes one with a few corrections", () => {
    const way = new SlideWay();
    way.begin(100);
    way.move(110, 176);
    expect(way.isMovement).toBe(false);
    for (const [at, left] of [
      [300, 178],
      [420, 179],
      [560, 180],
    ] as const) {
      way.move(at, left);
    }
    expect(way.isMovement).toBe(true);
    expect(readTrack(way.toString())).toMatchObject({ endPx: 180, isPlausible: true });
  });

  test("of a hand that hesitates for long is still short, and still uneven", () => {
    const way = new SlideWay();
    for (let step = 0; step < 5_000; step += 1) way.move(step * 17 + (step % 5), Math.min(200, step / 20));
    expect(readTrack(way.toString())).toMatchObject({ endPx: 200, isPlausible: true });
  });
});
