/**
 * T4: what is shipped to a browser holds no secret, because there is none to hold.
 *
 * The built scripts are searched for anything long and random enough to be a key, and for the words with which the
 * server derives its own. Signing keys are per session and arrive at run time; session A's is no good for session B.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sourcesUnder, textOf } from "../tidy/repository.ts";

const DIST = join(import.meta.dirname, "../../web/dist");
/** 32 bytes in hex, or in base64 with the mixture of a random text. */
const HEX_KEY = /\b[0-9a-f]{64}\b/i;
const BASE64_KEY = /["'`]([A-Za-z0-9+/_-]{42,44}={0,2})["'`]/g;
const DISTINCT_MIN = 20;

function keysIn(text: string): readonly string[] {
  const hex = HEX_KEY.exec(text)?.[0];
  const base64 = [...text.matchAll(BASE64_KEY)]
    .map((match) => match[1] ?? "")
    .filter((found) => new Set(found).size >= DISTINCT_MIN && /\d/.test(found) && /[A-Z]/.test(found));
  return [...(hex === undefined ? [] : [hex]), ...base64];
}

/** Purposes of the server's keys, as they stand in the sources. */
function purposes(): readonly string[] {
  return sourcesUnder("src").flatMap((path) =>
    [...textOf(path).matchAll(/"(doorbuster\/[a-z-]+\/v\d)/g)].map((m) => m[1] ?? ""),
  );
}

describe("T4: the built pages", () => {
  const files = existsSync(DIST) ? readdirSync(DIST, { recursive: true }).map(String) : [];
  const scripts = files.filter((name) => /\.(js|css|html|json)$/.test(name));

  test("are there to be looked at", () => {
    expect(scripts.filter((name) => name.endsWith(".js")).length).toBeGreaterThanOrEqual(2);
  });

  test.each(scripts)("%s holds nothing that could be a key, and no purpose of one", (name) => {
    const text = readFileSync(join(DIST, name), "utf8");
    expect(keysIn(text)).toEqual([]);
    const found = purposes().filter((purpose) => text.includes(purpose));
    expect(found).toEqual([]);
  });

  test("would be found out: a key in hex or base64 is seen, an ordinary text is not", () => {
    expect(keysIn(`k="${"0123456789abcdef".repeat(4)}"`)).toHaveLength(1);
    expect(keysIn('k="pNq3Yb0WZtJ8xUeVdR5mGf2sKcHaLi7o9TQwEyXBnDA"')).toHaveLength(1);
    expect(keysIn('title="Everything is sold; some may come back"')).toEqual([]);
    expect(purposes().length).toBeGreaterThan(5);
  });
});
