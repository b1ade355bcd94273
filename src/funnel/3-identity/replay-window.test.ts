/**
 * A nonce is remembered as long as its request is fresh, and no flood makes the memory grow.
 */
import { describe, expect, test } from "bun:test";
import { KeyedHash } from "../keyed-hash.ts";
import { GENERATION_MS, NONCES_PER_SESSION_MAX, ReplayWindow } from "./replay-window.ts";

const NOW_MS = 1_800_000_000_000;

function window(sessionsMax?: number): ReplayWindow {
  const hash = new KeyedHash({ word0: 1, word1: 2 });
  return new ReplayWindow(sessionsMax === undefined ? { hash } : { hash, sessionsMax });
}

describe("replay window", () => {
  test("tells the identical request from a second use of its nonce", () => {
    const replays = window();
    const use = { sessionId: "s", nonce: "nonce-1", signature: "sig-1", nowMs: NOW_MS };
    expect(replays.remember(use)).toBe("first");
    expect(replays.remember(use)).toBe("repeated");
    expect(replays.remember({ ...use, signature: "sig-2" })).toBe("reused");
    expect(replays.remember({ ...use, sessionId: "t" })).toBe("first");
    expect(replays.remember({ ...use, nonce: "nonce-2" })).toBe("first");
  });

  test("remembers for at least 60 s, which is as long as a timestamp can stay fresh", () => {
    for (let offsetMs = 0; offsetMs < GENERATION_MS; offsetMs += 7_000) {
      const replays = window();
      replays.remember({ sessionId: "other", nonce: "n", signature: "s", nowMs: NOW_MS });
      const use = { sessionId: "s", nonce: "nonce-1", signature: "sig-1" };
      replays.remember({ ...use, nowMs: NOW_MS + offsetMs });
      const lastMs = NOW_MS + offsetMs + GENERATION_MS;
      expect(replays.remember({ ...use, signature: "sig-2", nowMs: lastMs - 1 })).toBe("reused");
    }
  });

  test("forgets after two generations", () => {
    const replays = window();
    const use = { sessionId: "s", nonce: "nonce-1", signature: "sig-1" };
    replays.remember({ ...use, nowMs: NOW_MS });
    expect(replays.remember({ ...use, nowMs: NOW_MS + 2 * GENERATION_MS })).toBe("first");
    expect(replays.sessionCount()).toBe(1);
  });

  test("survives a clock that jumps back", () => {
    const replays = window();
    const use = { sessionId: "s", nonce: "nonce-1", signature: "sig-1" };
    replays.remember({ ...use, nowMs: NOW_MS });
    expect(replays.remember({ ...use, nowMs: NOW_MS - 3_600_000 })).toBe("first");
    expect(replays.remember({ ...use, nowMs: NOW_MS - 3_600_000 })).toBe("repeated");
  });

  test("keeps the newest 128 nonces of a session that sends a million", () => {
    const replays = window();
    for (let count = 0; count < 1_000_000; count += 1) {
      replays.remember({ sessionId: "s", nonce: `nonce-${count}`, signature: "sig", nowMs: NOW_MS });
    }
    expect(replays.sessionCount()).toBe(1);
    const recall = (count: number) =>
      replays.remember({ sessionId: "s", nonce: `nonce-${count}`, signature: "sig", nowMs: NOW_MS });
    for (let age = 0; age < NONCES_PER_SESSION_MAX; age += 1) expect(recall(999_999 - age)).toBe("repeated");
    expect(recall(999_999 - NONCES_PER_SESSION_MAX)).toBe("first");
  });

  test("never holds more than two generations of its bound of sessions", () => {
    const replays = window(1_000);
    for (let count = 0; count < 10_000; count += 1) {
      replays.remember({ sessionId: `s${count}`, nonce: "nonce", signature: "sig", nowMs: NOW_MS });
      expect(replays.sessionCount()).toBeLessThanOrEqual(2_000);
    }
  });
});
