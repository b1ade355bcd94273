/**
 * The ready-made sale of `npm start`: three things, little enough stock to see it end, opening half a minute from now.
 * One that an earlier start has left is used again while there is something to buy.
 *
 * It is created through the operator API like any other, by the node's own clock, so that what a newcomer sees is the
 * product and not a special case of it.
 */
import type { Sale, SaleState } from "../domain/sale.ts";
import type { OperatorClient } from "./operator-client.ts";

interface ShownSale extends Pick<Sale, "id" | "opensAt" | "closesAt"> {
  readonly state: SaleState;
}

const OPENS_IN_MS = 30_000;
const OPEN_FOR_MS = 6 * 60 * 60_000;
const HOLD_MS = 3 * 60_000;

/** A sale of an earlier start that ends sooner than this is not worth showing. */
const REST_MS_MIN = 15 * 60_000;
const ID_PREFIX = "demo-";
const STATES_TO_BUY: readonly SaleState[] = ["scheduled", "open", "paused", "empty"];

/** The sale to show, and how it stands in words. */
export interface DemoSale {
  readonly id: string;
  readonly standing: string;
}

/** The newest demo sale that can still be bought from, or a new one. `serverNowMs` is the node's time. */
export async function findOrCreateDemoSale(operator: OperatorClient, serverNowMs: number): Promise<DemoSale> {
  const { sales } = await operator.request<{ sales: readonly ShownSale[] }>("GET", "/v1/admin/sales");
  const [known] = sales
    .filter(({ id, state, closesAt }) => {
      return id.startsWith(ID_PREFIX) && STATES_TO_BUY.includes(state) && closesAt > serverNowMs + REST_MS_MIN;
    })
    .sort((left, right) => right.opensAt - left.opensAt);
  if (known !== undefined) return { id: known.id, standing: `${known.state}, from an earlier start` };
  return { id: await createDemoSale(operator, serverNowMs), standing: "opens in 30 seconds" };
}

async function createDemoSale(operator: OperatorClient, serverNowMs: number): Promise<string> {
  const opensAt = serverNowMs + OPENS_IN_MS;
  const sale = await operator.request<{ id: string }>("POST", "/v1/admin/sales", {
    id: `${ID_PREFIX}${serverNowMs.toString(36)}`,
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
