/**
 * An operator watches a sale in Redis, sees Redis hang and the sale go on in PostgreSQL, and is told why, on both screens.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { expectAccepted } from "../support/answers.ts";
import { RedisServer } from "../support/redis-server.ts";
import { waitUntil } from "../support/waiting.ts";
import { expectNoSidewaysScroll, useTestBed, type WatchedPage } from "./browser.ts";

let redis: RedisServer;

beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis?.stop());
const bed = useTestBed({ env: () => ({ REDIS_URL: redis.url, LEDGER_DWELL_MS: "600000" }) });

/** The sale's page on a screen of that width. */
async function watchSale(saleId: string, width: number): Promise<WatchedPage> {
  const watched = await bed.signIn(`#/sales/${saleId}`, { width });
  await watched.page.getByRole("heading", { name: "Ledger" }).waitFor();
  return watched;
}

const ledgerOf = (page: Page) => page.getByRole("region", { name: "Ledger" });

test("shows who decides about the stock and what each bucket has, and then that and why it fell back", async () => {
  const item = await bed.deployment.sale({ name: "Bucket drop", buckets: 2 });
  const screens = await Promise.all([watchSale(item.saleId, 1_280), watchSale(item.saleId, 375)]);
  const decided = screens.map(({ page }) => ledgerOf(page).getByText("Redis decides, PostgreSQL follows."));
  for (const words of decided) await words.waitFor({ timeout: 30_000 });
  for (let count = 0; count < 3; count += 1) {
    expectAccepted(await (await bed.deployment.guest()).reserve(item));
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
    await expectNoSidewaysScroll(page);
  }

  redis.freeze();
  for (const { page } of screens) {
    const warning = page.getByRole("alert").filter({ hasText: "The sale runs on PostgreSQL instead of Redis." });
    await warning.waitFor({ timeout: 30_000 });
    expect(await warning.textContent()).toMatch(/Reason: .*Redis/);
    await ledgerOf(page).getByText("PostgreSQL decides about every unit itself.").waitFor();
    await page.getByText(/^Changes of mode \(/).click();
    const changes = page.getByRole("region", { name: "Changes of mode" });
    await changes.getByRole("row").filter({ hasText: "created" }).waitFor();
    const cells = await changes.getByRole("row").nth(1).getByRole("cell").allInnerTexts();
    expect(cells.slice(0, 2)).toEqual(["Leaving Redis", "PostgreSQL"]);
    expect(cells.at(-1)).toMatch(/Redis/);
    await expectNoSidewaysScroll(page);
  }
  expectAccepted(await (await bed.deployment.guest()).reserve(item));
  for (const screen of screens) screen.expectNoComplaints();
});
