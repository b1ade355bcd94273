/**
 * A person buys: with the mouse on a small screen, and with nothing but the keyboard.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { Buyer } from "../support/buyer-client.ts";
import { Deployment } from "../support/deployment.ts";
import { seat } from "../support/operator-client.ts";
import { openPage, startBrowser, type WatchedPage } from "./browser.ts";

setDefaultTimeout(60_000);

const TABS_MAX = 30;

let deployment: Deployment;
let browser: Browser;

beforeAll(async () => {
  [deployment, browser] = await Promise.all([
    Deployment.start({ database: "pglite", runtime: "bun" }, {}),
    startBrowser(),
  ]);
}, 60_000);

afterAll(async () => {
  await browser?.close();
  await deployment?.stop();
});

async function visit(path: string, width = 375): Promise<WatchedPage> {
  const watched = await openPage(browser, [deployment.buyerUrl], { viewport: { width, height: 800 } });
  await watched.page.goto(`${deployment.buyerUrl}${path}`);
  return watched;
}

async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const [content, screen] = (await page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")) as [
    number,
    number,
  ];
  expect(content).toBeLessThanOrEqual(screen);
}

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
  const { saleId } = await deployment.sale({ name: "Spring drop", opensAt, items: [seat({ name: "Gold seat" })] });
  const watched = await visit("/");
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
  await watched.close();
  const audit = await deployment.operator.audit(saleId);
  expect(audit).toMatchObject({ balanced: true, items: [{ held: 0, sold: 1 }] });
});

test("lets a person buy and pay with the keyboard alone", async () => {
  const { saleId } = await deployment.sale({ name: "Keyboard sale" });
  const watched = await visit(`/sales/${saleId}`, 1_280);
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
  await watched.close();
});

test("solves the challenge in a worker before the opening, shows it, and buys with one request that nobody refuses", async () => {
  const opensAt = Date.now() + 9_000;
  const { saleId } = await deployment.sale({ name: "Guarded", opensAt, challenge: "always" });
  // A person's browser does not say that it is a machine's.
  const userAgent = `Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${browser.version()} Safari/537.36`;
  const watched = await openPage(browser, [deployment.buyerUrl], { userAgent });
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
  await page.goto(`${deployment.buyerUrl}/sales/${saleId}`);
  await page.getByRole("progressbar", { name: "A short check" }).waitFor();
  expect((await cleared).status()).toBe(201);
  await page.getByRole("progressbar").waitFor({ state: "detached" });
  expect(scripts.length).toBe(1);
  expect(scripts[0]).toMatch(/^\/assets\/pow-worker\.[0-9A-Za-z]{10}\.js$/);
  // What was earned outlives a reload: no second challenge is asked for.
  await page.reload();
  await page.getByRole("button", { name: /^Buy/ }).click();
  await page.getByRole("button", { name: /^Pay/ }).waitFor();
  expect(attempts).toEqual([201]);
  expect(scripts.length).toBe(1);
  watched.expectNoComplaints();
  await watched.close();
});

test("solves a challenge that is asked for at the press, and says that it does", async () => {
  const { saleId } = await deployment.sale({ name: "Asked at the press" });
  const watched = await visit(`/sales/${saleId}`);
  const { page } = watched;
  await page.getByRole("button", { name: /^Buy/ }).waitFor();
  const polled = page.waitForResponse((response) => response.url().endsWith(`/v1/sales/${saleId}`));
  await polled;
  await deployment.operator.must("PATCH", `/sales/${saleId}`, { challenge: "always" });
  await page.getByRole("button", { name: /^Buy/ }).click();
  await page.getByRole("button", { name: /^Pay/ }).waitFor();
  await watched.close();
  expect((await deployment.operator.audit(saleId)).items[0]).toMatchObject({ held: 1 });
});

test("says honestly that all are taken, and sells what comes back", async () => {
  const sale = await deployment.sale({ name: "Last seat", items: [seat({ stock: 1 })] });
  const other = await Buyer.guest(deployment.buyerUrl);
  const { rid } = (await other.reserve(sale)).json;
  const watched = await visit(`/sales/${sale.saleId}`, 320);
  const { page } = watched;
  await page
    .getByText(/All taken for now/)
    .first()
    .waitFor();
  await expectNoSidewaysScroll(page);
  await other.cancel(rid);
  await page.getByRole("button", { name: /^Buy/ }).click();
  await page.getByRole("button", { name: /^Pay/ }).waitFor();
  watched.expectNoComplaints();
  await watched.close();
});

test("gives a hold back when asked, after asking whether that is meant", async () => {
  const sale = await deployment.sale({ name: "Second thoughts" });
  const watched = await visit(`/sales/${sale.saleId}`);
  const { page } = watched;
  await page.getByRole("button", { name: /^Buy/ }).click();
  await page.getByRole("button", { name: "Give back" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Keep it" }).click();
  await page.getByRole("button", { name: "Give back" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Give it back" }).click();
  await page.getByRole("button", { name: /^Buy/ }).waitFor();
  watched.expectNoComplaints();
  await watched.close();
  expect((await deployment.operator.audit(sale.saleId)).items[0]).toMatchObject({ held: 0, free: 10 });
});

test("keeps a person's reservation over a reload of the page", async () => {
  const { saleId } = await deployment.sale({ name: "Reload" });
  const watched = await visit(`/sales/${saleId}`);
  const { page } = watched;
  await page.getByRole("button", { name: /^Buy/ }).click();
  await page.getByRole("button", { name: /^Pay/ }).waitFor();
  await page.reload();
  await page.getByRole("button", { name: /^Pay/ }).waitFor();
  watched.expectNoComplaints();
  await watched.close();
});

test("says that there is no such sale", async () => {
  const watched = await visit("/sales/no-such-sale");
  await watched.page.getByRole("heading", { name: /no such sale/i }).waitFor();
  await watched.close();
});

test("serves pages under a strict policy, with scripts whose names are their content", async () => {
  const { saleId } = await deployment.sale();
  const response = await fetch(`${deployment.buyerUrl}/sales/${saleId}`);
  const html = await response.text();
  const policy = response.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/unsafe-inline|unsafe-eval|\*/);
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  const assets = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path as string);
  expect(assets.length).toBeGreaterThan(0);
  for (const path of assets) {
    expect(path).toMatch(/\.[0-9A-Za-z_-]{8,}\.(js|css|svg)$/);
    const asset = await fetch(`${deployment.buyerUrl}${path}`);
    expect([path, asset.status]).toEqual([path, 200]);
    expect(asset.headers.get("cache-control")).toContain("immutable");
  }
});
