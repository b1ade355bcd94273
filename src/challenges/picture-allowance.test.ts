import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
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

test("what one session takes is hardly ever another one's loss", () => {
  const allowance = new PictureAllowance();
  const sessions = Array.from({ length: 1_000 }, () => randomBytes(16).toString("base64url") as SessionId);
  const full = sessions.filter((session) => takeAll(allowance, session, NOW_MS) === PICTURES_AT_ONCE).length;
  expect(full).toBeGreaterThan(970);
});
