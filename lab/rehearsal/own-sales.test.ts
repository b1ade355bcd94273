/**
 * The sales of a rehearsal and the ledger behind them, where it takes its time or is the wrong one.
 */
import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../test/support/manual-clock.ts";
import type { Target } from "../swarm/generator/wire.ts";
import { OperatorClient } from "../swarm/operator-client.ts";
import { OwnSales } from "./own-sales.ts";

const ID = "rehearsal-AAAAAAAAAAAAAAAAAAAAAA";
const WHILE_MS = 20_000;

/** `modeOf`: of the sale, at that time. */
function stage(
  ledger: "redis" | "postgres",
  modeOf: (id: string, atMs: number) => string,
  targets: readonly Target[] = [],
) {
  const clock = new ManualClock();
  const operator = new OperatorClient({
    call: async (method, path) => {
      const id = path.split("/")[4] ?? "";
      return method === "POST" ? { id } : { state: "open", mode: modeOf(id, clock.monotonicMs()), epoch: 1, items: [] };
    },
  });
  const sales = new OwnSales({
    task: { id: ID, ledger, buckets: 1, durationMs: 90_000 },
    ...{ holdMs: 150_000, operator, targets, clock, signal: new AbortController().signal },
  });
  return { clock, sales };
}

describe("the ledger of a rehearsal's sales", () => {
  test.each([
    ["the one that should decide, once it has taken over", "redis", 900, "redis"],
    ["the database where Redis never does", "redis", WHILE_MS, "postgres"],
    ["the database where there is no Redis", "postgres", WHILE_MS, "postgres"],
  ] as const)("is %s", async (_, wanted, takesMs, ledger) => {
    const { clock, sales } = stage(wanted, (_id, atMs) => (atMs < takesMs ? "postgres" : "redis"));
    const opened = sales.open("accept", 10);
    await clock.advance(WHILE_MS);
    expect(await opened).toBe(`${ID}-accept`);
    expect(sales.ledger).toBe(ledger);
  });

  test("is nobody where the sale stays between two", async () => {
    const { clock, sales } = stage("redis", () => "draining");
    const opened = sales.open("accept", 10).catch((error: Error) => error.message);
    await clock.advance(WHILE_MS);
    expect(await opened).toContain("it is in draining mode");
  });

  test("is the same for both sales, or there is no rehearsal", async () => {
    const { clock, sales } = stage("redis", (id) => (id.endsWith("accept") ? "redis" : "postgres"));
    await sales.open("accept", 10);
    const opened = sales.open("refuse", 1).catch((error: Error) => error.message);
    await clock.advance(WHILE_MS);
    expect(await opened).toContain(`the sale before was in redis mode, ${ID}-refuse is in postgres mode`);
  });
});

test("a target where nobody listens is told with its address and why", async () => {
  const { sales } = stage("postgres", () => "postgres", [{ hostname: "127.0.0.1", port: 1 }]);
  await expect(sales.open("accept", 10)).rejects.toThrow(
    "No answer from http://127.0.0.1:1: the connection was refused.",
  );
});
