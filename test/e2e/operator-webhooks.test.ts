/**
 * An owner names an address of the shop in the console, is shown its secret once, and takes it away again.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { WebhookReceiver } from "../support/webhook-receiver.ts";
import { useTestBed } from "./browser.ts";

let shop: WebhookReceiver;

beforeAll(async () => {
  shop = await WebhookReceiver.start();
});
afterAll(() => shop?.stop());
const bed = useTestBed({ env: { WEBHOOK_NETWORKS: "127.0.0.0/8" } });

test("names an address, sees its secret once, hears why another one cannot be used, and removes it", async () => {
  const watched = await bed.signIn("#/webhooks");
  const { page } = watched;
  await page.getByRole("heading", { name: "Webhooks" }).waitFor();
  await page.getByText("Nobody is told about reservations.").waitFor();
  await page.getByLabel("Address").fill(shop.url);
  await page.getByRole("button", { name: "Tell this address" }).click();
  const secret = /whsec_[A-Za-z0-9+/=]{44}/;
  await page.getByText(secret).waitFor();
  await page.getByText(/nothing was told yet/).waitFor();
  await page.reload();
  await page.getByRole("listitem").getByText(shop.url).first().waitFor();
  expect(await page.content()).not.toMatch(secret);
  watched.expectNoComplaints();
  await page.getByLabel("Address").fill("https://169.254.169.254/latest");
  await page.getByRole("button", { name: "Tell this address" }).click();
  await page.getByText(/leads to a network that is not public/).waitFor();
  await page.getByRole("button", { name: `Remove ${shop.url}` }).click();
  await page.getByText("Nobody is told about reservations.").waitFor();
});
