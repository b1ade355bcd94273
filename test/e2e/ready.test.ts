/**
 * A person gets ready before the opening, with the keyboard alone, reloads, and buys with one small request.
 */
import { expect, test } from "bun:test";
import type { Request } from "playwright-core";
import { seat, waitForState } from "../support/operator-client.ts";
import { useTestBed } from "./browser.ts";

const OPENS_IN_MS = 120_000;

const bed = useTestBed({ env: { CHALLENGE_BITS: "6" } });

test("what was checked before the opening is bought at it without a signature, a reload in between", async () => {
  const opensAt = Date.now() + OPENS_IN_MS;
  const spec = { name: "Spring drop", challenge: "adaptive", opensAt, items: [seat({ name: "Gold seat" })] };
  const { saleId } = await bed.deployment.sale(spec);
  const { page } = await bed.visit(`/sales/${saleId}`, { width: 375 });
  await page.getByLabel(/How many/).selectOption("2");
  await page.getByRole("button", { name: "Get ready" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText(/^Ready ✓/).waitFor();
  const focused = () => page.evaluate("document.activeElement?.id");
  expect(await focused()).toBe("i-seat-buy");

  await page.reload();
  await page.getByLabel(/How many/).selectOption("2");
  await page.getByText(/^Ready ✓/).waitFor();
  const attempts: Request[] = [];
  page.on("request", (request) => {
    if (request.method() === "POST" && request.url().endsWith("/reservations")) attempts.push(request);
  });
  await page.getByRole("button", { name: /^Opens in/ }).focus();
  await bed.deployment.operator.command(saleId, "open");
  await waitForState(bed.deployment.buyerUrl, saleId, "open");
  // As somebody does who comes back to the tab: the page looks at once.
  await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
  await page.getByRole("button", { name: /^Buy/ }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: /^Pay/ }).waitFor();
  expect(attempts).toHaveLength(1);
  const headers = (await attempts[0]?.allHeaders()) ?? {};
  expect(headers["x-pass"]).toStartWith(`p1.${saleId}.seat.2.`);
  expect([headers["authorization"], headers["x-signature"], headers["x-clearance"]]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(attempts[0]?.postData()).toBe('{"quantity":2}');
});

test("who may not buy is told while there is time, and a tier's buyers count down to their own instant", async () => {
  const opensAt = Date.now() + 3_600_000;
  const eligibility = { levelMin: 1 };
  const { saleId } = await bed.deployment.sale({
    name: "Members only",
    opensAt,
    closesAt: opensAt + 3_600_000,
    eligibility,
  });
  const { page } = await bed.visit(`/sales/${saleId}`);
  await page.getByRole("button", { name: "Get ready" }).click();
  await page.getByText("This sale is not open to your account.").first().waitFor();

  const tiers = [{ name: "everybody", opensAt: opensAt - 1_800_000, levelMin: 0 }];
  const tiered = await bed.deployment.sale({ opensAt, closesAt: opensAt + 3_600_000, eligibility: { tiers } });
  await page.goto(`${bed.deployment.buyerUrl}/sales/${tiered.saleId}`);
  await page.getByText(/^Opens earlier for everybody \(.*\d\d:\d\d\)/).waitFor();
  const timer = page.getByRole("timer").first();
  expect(await timer.textContent()).toMatch(/^(59|1:00|01:00)/);
  await page.getByRole("button", { name: "Get ready" }).click();
  await page.getByText("Earlier for you than for others.").waitFor();
  expect(await timer.textContent()).toMatch(/^(29|30):/);
});
