/**
 * The demonstration as the README has newcomers run it, small and to its end: the command's own words and its exit.
 */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const STOCK = 100;

test("one node sells exactly the stock to a crowd with its share of cheats, and the judge says so", async () => {
  const folder = mkdtempSync(join(tmpdir(), "doorbuster-test-"));
  const args = ["--no-orphans", join(ROOT, "src/main.ts"), "demo", "--buyers", "1000", "--stock", `${STOCK}`];
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env["PATH"] ?? "", TMPDIR: folder, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  }
  try {
    const exit = await new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    expect(output).toContain(`VERDICT: correct: ${STOCK} of ${STOCK} units sold to a crowd of 1,000`);
    // Every way of cheating had its try: without that the verdict would say less.
    for (const reason of ["signature_invalid", "signature_replayed", "session_invalid", "limit_reached"]) {
      expect(output).toContain(reason);
    }
    expect(exit).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}, 120_000);
