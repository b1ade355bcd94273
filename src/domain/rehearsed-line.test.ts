import { expect, test } from "bun:test";
import type { CapacityCertificate } from "./certificate.ts";
import { type KnownRehearsals, rehearsedLine } from "./rehearsed-line.ts";

const options = { saleId: "drop", showInstant: (ms: number) => `at ${ms}` };
const certified = (saleId: string | null, certificate: object): KnownRehearsals["rehearsals"][number] => ({
  saleId,
  signed: {
    certificate: { acceptsPerS: 800, issuedAt: 5, settings: "now", crowd: null, ...certificate } as CapacityCertificate,
  },
});
const CROWD = { headroom: 2.1, buyers: 9_000 };
const failed = { saleId: "drop", signed: null };
const say = (...rehearsals: KnownRehearsals["rehearsals"]): string | null =>
  rehearsedLine({ settings: "now", rehearsals }, options);

test.each([
  ["no rehearsal", [], "not rehearsed"],
  ["one that failed", [failed], "not rehearsed"],
  [
    "one of this sale",
    [failed, certified("drop", { crowd: CROWD })],
    "rehearsed: 800/s, 2.1 x headroom for 9000 buyers, at 5",
  ],
  [
    "an older one of this sale beside a newer of another",
    [certified("other", { acceptsPerS: 1 }), certified("drop", { crowd: CROWD })],
    "rehearsed: 800/s, 2.1 x headroom for 9000 buyers, at 5",
  ],
  ["one of another sale", [certified("other", { crowd: CROWD })], "rehearsed, though not for this sale: 800/s, at 5"],
  ["one without a crowd", [certified("drop", {})], "rehearsed: 800/s, no crowd was given, at 5"],
  [
    "one that ran out of time",
    [certified("drop", { crowd: CROWD, limitedBy: "time" })],
    "rehearsed: 800/s and no time to find more, 2.1 x headroom for 9000 buyers, at 5",
  ],
  [
    "one under other settings",
    [certified("drop", { crowd: CROWD, settings: "then" })],
    "rehearsed: 800/s, 2.1 x headroom for 9000 buyers, at 5; the settings have changed since",
  ],
] as const)("%s", (_, rehearsals, line) => {
  expect(say(...rehearsals)).toBe(line);
});

test("a rehearsal's own sale has no such line", () => {
  const lineOf = (saleId: string) => rehearsedLine({ settings: "now", rehearsals: [] }, { ...options, saleId });
  expect(lineOf(`rehearsal-${"x".repeat(22)}-accept`)).toBeNull();
  expect(lineOf("rehearsal-open-doors")).toBe("not rehearsed");
});
