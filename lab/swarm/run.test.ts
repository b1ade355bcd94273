/**
 * A whole run in real crowd processes against a shop in memory: what a person sees, and how it ends.
 */
import { describe, expect, test } from "bun:test";
import { FakeShop, type Lies } from "./fake-shop.ts";
import { Progress } from "./progress.ts";
import { formatReport, type RunResult } from "./report.ts";
import { runCrowd } from "./run.ts";
import { createSystemClock } from "./system-clock.ts";

const clock = createSystemClock();

async function run(lies: Lies): Promise<{ result: RunResult; output: string }> {
  const shop = new FakeShop({ perBuyerMax: 2, lies });
  const port = await shop.start();
  let output = "";
  const progress = new Progress(clock, { write: (text) => (output += text) });
  try {
    const result = await runCrowd({
      buyerCount: 400,
      stock: 100,
      seed: 3,
      hostname: "127.0.0.1",
      port,
      adminAddress: `http://127.0.0.1:${port}`,
      adminToken: "token",
      shopPids: () => [],
      clock,
      progress,
      timings: { preparationMs: 700, rushMs: 300, arrivals: "rush", holdMs: 60_000, thinkMsMax: 50, patienceMs: 500 },
      startedAtMs: clock.monotonicMs(),
      settleWithinMs: 100,
    });
    return { result, output };
  } finally {
    await shop.stop();
  }
}

describe("a run", () => {
  test("against an honest shop ends with the verdict that it is correct", async () => {
    const { result, output } = await run({});
    expect(result.findings).toEqual([]);
    expect(result.evidence.orders.length).toBeGreaterThan(40);
    expect(result.residentBytesPeak).toBeGreaterThan(30_000_000);
    expect(output).toContain("buyers have a session");
    expect(output).toContain("400 arrived");
    const report = formatReport(result);
    expect(report).toContain("VERDICT: correct");
    expect(report).toMatch(/identity +signature_invalid/);
    expect(report).toMatch(/front-row +10 /);
  }, 30_000);

  test("against a shop that loses orders ends with the verdict which promise was broken", async () => {
    const { result } = await run({ losesOrderEvery: 5 });
    expect(formatReport(result)).toMatch(/VERDICT: NOT correct: .*every accepted answer has its order/);
  }, 30_000);
});
