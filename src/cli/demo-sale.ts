/**
 * The ready-made sale of `npm start`: three things, little enough stock to see it end, opening half a minute from now.
 *
 * It is created through the operator API like any other, by the node's own clock, so that what a newcomer sees is the
 * product and not a special case of it.
 */
import type { OperatorClient } from "./operator-client.ts";

const OPENS_IN_MS = 30_000;
const OPEN_FOR_MS = 6 * 60 * 60_000;
const HOLD_MS = 3 * 60_000;

/** Creates the sale and answers its id. `serverNowMs` is the node's time. */
export async function createDemoSale(operator: OperatorClient, serverNowMs: number): Promise<string> {
  const opensAt = serverNowMs + OPENS_IN_MS;
  const sale = await operator.request<{ id: string }>("POST", "/v1/admin/sales", {
    id: `demo-${serverNowMs.toString(36)}`,
    name: "Midnight at the Velodrome",
    opensAt,
    closesAt: opensAt + OPEN_FOR_MS,
    holdMs: HOLD_MS,
    perBuyerMax: 4,
    items: [
      { sku: "standing", name: "Standing", price: { amount: 4_900, currency: "EUR" }, stock: 300 },
      { sku: "seated", name: "Seated, lower tier", price: { amount: 7_900, currency: "EUR" }, stock: 120 },
      { sku: "front-row", name: "Front row", price: { amount: 19_900, currency: "EUR" }, stock: 12, perBuyerMax: 2 },
    ],
  });
  return sale.id;
}
