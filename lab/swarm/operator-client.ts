/**
 * The few calls of the operator API that a run needs: make the sale, move its opening, read audit and orders.
 *
 * Uses fetch: these calls are rare, and an operator's tool would use it too. Any answer but the expected one ends the
 * run with the shop's own words.
 */
import { noAnswerFrom } from "../../src/domain/connection-failure.ts";
import type { OrderRow, StockRow } from "./judge.ts";

const CALL_DEADLINE_MS = 15_000;
const ORDERS_PER_PAGE = 1_000;
const ORDER_PAGES_MAX = 10_000;

export interface NewSale {
  /** Absent = the shop names it. */
  readonly id?: string;
  readonly name: string;
  readonly opensAt: number;
  readonly closesAt: number;
  readonly holdMs: number;
  readonly perBuyerMax: number;
  readonly items: readonly {
    readonly sku: string;
    readonly name: string;
    readonly price: { readonly amount: number; readonly currency: string };
    readonly stock: number;
    readonly perBuyerMax: number;
  }[];
}

export interface Audit {
  readonly balanced: boolean;
  readonly items: readonly StockRow[];
  readonly violations: readonly unknown[];
}

/** A sale at a glance: who decides about it, and how much of it is taken. */
export interface SaleReading {
  readonly state: string;
  readonly mode: string;
  readonly epoch: number;
  readonly totalUnits: number;
  /** Held and sold. */
  readonly takenUnits: number;
  readonly items: readonly StockRow[];
}

/** One call of the operator API; answers the parsed body, null when there is none. Rejects for anything but success. */
export type OperatorCall = (method: "GET" | "POST" | "PATCH", path: string, body: unknown) => Promise<unknown>;

/** An operator signed in at one node. */
export class OperatorClient {
  private readonly call: OperatorCall;

  /** By address and token, or over whatever else speaks to the operator API. */
  constructor(options: { address: string; token: string } | { call: OperatorCall }) {
    this.call = "call" in options ? options.call : callOver(options);
  }

  async createSale(sale: NewSale): Promise<{ id: string }> {
    return (await this.call("POST", "/v1/admin/sales", sale)) as { id: string };
  }

  async moveOpening(saleId: string, opensAt: number): Promise<void> {
    await this.call("PATCH", `/v1/admin/sales/${saleId}`, { opensAt });
  }

  async closeSale(saleId: string): Promise<void> {
    await this.call("POST", `/v1/admin/sales/${saleId}/close`, null);
  }

  async warmUp(saleId: string): Promise<void> {
    await this.call("POST", `/v1/admin/sales/${saleId}/warm-up`, null);
  }

  async readSale(saleId: string): Promise<SaleReading> {
    const sale = (await this.call("GET", `/v1/admin/sales/${saleId}`, null)) as {
      state: string;
      mode: string;
      epoch: number;
      items: readonly StockRow[];
    };
    const sum = (unitsOf: (item: StockRow) => number): number =>
      sale.items.reduce((units, item) => units + unitsOf(item), 0);
    return {
      state: sale.state,
      mode: sale.mode,
      epoch: sale.epoch,
      totalUnits: sum((item) => item.total),
      takenUnits: sum((item) => item.held + item.sold),
      items: sale.items,
    };
  }

  /** Processes of the deployment that report, as the sale's statistics count them. */
  async countNodes(saleId: string): Promise<number> {
    const path = `/v1/admin/sales/${saleId}/stats`;
    const stats = (await this.call("GET", path, null)) as { nodes?: unknown } | null;
    if (typeof stats?.nodes !== "number") throw new Error(`GET ${path} was answered without a number of nodes`);
    return stats.nodes;
  }

  async audit(saleId: string): Promise<Audit> {
    return (await this.call("GET", `/v1/admin/sales/${saleId}/audit`, null)) as Audit;
  }

  /** Every order of the sale, page by page. */
  async orders(saleId: string): Promise<OrderRow[]> {
    const orders: OrderRow[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < ORDER_PAGES_MAX; page++) {
      const query: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const path = `/v1/admin/sales/${saleId}/orders?limit=${ORDERS_PER_PAGE}${query}`;
      const answer = (await this.call("GET", path, null)) as { orders: OrderRow[]; next: string | null };
      for (const order of answer.orders) orders.push(order);
      cursor = answer.next;
      if (cursor === null) return orders;
    }
    throw new Error(`more than ${ORDER_PAGES_MAX} pages of orders`);
  }
}

function callOver({ address, token }: { address: string; token: string }): OperatorCall {
  return async (method, path, body) => {
    const headers: Record<string, string> = { authorization: `Bearer ${token}` };
    if (body !== null) headers["content-type"] = "application/json";
    const options = { method, headers, body: body === null ? null : JSON.stringify(body) };
    const { ok, status, text } = await ask(address, path, options);
    if (!ok) throw new Error(`${method} ${path} was answered with ${status}: ${text}`);
    return text === "" ? null : JSON.parse(text);
  };
}

/** Rejects with the address and why nobody answered there. */
async function ask(
  address: string,
  path: string,
  options: RequestInit,
): Promise<{ ok: boolean; status: number; text: string }> {
  try {
    const signal = AbortSignal.timeout(CALL_DEADLINE_MS);
    const response = await fetch(`${address}${path}`, { ...options, signal });
    return { ok: response.ok, status: response.status, text: await response.text() };
  } catch (error) {
    throw new Error(noAnswerFrom(address, error), { cause: error });
  }
}
