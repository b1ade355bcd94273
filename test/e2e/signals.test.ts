/**
 * What the page tells of its device arrives in the session's token as a hash and a figure, and nowhere else.
 */
import { expect, test } from "bun:test";
import { waitUntil } from "../support/waiting.ts";
import { useTestBed } from "./browser.ts";

const bed = useTestBed({ env: {} });

/** The parts of the token of a session that a fresh visitor's page began. */
async function tokenOfVisit(saleId: string): Promise<readonly string[]> {
  const { page, close } = await bed.visit(`/sales/${saleId}`);
  const read = async (): Promise<string | null> =>
    (await page.evaluate("sessionStorage.getItem('doorbuster.session')")) as string | null;
  const stored = await waitUntil("a session", read);
  await close();
  return (JSON.parse(stored ?? "{}") as { token: string }).token.split(".");
}

test("two visits of one browser are one device, and a browser that a program drives is suspected", async () => {
  const { saleId } = await bed.deployment.sale();
  const [first, second] = [await tokenOfVisit(saleId), await tokenOfVisit(saleId)];
  const [device, suspicion] = [first[6], Number(first[7])];
  expect(first[0]).toBe("s2");
  expect(device).toMatch(/^[A-Za-z0-9_-]{12}$/);
  expect(second[6]).toBe(device);
  expect(second[2]).not.toBe(first[2]);
  // Playwright's browser says of itself that it is driven; everything else about it is in order.
  expect(suspicion).toBe(45);
});
