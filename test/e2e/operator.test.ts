/**
 * An operator signs in, makes a sale, opens, pauses, resumes and closes it, sees what happens and proves the books.
 */
import { expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { expectAccepted, expectRefusal } from "../support/answers.ts";
import { saleSpec, waitForState } from "../support/operator-client.ts";
import { waitUntil } from "../support/waiting.ts";
import { expectNoSidewaysScroll, useTestBed } from "./browser.ts";

/** More than the console reads at once. */
const ENTRIES = 300;

const bed = useTestBed();

/** Presses a command; for those that the console asks about, also its "yes". */
async function command(page: Page, name: string, yes?: string): Promise<void> {
  await page.locator(".commands").getByRole("button", { name }).click();
  if (yes !== undefined) await page.getByRole("dialog").getByRole("button", { name: yes }).click();
}

async function saleIdOf(page: Page): Promise<string> {
  await page.waitForURL(/#\/sales\//);
  return page.url().split("#/sales/")[1] as string;
}

test("lets an operator create, open, pause, resume and close a sale, and see it happen", async () => {
  const watched = await bed.signIn();
  const { page } = watched;
  await page.getByRole("link", { name: "New sale" }).click();
  await page.getByLabel("Name", { exact: true }).first().fill("Console drop");
  const item = page.getByRole("group", { name: "Item 1" });
  await item.getByLabel("Sku").fill("gold");
  await item.getByLabel("Name").fill("Gold seat");
  await item.getByLabel(/^Price/).fill("49.00");
  await item.getByLabel("Stock").fill("3");
  await page.getByLabel("Buckets per item").fill("4");
  await page.getByRole("button", { name: "Create the sale" }).click();
  await page.getByRole("heading", { name: "Console drop", level: 1 }).waitFor();
  const sale = { saleId: await saleIdOf(page), sku: "gold" };
  expect(await bed.deployment.operator.must("GET", `/sales/${sale.saleId}`)).toMatchObject({ buckets: 4 });

  await command(page, "Open now", "Open it now");
  await waitForState(bed.deployment.buyerUrl, sale.saleId, "open");
  expectAccepted(await (await bed.deployment.guest()).reserve(sale));
  await command(page, "Pause");
  await waitForState(bed.deployment.buyerUrl, sale.saleId, "paused");
  expectRefusal(await (await bed.deployment.guest()).reserve(sale), "paused");
  await command(page, "Resume");
  await waitForState(bed.deployment.buyerUrl, sale.saleId, "open");

  // Without a Redis there is nothing to warn about, and nothing of Redis to show.
  const ledger = page.getByRole("region", { name: "Ledger" });
  await ledger.getByText("PostgreSQL", { exact: true }).first().waitFor();
  expect(await ledger.getByText("Waiting for commit").count()).toBe(0);
  expect(await page.getByRole("alert").filter({ hasText: "ledger" }).count()).toBe(0);
  await page.getByRole("button", { name: "Refresh" }).click();
  await page.getByLabel("Orders of this page").getByText("Gold seat").waitFor();
  await page.getByRole("button", { name: "Audit now" }).click();
  await page.getByText("Balanced.").waitFor();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download CSV" }).click();
  expect((await download).suggestedFilename()).toBe(`orders-${sale.saleId}.csv`);

  await command(page, "Close for good", "Close it for good");
  await waitForState(bed.deployment.buyerUrl, sale.saleId, "closed");
  await waitUntil(
    "no command to be left",
    async () => (await page.locator(".commands").getByRole("button").count()) === 0,
  );
  watched.expectNoComplaints();
});

test("lets members in earlier: tiers are entered, mended where they are wrong, and shown to buyers and operators", async () => {
  const { page, expectNoComplaints } = await bed.signIn("#/new", { width: 375 });
  await page.getByLabel("Name", { exact: true }).first().fill("Tiered drop");
  const item = page.getByRole("group", { name: "Item 1" });
  await item.getByLabel("Sku").fill("gold");
  await item.getByLabel(/^Price/).fill("49.00");
  await item.getByLabel("Stock").fill("3");
  await page.getByText("Who may buy and when").click();
  await page.getByRole("button", { name: "Add an earlier opening" }).press("Enter");
  const tier = page.getByRole("group", { name: "Tier 1" });
  await waitUntil("the new tier to have the focus", async () => {
    return (await page.evaluate("document.activeElement?.id")) === "eligibility.tiers[0].name";
  });
  await page.keyboard.type("members");
  await tier.getByLabel(/^Level/).fill("2");
  await page.getByRole("button", { name: "Create the sale" }).click();
  await tier.getByText("Must be earlier than the sale's own opening.").waitFor();
  await expectNoSidewaysScroll(page);
  const opens = await page.getByLabel("Opens", { exact: true }).inputValue();
  const earlier = new Date(Date.parse(`${opens}Z`) - 600_000).toISOString().slice(0, opens.length);
  await tier.getByLabel("Opens for them").fill(earlier);
  await page.getByRole("button", { name: "Create the sale" }).click();
  await page.getByRole("heading", { name: "Tiered drop", level: 1 }).waitFor();
  await page.getByText("Opens for members").waitFor();
  const sale = await bed.deployment.operator.must("GET", `/sales/${await saleIdOf(page)}`);
  expect(sale.eligibility.tiers).toEqual([{ name: "members", opensAt: sale.opensAt - 600_000, levelMin: 2 }]);
  expectNoComplaints();
});

test("keeps whoever has another token out, and says so", async () => {
  const { adminUrl } = bed.deployment.node;
  const watched = await bed.open({ origins: [adminUrl] });
  await watched.page.goto(adminUrl);
  await watched.page.getByLabel("Token").fill("not-the-token");
  await watched.page.getByRole("button", { name: "Sign in" }).click();
  await watched.page
    .getByRole("alert")
    .getByText(/not this node's token/)
    .waitFor();
});

test("tells an operator what is wrong with a sale, at its field, on a small screen", async () => {
  const watched = await bed.signIn("", { width: 375 });
  const { page } = watched;
  await page.getByRole("link", { name: "New sale" }).click();
  // By keyboard alone, as somebody who hears the form would.
  const buckets = page.getByRole("textbox", { name: "Buckets per item" });
  expect(await buckets.inputValue()).toBe("1");
  await page.getByLabel("Currency").press("Tab");
  await page.keyboard.type("65");
  await page.keyboard.press("Enter");
  await page
    .getByRole("alert")
    .getByText(/need another look/)
    .waitFor();
  await waitUntil("the first wrong field to have the focus", async () => {
    return (await page.evaluate("document.activeElement?.getAttribute('aria-invalid')")) === "true";
  });
  expect([await buckets.inputValue(), await buckets.getAttribute("aria-invalid")]).toEqual(["65", "true"]);
  await page.locator(`#${await buckets.getAttribute("aria-describedby")}`, { hasText: "from 1 to 64" }).waitFor();
  await expectNoSidewaysScroll(page);
  watched.expectNoComplaints();
});

test("reads the log back to its first entry in pieces, without a gap and nothing twice, and filters it", async () => {
  const { operator } = bed.deployment;
  const head = async (): Promise<number> => (await operator.must("GET", "/log?limit=1")).head.seq;
  await operator.must("POST", "/sales", saleSpec());
  while ((await head()) < ENTRIES) await operator.send("DELETE", "/bans/nobody");
  const { page, expectNoComplaints } = await bed.signIn("#/log");
  await page
    .getByRole("status")
    .getByText(/back to entry \d+/)
    .waitFor();
  await page.getByRole("button", { name: "Read earlier entries" }).click();
  await page
    .getByRole("status")
    .getByText(/back to entry 1\./)
    .waitFor();
  expect(await page.getByText("Answer to no.").count()).toBe(0);
  expect(await page.getByRole("button", { name: "Read earlier entries" }).count()).toBe(0);
  const numbers = (await page.getByRole("rowheader").allInnerTexts()).map(Number);
  expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => other - one));
  expect(numbers.at(-1)).toBe(1);
  await page.getByLabel("Show").selectOption("refused or failed");
  await page.getByRole("row").filter({ hasText: "refused (404)" }).first().waitFor();
  expect(await page.getByRole("row").filter({ hasText: "done" }).count()).toBe(0);
  expectNoComplaints();
});

test("shows a name that is markup as text", async () => {
  const name = `<img src=x onerror="document.title='hacked'">`;
  const { saleId } = await bed.deployment.sale({
    name,
    items: [{ sku: "x", name, price: { amount: 1, currency: "EUR" }, stock: 1 }],
  });
  const console = await bed.signIn();
  await console.page.getByText(name).first().waitFor();
  console.expectNoComplaints();
  const buyer = await bed.visit(`/sales/${saleId}`);
  await buyer.page.getByRole("heading", { level: 1 }).getByText(name).waitFor();
  expect(await buyer.page.title()).not.toBe("hacked");
  buyer.expectNoComplaints();
});
