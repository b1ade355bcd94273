import { expect, test } from "bun:test";
import { codeAt, codeUri, matchCode, stepAt, toBase32 } from "./totp.ts";

/** RFC 6238, appendix B: the last six of its eight digits. */
const SECRET = Buffer.from("12345678901234567890");
const VECTORS = [
  [59, "287082"],
  [1_111_111_109, "081804"],
  [1_111_111_111, "050471"],
  [1_234_567_890, "005924"],
  [2_000_000_000, "279037"],
  [20_000_000_000, "353130"],
] as const;

test.each(VECTORS)("at %d s the code is %s, as RFC 6238 says", (seconds, code) => {
  expect(codeAt(SECRET, stepAt(seconds * 1_000))).toBe(code);
  expect(matchCode(SECRET, code, seconds * 1_000)).toBe(stepAt(seconds * 1_000));
});

test("a code is good one step early or late, no longer, and belongs to its own step", () => {
  const step = 1_000;
  const code = codeAt(SECRET, step);
  const at = (off: number) => matchCode(SECRET, code, (step + off) * 30_000);
  expect([at(-2), at(-1), at(0), at(1), at(2)]).toEqual([null, step, step, step, null]);
});

test("what is not six digits is no code", () => {
  for (const code of ["", "12345", "1234567", "12345a", " 12345", "١٢٣٤٥٦"])
    expect(matchCode(SECRET, code, 0)).toBeNull();
});

test("secrets are told as RFC 4648 base32, in an address that apps read", () => {
  for (const [text, encoded] of [
    ["", ""],
    ["f", "MY"],
    ["fo", "MZXQ"],
    ["foo", "MZXW6"],
    ["foob", "MZXW6YQ"],
    ["fooba", "MZXW6YTB"],
    ["foobar", "MZXW6YTBOI"],
  ] as const) {
    expect(toBase32(Buffer.from(text))).toBe(encoded);
  }
  const uri = new URL(codeUri({ name: "Ann Ö", secret: SECRET }));
  expect(decodeURIComponent(uri.pathname)).toContain("Doorbuster:Ann Ö");
  expect(uri.searchParams.get("secret")).toBe("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
});
