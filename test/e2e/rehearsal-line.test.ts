/**
 * An operator sees whether the sale was rehearsed: its own rehearsal however many came after it, and a failed look as a failure.
 */
import { expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { useTestBed } from "./browser.ts";

const bed = useTestBed();
const certified = (saleId: string, acceptsPerS: number) => ({
  saleId,
  signed: { certificate: { acceptsPerS, issuedAt: 0, settings: "now", crowd: null } },
});

async function watchSale(saleId: string): Promise<Page> {
  const { page } = await bed.signIn("#/");
  await page.route("**/v1/admin/rehearsals*", (route) => {
    const isOwn = new URL(route.request().url()).searchParams.get("saleId") === saleId;
    const rehearsals = [isOwn ? certified(saleId, 800) : certified("another", 900)];
    return route.fulfill({ json: { settings: "now", rehearsals } });
  });
  await page.goto(`${page.url().split("#")[0]}#/sales/${saleId}`);
  return page;
}

test("shows the sale's own rehearsal, and a look that fails as what it is", async () => {
  const { saleId } = await bed.deployment.sale({ name: "Rehearsed drop" });
  const page = await watchSale(saleId);
  await page.getByText("rehearsed: 800/s").waitFor();

  await page.route("**/v1/admin/rehearsals*", (route) =>
    route.fulfill({ status: 503, json: { reason: "internal", title: "The database does not answer." } }),
  );
  await page.reload();
  const problem = page.getByRole("alert").filter({ hasText: "Whether it was rehearsed is not known." });
  await problem.waitFor();
  expect(await problem.textContent()).toContain("The database does not answer.");
  expect(await page.getByText("rehearsed: 800/s").count()).toBe(0);
});
