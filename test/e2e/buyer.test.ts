/**
 * A person buys: with the mouse on a small screen, and with nothing but the keyboard.
 */
import { expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { Buyer } from "../support/buyer-client.ts";
import { seat, waitForState } from "../support/operator-client.ts";
import { waitUntil } from "../support/waiting.ts";
import { buy, expectNoSidewaysScroll, useTestBed } from "./browser.ts";

const TABS_MAX = 30;
const PHONE = { width: 375 };

/** As `npm start` has it: the embedded database, and the limits that a deployment has by itself. */
const bed = useTestBed({ database: "pglite", env: {} });

/** Presses Tab until the focus is on an element whose text or value matches. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let tabs = 0; tabs < TABS_MAX; tabs += 1) {
    await page.keyboard.press("Tab");
    const focused = (await page.evaluate("document.activeElement?.textContent ?? ''")) as string;
    if (name.test(focused)) return;
  }
  throw new Error(`no ${name} within ${TABS_MAX} presses of Tab`);
}

test("lets a person find a sale, wait for its opening, reserve once, pay and see that it is paid", async () => {
  const opensAt = Date.now() + 4_000;
  const { saleId } = await bed.deployment.sale({ name: "Spring drop", opensAt, items: [seat({ name: "Gold seat" })] });
  const watched = await bed.visit("/", PHONE);
  const { page } = watched;
  await page.getByRole("link", { name: /Spring drop/ }).click();
  await page.getByRole("heading", { name: "Spring drop", level: 1 }).waitFor();
  expect(new URL(page.url()).pathname).toBe(`/sales/${saleId}`);
  await page.getByRole("button", { name: /^Opens in/ }).waitFor();
  await page.getByRole("button", { name: /^Buy/ }).click();
  await page.getByRole("timer").last().waitFor();
  await page.getByRole("button", { name: /^Pay/ }).click();
  await page.waitForURL(/\/sandbox-payments\/checkout\//);
  await page.getByRole("button", { name: /^Pay €49/ }).click();
  await page.waitForURL((url) => url.pathname === `/sales/${saleId}`);
  await page
    .getByRole("heading", { name: /paid|yours now|bought/i })
    .first()
    .waitFor();
  await expectNoSidewaysScroll(page);
  watched.expectNoComplaints();
  const audit = await bed.deployment.operator.audit(saleId);
  expect(audit).toMatchObject({ balanced: true, items: [{ held: 0, sold: 1 }] });
});

test("lets a person buy and pay with the keyboard alone", async () => {
  const { saleId } = await bed.deployment.sale({ name: "Keyboard sale" });
  const watched = await bed.visit(`/sales/${saleId}`);
  const { page } = watched;
  await page.getByRole("button", { name: /^Buy/ }).waitFor();
  await tabTo(page, /^Buy/);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: /^Pay/ }).waitFor();
  await tabTo(page, /^Pay/);
  await page.keyboard.press("Space");
  await page.waitForURL(/\/sandbox-payments\/checkout\//);
  await tabTo(page, /^Pay €49/);
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.pathname === `/sales/${saleId}`);
  await page
    .getByRole("heading", { name: /paid|yours now|bought/i })
    .first()
    .waitFor();
  watched.expectNoComplaints();
});

test("solves the challenge in a worker before the opening, shows it, and buys with one request that nobody refuses", async () => {
  const opensAt = Date.now() + 120_000;
  const { saleId } = await bed.deployment.sale({ name: "Guarded", opensAt, challenge: "always" });
  // A person's browser does not say that it is a machine's.
  const userAgent = `Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${bed.browser.version()} Safari/537.36`;
  const watched = await bed.open({ userAgent });
  const { page } = watched;
  await page.addInitScript("Object.defineProperty(navigator, 'webdriver', { get: () => false })");
  const scripts: string[] = [];
  const attempts: number[] = [];
  page.on("worker", (worker) => scripts.push(new URL(worker.url()).pathname));
  page.on("response", (response) => {
    if (response.url().endsWith("/reservations") && response.request().method() === "POST") {
      attempts.push(response.status());
    }
  });
  const cleared = page.waitForResponse((response) => response.url().endsWith("/v1/challenges"));
  await page.goto(`${bed.deployment.buyerUrl}/sales/${saleId}`);
  await page.getByRole("progressbar", { name: "A short check" }).waitFor();
  expect((await cleared).status()).toBe(201);
  await page.getByRole("progressbar").waitFor({ state: "detached" });
  expect(scripts.length).toBe(1);
  expect(scripts[0]).toMatch(/^\/assets\/pow-worker\.[0-9A-Za-z]{10}\.js$/);
  // What was earned outlives a reload: no second challenge is asked for.
  await bed.deployment.operator.command(saleId, "open");
  await waitForState(bed.deployment.buyerUrl, saleId, "open");
  await page.reload();
  await buy(page);
  expect(attempts).toEqual([201]);
  expect(scripts.length).toBe(1);
  watched.expectNoComplaints();
});

test("solves a challenge that is asked for at the press, and says that it does", async () => {
  const { saleId } = await bed.deployment.sale({ name: "Asked at the press" });
  const watched = await bed.visit(`/sales/${saleId}`, PHONE);
  const { page } = watched;
  await page.getByRole("button", { name: /^Buy/ }).waitFor();
  await bed.deployment.operator.must("PATCH", `/sales/${saleId}`, { challenge: "always" });
  await buy(page);
  expect((await bed.deployment.operator.audit(saleId)).items[0]).toMatchObject({ held: 1 });
});

test("says honestly that all are taken, and sells what comes back", async () => {
  const sale = await bed.deployment.sale({ name: "Last seat", items: [seat({ stock: 1 })] });
  const other = await Buyer.guest(bed.deployment.buyerUrl);
  const { rid } = (await other.reserve(sale)).json;
  await waitForState(bed.deployment.buyerUrl, sale.saleId, "empty");
  const watched = await bed.visit(`/sales/${sale.saleId}`, { width: 320 });
  const { page } = watched;
  await page
    .getByText(/All taken for now/)
    .first()
    .waitFor();
  await expectNoSidewaysScroll(page);
  await other.cancel(rid);
  await buy(page);
  watched.expectNoComplaints();
});

test("gives a hold back when asked, after asking whether that is meant", async () => {
  const sale = await bed.deployment.sale({ name: "Second thoughts" });
  const watched = await bed.visit(`/sales/${sale.saleId}`, PHONE);
  const { page } = watched;
  await page.getByRole("button", { name: /^Buy/ }).click();
  await page.getByRole("button", { name: "Give back" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Keep it" }).click();
  await page.getByRole("button", { name: "Give back" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Give it back" }).click();
  await page.getByRole("button", { name: /^Buy/ }).waitFor();
  watched.expectNoComplaints();
  expect((await bed.deployment.operator.audit(sale.saleId)).items[0]).toMatchObject({ held: 0, free: 10 });
});

test("keeps a person's reservation over a reload of the page", async () => {
  const { saleId } = await bed.deployment.sale({ name: "Reload" });
  const watched = await bed.visit(`/sales/${saleId}`, PHONE);
  const { page } = watched;
  await buy(page);
  await page.reload();
  await page.getByRole("button", { name: /^Pay/ }).waitFor();
  watched.expectNoComplaints();
});

test("tells a guest that only this tab shows what is his, and gives him number and receipt to keep", async () => {
  const { saleId } = await bed.deployment.sale({ name: "Guest list", items: [seat({ name: "Gold seat" })] });
  const { page } = await bed.visit(`/sales/${saleId}`, PHONE);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await buy(page);
  await page.getByText("Keep this tab open.").waitFor();
  await page.reload();
  await page.getByRole("button", { name: "Copy number and receipt" }).press("Enter");
  await page.getByText(/^Copied/).waitFor();
  const copied = (await page.evaluate("navigator.clipboard.readText()")) as string;
  const [rid = ""] = /(?<=No\. )\S+/.exec(copied) ?? [];
  expect(copied).toContain("Guest list\n1 × Gold seat, €49.00\n");
  expect(copied).toContain(`Receipt r1.${rid}.${saleId}.seat.1.`);
  await expectNoSidewaysScroll(page);

  // What is copied opens nothing: another tab of the same browser knows of no reservation.
  const other = await page.context().newPage();
  await other.goto(`${bed.deployment.buyerUrl}/sales/${saleId}?rid=${rid}`);
  await other.getByRole("button", { name: /^Buy/ }).waitFor();
  expect(await other.getByText(rid).count()).toBe(0);
});

test("asks before a tab with something unpaid is closed, and not on the way to the payment or within the shop", async () => {
  const { saleId } = await bed.deployment.sale({ name: "Not yet paid" });
  const { page } = await bed.visit(`/sales/${saleId}`);
  const asked: string[] = [];
  page.on("dialog", (dialog) => {
    asked.push(dialog.type());
    void dialog.accept();
  });
  await buy(page);
  await page.getByRole("link", { name: "All sales" }).click();
  await page.getByRole("heading", { name: "What is on" }).waitFor();
  await page.goBack();
  await page.getByRole("button", { name: /^Pay/ }).click();
  await page.waitForURL(/\/sandbox-payments\/checkout\//);
  expect(asked).toEqual([]);
  await page.goBack();
  await page.getByRole("button", { name: "Give back" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Keep it" }).click();
  await page.close({ runBeforeUnload: true });
  await waitUntil("the question", () => asked.length > 0);
  expect(asked).toEqual(["beforeunload"]);
});

test("says that there is no such sale", async () => {
  const watched = await bed.visit("/sales/no-such-sale", PHONE);
  await watched.page.getByRole("heading", { name: /no such sale/i }).waitFor();
});

test("serves pages under a strict policy, with scripts whose names are their content", async () => {
  const { saleId } = await bed.deployment.sale();
  const response = await fetch(`${bed.deployment.buyerUrl}/sales/${saleId}`);
  const html = await response.text();
  const policy = response.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/unsafe-inline|unsafe-eval|\*/);
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  const assets = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path as string);
  expect(assets.length).toBeGreaterThan(0);
  for (const path of assets) {
    expect(path).toMatch(/\.[0-9A-Za-z_-]{8,}\.(js|css|svg)$/);
    const asset = await fetch(`${bed.deployment.buyerUrl}${path}`);
    expect([path, asset.status]).toEqual([path, 200]);
    expect(asset.headers.get("cache-control")).toContain("immutable");
  }
});
