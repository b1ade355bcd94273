/**
 * An operator watches a sale in Redis, sees Redis hang and the sale go on in PostgreSQL, and is told why, on both screens.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { expectAccepted } from "../support/answers.ts";
import { Buyer } from "../support/buyer-client.ts";
import { NodeProcess } from "../support/node-process.ts";
import { Operator } from "../support/operator-client.ts";
import { PostgresCluster } from "../support/postgres-cluster.ts";
import { RedisServer } from "../support/redis-server.ts";
import { waitUntil } from "../support/waiting.ts";
import { openPage, startBrowser, type WatchedPage } from "./browser.ts";

setDefaultTimeout(90_000);

let cluster: PostgresCluster;
let redis: RedisServer;
let node: NodeProcess;
let browser: Browser;
let item: { saleId: string; sku: string };

beforeAll(async () => {
  [cluster, redis, browser] = await Promise.all([PostgresCluster.start(), RedisServer.start(), startBrowser()]);
  node = await NodeProcess.start({
    runtime: "bun",
    databaseUrl: await cluster.createDatabase(),
    env: { REDIS_URL: redis.url, LEDGER_DWELL_MS: "600000" },
  });
  item = await new Operator(node).createSale({ name: "Bucket drop", buckets: 2 }, [node.buyerUrl]);
}, 90_000);

afterAll(async () => {
  await browser?.close();
  redis?.thaw();
  await node?.kill();
  await Promise.all([redis?.stop(), cluster?.stop()]);
});

/** The sale's page on a screen of that width. */
async function watchSale(width: number): Promise<WatchedPage> {
  const watched = await openPage(browser, [node.adminUrl], { viewport: { width, height: 900 } });
  await watched.page.goto(node.adminUrl);
  await watched.page.getByLabel("Token").fill(node.adminToken);
  await watched.page.getByRole("button", { name: "Sign in" }).click();
  await watched.page.getByRole("link", { name: /Bucket drop/ }).click();
  await watched.page.getByRole("heading", { name: "Ledger" }).waitFor();
  return watched;
}

const ledgerOf = (page: Page) => page.getByRole("region", { name: "Ledger" });

async function expectNothingSideways(page: Page): Promise<void> {
  const [content, screen] = (await page.evaluate(
    "[document.documentElement.scrollWidth, window.innerWidth]",
  )) as number[];
  expect(content as number).toBeLessThanOrEqual(screen as number);
}

test("shows who decides about the stock and what each bucket has, and then that and why it fell back", async () => {
  const screens = await Promise.all([watchSale(1_280), watchSale(375)]);
  for (const { page } of screens) await ledgerOf(page).getByText("Redis decides, PostgreSQL follows.").waitFor();
  for (let count = 0; count < 3; count += 1) {
    expectAccepted(await (await Buyer.guest(node.buyerUrl)).reserve(item));
  }
  for (const { page } of screens) {
    const ledger = ledgerOf(page);
    await ledger.getByText("on disk before any answer").waitFor();
    await waitUntil("three acceptances in the buckets", async () => {
      const accepted = await ledger
        .getByRole("row")
        .filter({ hasText: item.sku })
        .locator("td:nth-child(5)")
        .allInnerTexts();
      return accepted.length === 2 && accepted.reduce((sum, text) => sum + Number(text), 0) === 3;
    });
    expect(await page.getByRole("alert").filter({ hasText: "Redis" }).count()).toBe(0);
    await page.getByRole("button", { name: "Audit now" }).click();
    await page.getByText("Balanced.").waitFor();
    const places = await page
      .getByRole("region", { name: "Places of the units" })
      .locator("tbody td")
      .allTextContents();
    expect(places.slice(-2)).toEqual(["10", "10"]);
    await expectNothingSideways(page);
  }

  redis.freeze();
  for (const { page } of screens) {
    const warning = page.getByRole("alert").filter({ hasText: "The sale runs on PostgreSQL instead of Redis." });
    await warning.waitFor({ timeout: 30_000 });
    expect(await warning.textContent()).toMatch(/Reason: .*Redis/);
    await ledgerOf(page).getByText("PostgreSQL decides about every unit itself.").waitFor();
    await expectNothingSideways(page);
  }
  expectAccepted(await (await Buyer.guest(node.buyerUrl)).reserve(item));
  for (const screen of screens) {
    screen.expectNoComplaints();
    await screen.close();
  }
});
