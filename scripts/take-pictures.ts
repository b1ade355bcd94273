/**
 * Takes the pictures of the documentation, docs/images: `npm run pictures`, after `npm run build`.
 *
 * They show the real pages of a real node: a crowd comes, some of it pays, and a buyer in the browser holds what he has not
 * paid yet. Run as a test, because it stands on the browser tests' bed; no ring of the suite has it.
 */
import { test } from "bun:test";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { useTestBed } from "../test/e2e/browser.ts";
import type { Buyer } from "../test/support/buyer-client.ts";
import { seat } from "../test/support/operator-client.ts";
import { payInSandbox } from "../test/support/sandbox-checkout.ts";

const FOLDER = join(import.meta.dirname, "../docs/images");
const SALE_MS = 3 * 3_600_000;
const CROWD = 150;
const PAYING_PART = 2;
const SHOWN_MS_MAX = 120_000;
const SCREENS = [
  { width: 375, buyerHeight: 812, operatorHeight: 1_010 },
  { width: 1_280, buyerHeight: 800, operatorHeight: 1_010 },
] as const;

const bed = useTestBed();

const euros = (amount: number) => ({ amount: amount * 100, currency: "EUR" });
const ITEMS = [
  seat({ sku: "standing", name: "Standing, in front of the stage", price: euros(49), stock: 120, perBuyerMax: 2 }),
  seat({ sku: "balcony", name: "Balcony, row A to F", price: euros(79), stock: 60, perBuyerMax: 2 }),
  seat({ sku: "box", name: "Box seat", price: euros(210), stock: 4, perBuyerMax: 1 }),
];

/** Buys as a crowd does, and lets every second one of those who have something pay. */
async function rush(saleId: string): Promise<void> {
  const held: { buyer: Buyer; rid: string }[] = [];
  for (let index = 0; index < CROWD; index += 1) {
    const buyer = bed.deployment.mintedGuest();
    const sku = index % 5 === 0 ? "box" : index % 3 === 0 ? "balcony" : "standing";
    const answer = await buyer.reserve({ saleId, sku });
    if (answer.status < 300) held.push({ buyer, rid: answer.json.rid });
  }
  const paying = held.filter((_, index) => index % PAYING_PART === 0);
  for (const { buyer, rid } of paying) await payInSandbox(buyer, rid);
}

async function take(page: Page, name: string): Promise<void> {
  await page.evaluate("document.fonts.ready");
  await page.screenshot({ path: join(FOLDER, `${name}.png`) });
}

test(
  "pictures of the buyer's page and of the console",
  async () => {
    const closesAt = Date.now() + SALE_MS;
    const description = "One night in the old turbine hall. Doors at 19:00, the music at 20:00.";
    const { saleId } = await bed.deployment.sale({
      id: "midnight",
      name: "Midnight Orchestra, spring concert",
      description,
      closesAt,
      items: ITEMS,
    });
    const consoles = await Promise.all(
      SCREENS.map(({ width, operatorHeight }) =>
        bed.signIn(`#/sales/${saleId}`, { viewport: { width, height: operatorHeight } }),
      ),
    );
    await rush(saleId);
    for (const [index, { width, buyerHeight }] of SCREENS.entries()) {
      const { page } = await bed.visit(`/sales/${saleId}`, { viewport: { width, height: buyerHeight } });
      await page.getByRole("combobox").first().selectOption("2");
      await page.getByRole("button", { name: /^Buy/ }).first().click();
      await page.getByRole("button", { name: /^Pay/ }).waitFor();
      await page.getByText(/± \d+ ms/).waitFor();
      await take(page, `buyer-${width}`);
      const operator = consoles[index]?.page;
      if (operator === undefined) throw new Error("there is a console for every screen");
      await operator.getByText(/answered again/).waitFor();
      await take(operator, `operator-${width}`);
    }
  },
  SHOWN_MS_MAX,
);
