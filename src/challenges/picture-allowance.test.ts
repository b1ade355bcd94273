import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { ManualClock, settle } from "../../test/support/manual-clock.ts";
import { MemoryEdge } from "../../test/support/memory-edge.ts";
import type { SessionId } from "../domain/ids.ts";
import { PICTURE_INTERVAL_MS, PICTURES_AT_ONCE, PictureAllowance } from "./picture-allowance.ts";

const NOW_MS = 1_800_000_000_000;

/** Takes as many pictures as are allowed, up to a bound. */
function takeAll(allowance: PictureAllowance, sessionId: SessionId, nowMs: number): number {
  let taken = 0;
  while (taken < 100 && allowance.allows(sessionId, nowMs)) {
    allowance.note(sessionId, nowMs);
    taken += 1;
  }
  return taken;
}

test("a session has some pictures at once, then one at a time, and all of them again after a rest", () => {
  const allowance = new PictureAllowance();
  const session = "session" as SessionId;
  expect(takeAll(allowance, session, NOW_MS)).toBe(PICTURES_AT_ONCE);
  expect(takeAll(allowance, session, NOW_MS + PICTURE_INTERVAL_MS - 1)).toBe(0);
  expect(takeAll(allowance, session, NOW_MS + PICTURE_INTERVAL_MS)).toBe(1);
  expect(takeAll(allowance, session, NOW_MS + 100 * PICTURE_INTERVAL_MS)).toBe(PICTURES_AT_ONCE);
});

test("nodes that share an edge give one session one share, and its own on each where the edge is away", async () => {
  const edge = new MemoryEdge(new ManualClock());
  const bugs: unknown[] = [];
  const shared = {
    edge,
    nameOf: (sessionId: SessionId) => `n${sessionId}`,
    onBug: (error: unknown) => bugs.push(error),
  };
  const nodes = Array.from({ length: 4 }, () => new PictureAllowance(shared));
  const takeInTurn = async (session: SessionId): Promise<number> => {
    let taken = 0;
    for (let turn = 0; turn < 60; turn += 1) {
      const node = nodes[turn % nodes.length] as PictureAllowance;
      if (!node.allows(session, NOW_MS)) continue;
      node.note(session, NOW_MS);
      taken += 1;
      await settle();
    }
    return taken;
  };
  const taken = await takeInTurn("one" as SessionId);
  expect(taken).toBeGreaterThanOrEqual(PICTURES_AT_ONCE);
  // A node hears of a session when it gives it a picture.
  expect(taken).toBeLessThanOrEqual(PICTURES_AT_ONCE + 3);
  edge.isAway = true;
  expect(await takeInTurn("two" as SessionId)).toBe(4 * PICTURES_AT_ONCE);
  expect(bugs).toEqual([]);
});

test("what one session takes is hardly ever another one's loss", () => {
  const allowance = new PictureAllowance();
  const sessions = Array.from({ length: 1_000 }, () => randomBytes(16).toString("base64url") as SessionId);
  const full = sessions.filter((session) => takeAll(allowance, session, NOW_MS) === PICTURES_AT_ONCE).length;
  expect(full).toBeGreaterThan(970);
});
