/**
 * Waiting buyers keep what is theirs, however compactly they are stored.
 */
import { expect, test } from "bun:test";
import { addressOf } from "./population.ts";
import { Roster } from "./roster.ts";

function filled(count: number): Roster {
  const roster = new Roster(count);
  for (let index = 0; index < count; index++) {
    const signingKey = Buffer.alloc(32, index);
    const arrivalMs = (index * 7) % count;
    roster.join({ index: index + 100, arrivalMs, token: `token-${index}`, buyerId: `buyer-${index}`, signingKey });
  }
  roster.sort();
  return roster;
}

test("positions are in order of arrival, and everybody keeps number, token, key and address", () => {
  const roster = filled(50);
  for (let position = 0; position < 50; position++) {
    expect(roster.arrivalMsAt(position)).toBe(position);
    const index = roster.indexAt(position);
    expect(roster.sessionAt(position)).toEqual({
      token: `token-${index - 100}`,
      buyerId: `buyer-${index - 100}`,
      signingKey: new Uint8Array(Buffer.alloc(32, index - 100)),
      forwardedFor: addressOf(index),
    });
  }
  expect(roster.arrivalMsAt(50)).toBe(Number.POSITIVE_INFINITY);
});

test("prepared requests come back as they were given, also when they are longer than expected", () => {
  const roster = filled(40);
  const requestOf = (position: number): Buffer => Buffer.alloc(10 + position * 90, position);
  for (let position = 0; position < 40; position++) roster.keepPrepared(requestOf(position));
  for (let position = 0; position < 40; position++) {
    expect(Buffer.compare(Buffer.from(roster.preparedAt(position)), requestOf(position))).toBe(0);
  }
});

test("a key of another length is refused rather than cut", () => {
  const roster = new Roster(1);
  expect(() => roster.join({ index: 0, arrivalMs: 0, token: "t", buyerId: "b", signingKey: Buffer.alloc(31) })).toThrow(
    "31 bytes",
  );
});
