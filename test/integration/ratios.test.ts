/**
 * The nightly gate on speed: a short run of every group of the ladder against the bounds in docs/benchmarks/ratios.json.
 *
 * Ratios to a limit that was measured in the same run, never times, so that a slow machine does not fail and a slow change
 * does. It takes minutes and all cores, so only the long run (which sets RUNS) does it; the bounds themselves and the gate's
 * arithmetic are tested every time, in lab/bench/ratio-gate.test.ts. A group that misses a bound is measured once more,
 * because a shared machine has moments.
 */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GROUPS } from "../../lab/bench/ladder-row.ts";

const BENCH = join(import.meta.dirname, "../../lab/bench/bench.ts");
const TRIES_MAX = 2;
const GROUP_MS_MAX = 300_000;
const isLongRun = process.env["RUNS"] !== undefined;

/** What the gate printed when it was not passed; null when it was. */
function missed(group: string): string | null {
  let output = "";
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const args = ["--no-orphans", BENCH, "--gate", "--check", "--only", group];
    const run = spawnSync(process.execPath, args, { encoding: "utf8", timeout: GROUP_MS_MAX });
    if (run.status === 0) return null;
    output = `${run.stdout}\n${run.stderr}`;
  }
  return output;
}

describe.if(isLongRun)("the ladder", () => {
  test.each([...GROUPS])(
    "keeps its ratios to the limit: %s",
    (group) => {
      expect(missed(group)).toBeNull();
    },
    TRIES_MAX * GROUP_MS_MAX,
  );
});

test(
  "a run is let pass at its bounds and stopped below them",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "doorbuster-bounds-"));
    try {
      const judged = (atLeast: number) => {
        const file = join(folder, "ratios.json");
        const bounds = [{ row: "postgres/commit/books", measure: "processor", atLeast }];
        writeFileSync(file, JSON.stringify({ tolerance: 0.1, bounds }));
        const args = ["--no-orphans", BENCH, "--smoke", "--only", "commit", "--check", "--against", file];
        return spawnSync(process.execPath, args, { encoding: "utf8", timeout: GROUP_MS_MAX });
      };
      expect(judged(0.01)).toMatchObject({ status: 0, stdout: expect.stringContaining("1 of 1 bounds are met") });
      expect(judged(100)).toMatchObject({
        status: 1,
        stdout: expect.stringContaining("below its bound: postgres/commit"),
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  GROUP_MS_MAX,
);
