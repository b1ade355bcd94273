/**
 * However often the server says "later", one client's retries, and those of many that share a budget, stay bounded.
 */
import { expect, test } from "bun:test";
import { RetryBudget } from "../src/domain/retry-budget.ts";
import { Doorbuster, type DoorbusterOptions } from "./doorbuster.ts";
import { RETRY_BUDGET } from "./retry.ts";

const SESSION = { token: "s2.token", signingKey: "A".repeat(43), buyerId: "b", expiresAt: 2e12 };
const BUSY = { type: "t", title: "No.", status: 503, reason: "busy", retryAfterMs: 1 };
const PATIENCE_MS = 400;

/** A client whose server is always busy; its own clock runs by the waits that it was told. */
async function refusedClient(options: Partial<DoorbusterOptions> = {}) {
  const seen = { sent: 0, waitsMs: [] as number[] };
  const doorbuster = new Doorbuster({
    baseUrl: "http://shop.example",
    random: () => 0,
    ...options,
    fetch: async () => {
      seen.sent += 1;
      return new Response(JSON.stringify(BUSY), {
        status: 503,
        headers: { "content-type": "application/problem+json" },
      });
    },
  });
  await doorbuster.resumeSession(SESSION);
  const reserve = () =>
    doorbuster.reserve({
      saleId: "demo",
      sku: "one",
      quantity: 1,
      patienceMs: PATIENCE_MS,
      onRetry: ({ waitMs }) => seen.waitsMs.push(waitMs),
    });
  return { seen, reserve };
}

test("repeats a few times as quickly as it is asked to, and gives up when the next retry is further than its patience", async () => {
  const { seen, reserve } = await refusedClient();
  expect(await reserve()).toMatchObject({ kind: "refused", problem: { reason: "busy" } });
  expect(seen.sent).toBe(1 + RETRY_BUDGET.savedMax);
  expect(await reserve()).toMatchObject({ kind: "refused", problem: { reason: "busy" } });
  expect(seen.sent).toBe(2 + RETRY_BUDGET.savedMax);
});

test("waits for the next retry where its patience lasts that long", async () => {
  const retryBudget = new RetryBudget({ perTry: 0, perS: 10, savedMax: 1 });
  const { seen, reserve } = await refusedClient({ retryBudget });
  await reserve();
  const [first = 0, second = 0] = seen.waitsMs;
  expect(first).toBe(1);
  expect(second).toBeGreaterThan(50);
  expect(seen.waitsMs.length).toBeLessThanOrEqual(1 + PATIENCE_MS / 100);
});

test("many clients of one process that share a budget repeat little altogether", async () => {
  const retryBudget = new RetryBudget(RETRY_BUDGET);
  const clients = await Promise.all(Array.from({ length: 200 }, () => refusedClient({ retryBudget })));
  await Promise.all(clients.map(({ reserve }) => reserve()));
  const sent = clients.reduce((sum, { seen }) => sum + seen.sent, 0);
  expect(sent).toBeGreaterThan(200);
  expect(sent).toBeLessThanOrEqual(200 + RETRY_BUDGET.savedMax + 200 * RETRY_BUDGET.perTry + 2);
});
