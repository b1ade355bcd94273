/**
 * An operator sees why a buyer is suspect, exempts him, and ends it again; nothing of it needs a terminal.
 */
import { expect, test } from "bun:test";
import { Buyer } from "../support/buyer-client.ts";
import { waitUntil } from "../support/waiting.ts";
import { useTestBed } from "./browser.ts";

const bed = useTestBed();

test("a suspect is shown with his causes, exempted from there, and suspected again when that ends", async () => {
  const sale = await bed.deployment.sale();
  const suspect = new Buyer(bed.deployment.buyerUrl, bed.deployment.mint.mint({ suspicion: 75 }));
  const slowed = await suspect.reserve(sale);
  expect(slowed.json).toMatchObject({ status: 429, reason: "throttled" });

  const { page } = await bed.signIn("#/risk");
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
