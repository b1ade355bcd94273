/**
 * Whoever asks for more than there are hears how many there are, and buys those.
 */
import { expect, test } from "bun:test";
import { Buyer } from "../support/buyer-client.ts";
import { seat } from "../support/operator-client.ts";
import { buy, useTestBed } from "./browser.ts";

const bed = useTestBed({ env: {} });

test("says how many are left to whoever asks for more, and sells those", async () => {
  const item = seat({ stock: 3, perBuyerMax: 3 });
  const sale = await bed.deployment.sale({ name: "Two left", perBuyerMax: 3, items: [item] });
  const other = await Buyer.guest(bed.deployment.buyerUrl);
  const { page } = await bed.visit(`/sales/${sale.saleId}`);
  const choice = page.getByRole("combobox");
  await choice.selectOption("3");
  expect((await other.reserve(sale)).status).toBe(201);
  await page.getByRole("button", { name: /^Buy/ }).click();
  await page.getByText("Only 2 are left. Choose fewer.").waitFor();
  await choice.selectOption("2");
  await buy(page);
});
