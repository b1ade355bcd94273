/**
 * An operator's program written from the contract alone, with the sale that most tests want as its default.
 */
import { randomBytes } from "node:crypto";
import { type Answer, call } from "./answers.ts";
import { waitUntil } from "./waiting.ts";

/** What a new sale may say; see API.md, operator API. */
export interface SaleSpec {
  readonly [member: string]: unknown;
}

/** The first item of a created sale, and the sale. */
export interface CreatedSale {
  readonly saleId: string;
  readonly sku: string;
}

const HOUR_MS = 3_600_000;

/** A sale of ten seats that is open now. */
export function saleSpec(overrides: SaleSpec = {}): Record<string, unknown> {
  const now = Date.now();
  return {
    id: `sale-${randomBytes(8).toString("hex")}`,
    name: "Test sale",
    opensAt: now - 1_000,
    closesAt: now + HOUR_MS,
    holdMs: 600_000,
    perBuyerMax: 2,
    items: [seat({})],
    ...overrides,
  };
}

/** An item. */
export function seat(overrides: Record<string, unknown>): Record<string, unknown> {
  return { sku: "seat", name: "A seat", price: { amount: 4_900, currency: "EUR" }, stock: 10, ...overrides };
}

export class Operator {
  readonly baseUrl: string;
  readonly #token: string;

  constructor(node: { adminUrl: string; adminToken: string }) {
    this.baseUrl = node.adminUrl;
    this.#token = node.adminToken;
  }

  /** Any call of the operator API; `path` is below /v1/admin. */
  async send(method: string, path: string, body?: unknown): Promise<Answer> {
    return await call(`${this.baseUrl}/v1/admin${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** Sends a call that must succeed; answers its document. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read members of documents whose form they are checking
  async must(method: string, path: string, body?: unknown): Promise<any> {
    const answer = await this.send(method, path, body);
    if (answer.status < 200 || answer.status > 299) {
      throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    }
    return answer.json;
  }

  /** Creates a sale and waits until buyers see it on every node named. */
  async createSale(overrides: SaleSpec = {}, buyerUrls: readonly string[] = []): Promise<CreatedSale> {
    const spec = saleSpec(overrides);
    const created = await this.must("POST", "/sales", spec);
    for (const url of buyerUrls) {
      await waitUntil(`sale ${created.id} on ${url}`, async () => {
        return (await call(`${url}/v1/sales/${created.id}`)).status === 200;
      });
    }
    return { saleId: created.id, sku: created.items[0].sku };
  }

  /** A lifecycle command. */
  async command(saleId: string, command: "warm-up" | "open" | "pause" | "resume" | "close"): Promise<Answer> {
    return await this.send("POST", `/sales/${saleId}/${command}`);
  }

  /** The audit, computed now. */
  // biome-ignore lint/suspicious/noExplicitAny: see must
  async audit(saleId: string): Promise<any> {
    return await this.must("GET", `/sales/${saleId}/audit`);
  }
}

/** Waits until a node tells buyers that the sale is in the state. */
export async function waitForState(buyerUrl: string, saleId: string, state: string): Promise<void> {
  await waitUntil(`sale ${saleId} to be ${state}`, async () => {
    const answer = await call(`${buyerUrl}/v1/sales/${saleId}`);
    return answer.json?.state === state;
  });
}
