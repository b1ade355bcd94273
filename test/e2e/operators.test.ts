/**
 * Two people are invited on the server, join in the browser, and change the stock of a running sale together; one cannot.
 */
import { expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { codeAt, stepAt } from "../../src/http/operator/totp.ts";
import { runToEnd } from "../support/node-process.ts";
import { expectNoSidewaysScroll, useTestBed, type WatchedPage } from "./browser.ts";

const PASSWORD = "stapled horse battery";

const bed = useTestBed();

async function doorbuster(...args: string[]): Promise<string> {
  const { adminPort, adminToken } = bed.deployment.node;
  const env = { ADMIN_PORT: String(adminPort), ADMIN_TOKEN: adminToken };
  const ended = await runToEnd({ runtime: "bun", args: ["operator", ...args], env });
  expect(ended.code, ended.output).toBe(0);
  return ended.output;
}

function fromBase32(text: string): Uint8Array {
  const bits = [...text].map((letter) =>
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"),
  );
  return Uint8Array.from(bits.join("").match(/.{8}/g) ?? [], (byte) => Number.parseInt(byte, 2));
}

interface Joined {
  readonly watched: WatchedPage;
  readonly secret: Uint8Array;
}

/** Follows an invitation to the console. */
async function join(name: string, role: string): Promise<Joined> {
  const address = /http\S+#\/join\/\S+/.exec(await doorbuster("add", name, "--role", role))?.[0] ?? "";
  const watched = await bed.open({ origins: [bed.deployment.node.adminUrl] });
  const { page } = watched;
  await page.goto(address);
  await page.getByText(`You are invited as ${name}`).waitFor();
  const secret = fromBase32(((await page.locator(".secret").textContent()) ?? "").replace(/\s/g, ""));
  await page.getByLabel(/code the app shows/).fill(codeAt(secret, stepAt(Date.now())));
  await page.getByLabel(/password of your own/i).fill(PASSWORD);
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByRole("heading", { name: "Sales", level: 1 }).waitFor();
  expect(page.url()).not.toContain("join");
  return { watched, secret };
}

async function stockOf(saleId: string): Promise<number> {
  return (await bed.deployment.operator.must("GET", `/sales/${saleId}`)).items[0].total;
}

async function askFor(page: Page, saleId: string): Promise<void> {
  await page.goto(`${bed.deployment.node.adminUrl}/#/sales/${saleId}`);
  await page.getByRole("button", { name: /^Adjust/ }).click();
  await page.getByLabel("Add or take units").fill("5");
  await page.getByLabel("Reason").fill("found a box");
  await page.locator("form.adjust").getByRole("button", { name: "Adjust" }).click();
  await page.getByText(/Somebody else has to approve/).waitFor();
}

/** Finds the change among everything that was done, opens what the chain has of it, and closes it, all by keyboard. */
async function readsTheLog(page: Page, saleId: string): Promise<void> {
  await page.getByLabel("Filter").focus();
  await page.keyboard.type("found a box");
  await page.keyboard.press("Tab");
  await page.keyboard.type("taken by two");
  await page
    .getByRole("status")
    .getByText(/^1 of \d+ rows/)
    .waitFor();
  const row = page.getByRole("row").filter({ hasText: "found a box" });
  const cells = await row.getByRole("cell").allInnerTexts();
  expect(cells.slice(1, -1)).toEqual([
    "Ann Lee (operator)",
    "Add 5 units",
    `to seat of sale ${saleId}`,
    "found a box",
    "Bob Ray",
    "done",
  ]);
  const details = row.getByRole("button", { name: /^Details of entry/ });
  await details.press("Enter");
  expect(await details.getAttribute("aria-expanded")).toBe("true");
  await page.getByText(/"event": "answered"/).waitFor();
  await details.press("Space");
  await page.getByText(/"event": "answered"/).waitFor({ state: "detached" });
  await page.setViewportSize({ width: 375, height: 800 });
  await expectNoSidewaysScroll(page);
  expect(await row.getByText("found a box").isVisible()).toBe(true);
}

test("two people change the stock of a running sale, one of them does not, and the log has both", async () => {
  const { saleId } = await bed.deployment.sale();
  const [ann, bob] = [await join("Ann Lee", "operator"), await join("Bob Ray", "owner")];
  await askFor(ann.watched.page, saleId);
  expect(await stockOf(saleId)).toBe(10);

  await ann.watched.page.getByRole("link", { name: "Approvals" }).click();
  await ann.watched.page.getByText("Add 5 units to seat").waitFor();
  expect(await ann.watched.page.getByRole("button", { name: "Approve" }).count()).toBe(0);
  expect(await ann.watched.page.getByRole("link", { name: "People" }).count()).toBe(0);

  const { page } = bob.watched;
  await page.getByRole("link", { name: "Approvals" }).click();
  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByText(/approved by Bob Ray and done/).waitFor();
  expect(await stockOf(saleId)).toBe(15);
  await page.getByRole("link", { name: "Log" }).click();
  await readsTheLog(page, saleId);
  expect(await doorbuster("log", "verify")).toContain("each continuing the one before");

  for (const { watched } of [ann, bob]) watched.expectNoComplaints();
});

test("before a sale opens one person is enough, for a price too", async () => {
  const later = Date.now() + 3_600_000;
  const { saleId } = await bed.deployment.sale({ opensAt: later, closesAt: later + 3_600_000 });
  const { watched } = await join("Dora Kay", "operator");
  const { page } = watched;
  await page.goto(`${bed.deployment.node.adminUrl}/#/sales/${saleId}`);
  await page.getByRole("button", { name: /^New price/ }).click();
  await page.getByLabel(/^New price \(EUR\)/).fill("51.50");
  await page.getByLabel("Reason").fill("typing mistake");
  await page.getByRole("button", { name: "Change the price" }).click();
  await page.getByText("€51.50").first().waitFor();
  expect((await bed.deployment.operator.must("GET", `/sales/${saleId}`)).items[0].price.amount).toBe(5_150);
  watched.expectNoComplaints();
});

test("T10: the session is a cookie that no script of the page can read, and survives a reload but not signing out", async () => {
  const { watched, secret } = await join("Cid Moss", "viewer");
  const { page } = watched;
  const cookies = await page.context().cookies();
  expect(cookies).toMatchObject([
    { name: "__Host-doorbuster-operator", httpOnly: true, secure: true, sameSite: "Strict" },
  ]);
  expect(await page.evaluate("document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })")).toBe("{}");
  await page.reload();
  await page.getByRole("heading", { name: "Sales", level: 1 }).waitFor();
  expect(await page.getByRole("link", { name: "New sale" }).count()).toBe(0);
  await page.getByRole("button", { name: /Sign out/ }).click();
  await page.getByLabel("Name").waitFor();
  await page.reload();
  await page.getByLabel("Name").fill("cid moss");
  await page.getByLabel("Password").fill(PASSWORD);
  // The code that joining used is good for nothing more; that of the next step may come early.
  await page.getByLabel("Code from your app").fill(codeAt(secret, stepAt(Date.now()) + 1));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Sales", level: 1 }).waitFor();
  watched.expectNoComplaints();
});

test("whoever signs out while a page still loads is signed out, and hears nothing of a session that is over", async () => {
  const { watched } = await join("Eve Tan", "viewer");
  const { page } = watched;
  const signedOut = Promise.withResolvers<void>();
  await page.route("**/v1/admin/sales", async (route) => {
    await signedOut.promise;
    await route.continue().catch(() => undefined);
  });
  await page.reload();
  await page.getByText("Loading").waitFor();
  const givenUp = page.waitForEvent("requestfailed", (request) => request.url().endsWith("/sales"));
  await page.getByRole("button", { name: /Sign out/ }).click();
  await page.getByText("You are signed out.").waitFor();
  signedOut.resolve();
  await givenUp;
  await page.getByText("You are signed out.").waitFor();
  watched.expectNoComplaints();
});

test("is told when the server could not end the session", async () => {
  const { watched } = await join("Fay Orr", "viewer");
  const { page } = watched;
  await page.route("**/v1/admin/sign-out", (route) => route.abort());
  await page.getByRole("button", { name: /Sign out/ }).click();
  await page.getByText(/could not be ended on the server/).waitFor();
});
