/**
 * An operator sees why a buyer is suspect, exempts him, and ends it again; nothing of it needs a terminal.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser } from "playwright-core";
import { Buyer } from "../support/buyer-client.ts";
import { Deployment } from "../support/deployment.ts";
import { waitUntil } from "../support/waiting.ts";
import { openPage, startBrowser } from "./browser.ts";

setDefaultTimeout(90_000);

let deployment: Deployment;
let browser: Browser;

beforeAll(async () => {
  [deployment, browser] = await Promise.all([Deployment.start({ database: "pglite", runtime: "bun" }), startBrowser()]);
}, 60_000);

afterAll(async () => {
  await browser?.close();
  await deployment?.stop();
});

test("a suspect is shown with his causes, exempted from there, and suspected again when that ends", async () => {
  const sale = await deployment.sale();
  const suspect = new Buyer(deployment.buyerUrl, deployment.mint.mint({ suspicion: 75 }));
  const slowed = await suspect.reserve(sale);
  expect(slowed.json).toMatchObject({ status: 429, reason: "throttled" });

  const { adminUrl, adminToken } = deployment.node;
  const { page } = await openPage(browser, [adminUrl], { viewport: { width: 1_280, height: 900 } });
  await page.goto(adminUrl);
  await page.getByLabel("Token").fill(adminToken);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("link", { name: "Risk" }).click();
  await page.getByRole("heading", { name: "Risk", level: 1 }).waitFor();
  const card = page.getByRole("listitem").filter({ hasText: suspect.buyerId });
  await card.getByText("75", { exact: true }).waitFor();
  await card.getByText(/^session · /).waitFor();
  await card.getByRole("button", { name: "Exempt" }).click();
  await page.getByText(`${suspect.buyerId} is exempt for a day.`).waitFor();
  await waitUntil("the exemption", async () => (await suspect.reserve(sale)).status === 201);

  await page.getByRole("link", { name: "Bans" }).click();
  const exemption = page.getByRole("listitem").filter({ hasText: suspect.buyerId });
  await exemption.getByText("exempt", { exact: true }).waitFor();
  await exemption.getByRole("button", { name: "End" }).click();
  await exemption.waitFor({ state: "detached" });
  await waitUntil("suspicion", async () => (await suspect.reserve(sale)).json.reason === "throttled");
});
