/**
 * The operator app over stores in memory: small, obedient, and honest about conflicts.
 */

import { expect } from "bun:test";
import { Fault } from "../../src/domain/faults.ts";
import type { SaleId } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import { DEFAULT_RISK_MODEL } from "../../src/funnel/6-admission/risk/risk-model.ts";
import { createOperatorApp } from "../../src/http/operator/app.ts";
import type { OperatorDependencies } from "../../src/http/operator/dependencies.ts";
import type { Rehearsals } from "../../src/http/operator/rehearsals.ts";
import { createOpsApp } from "../../src/http/ops/app.ts";
import type { LedgerStanding } from "../../src/ledger/ledger-view.ts";
import type { Stock } from "../../src/ports/ledger.ts";
import type { ModeChange } from "../../src/ports/mode-history.ts";
import type { Order } from "../../src/ports/order-store.ts";
import type { Ban, NewSale, SaleCommand } from "../../src/ports/sale-store.ts";
import type { SaleTotals } from "../../src/ports/stats-store.ts";
import { ManualClock } from "./manual-clock.ts";
import { type MemoryOperators, memoryOperators } from "./memory-operators.ts";

export const ADMIN_TOKEN = "operator-token-of-the-tests";
const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const NO_LATENCIES = { counts: new Map<number, number>(), sumMs: 0 };

export interface Staged {
  readonly clock: ManualClock;
  readonly operators: MemoryOperators;
  readonly sales: Map<string, Sale>;
  readonly stock: Map<number, Stock>;
  readonly orders: Order[];
  readonly bans: Map<string, Ban>;
  readonly allowlists: Map<string, readonly string[]>;
  allowlistsBegun: number;
  allowlistsDiscarded: number;
  totals: SaleTotals;
  /** How every sale's ledger stands. */
  standing: LedgerStanding | null;
  /** Of every sale, the newest first. */
  modeChanges: readonly ModeChange[];
  /** Thrown by the next calls of the stores, to play a database that is away. */
  fault: Error | null;
  warmUps: number;
  /** How often statistics were read. */
  statsReads: number;
  readonly logged: unknown[];
  /** None runs, and none may begin. */
  rehearsals: Rehearsals;
  request(method: string, path: string, options?: RequestOptions): Promise<Response>;
}

export interface RequestOptions {
  readonly json?: unknown;
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly headers?: Record<string, string>;
  readonly token?: string | null;
  readonly signal?: AbortSignal;
}

/** Builds the app with nothing in it. */
export function stageOperatorApp(): Staged {
  const clock = new ManualClock();
  const staged: Omit<Staged, "request"> = {
    clock,
    operators: memoryOperators(clock),
    sales: new Map(),
    stock: new Map(),
    orders: [],
    bans: new Map(),
    allowlists: new Map(),
    allowlistsBegun: 0,
    allowlistsDiscarded: 0,
    totals: {
      saleId: "drop",
      decisions: {},
      accepted: NO_LATENCIES,
      refused: NO_LATENCIES,
      rates: { acceptedPerS: 0, refusedPerS: 0 },
      runsAlive: 1,
      backlog: 0,
    },
    standing: null,
    modeChanges: [],
    fault: null,
    warmUps: 0,
    statsReads: 0,
    logged: [],
    rehearsals: {
      settings: "settings-of-the-tests",
      start: async () => ({ kind: "refused", why: "This is a test." }),
      cancel: async () => null,
      find: async () => null,
      list: async () => [],
    },
  };
  const state = staged as Staged;
  const app = createOperatorApp(dependenciesOf(state));
  state.request = async (method, path, options = {}) => {
    const token = options.token === undefined ? ADMIN_TOKEN : options.token;
    const body = options.json === undefined ? options.body : JSON.stringify(options.json);
    const request = new Request(`http://operator.test${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(options.json === undefined ? {} : { "content-type": "application/json" }),
        ...options.headers,
      },
      ...(body === undefined ? {} : { body }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    return app.fetch(request, { remoteAddress: "127.0.0.1" });
  };
  return state;
}

/** Everything balances; the quick form says so too. */
function auditorOf(state: Staged): OperatorDependencies["auditor"] {
  const reportOf = (saleId: SaleId) => {
    const verdict = { balanced: true, items: [], violations: [], unproven: null };
    return { saleId, takenAt: state.clock.nowMs(), mode: "postgres" as const, epoch: 1, ...verdict };
  };
  return {
    audit: async (saleId) => (state.sales.has(saleId) ? reportOf(saleId) : null),
    auditPlaces: async (saleId) => (state.sales.has(saleId) ? { ...reportOf(saleId), trouble: null } : null),
  };
}

function dependenciesOf(state: Staged): OperatorDependencies {
  let ids = 0;
  const random = { id: () => `made-id-${++ids}`, fraction: () => 0.5 };
  const log = { ...SILENT, error: (fields: unknown) => void state.logged.push(fields) };
  return {
    adminToken: ADMIN_TOKEN,
    operators: state.operators,
    clock: state.clock,
    random,
    log,
    auditor: auditorOf(state),
    modeHistory: { read: async ({ rowsMax }) => guard(state, state.modeChanges.slice(0, rowsMax)) },
    saleStore: saleStoreOf(state),
    allowlists: allowlistsOf(state),
    orderStore: orderStoreOf(state),
    ledger: { readStock: async (itemIds) => itemIds.flatMap((id) => state.stock.get(id) ?? []) },
    risk: { reports: { readReports: async () => [] }, model: DEFAULT_RISK_MODEL },
    statsStore: { publish: async () => undefined, read: async () => readTotals(state) },
    ledgerView: { read: async () => guard(state, state.standing) },
    recovery: {
      recover: async (sale) => guard(state, { saleId: sale.id, epoch: 7, found: 3, known: 1, recovered: 2, voided: 0 }),
    },
    webhooks: WEBHOOKS,
    rehearsals: {
      settings: state.rehearsals.settings,
      start: async (request) => state.rehearsals.start(request),
      cancel: async (id) => state.rehearsals.cancel(id),
      find: async (id) => state.rehearsals.find(id),
      list: async (request) => state.rehearsals.list(request),
    },
    warmUp: async () => {
      state.warmUps += 1;
    },
    ops: createOpsApp({ checks: [], isDraining: () => false, metrics: null, clock: state.clock, log }),
    pages: null,
  };
}

/** No address may be used, and none is there: who may ask is all that matters here. */
const WEBHOOKS: NonNullable<OperatorDependencies["webhooks"]> = {
  store: {
    createEndpoint: async () => null,
    listEndpoints: async () => [],
    deleteEndpoint: async () => false,
  },
  sender: { findObjection: async () => "nothing leads out of a test" },
  secretOf: () => "whsec_",
};

function readTotals(state: Staged): SaleTotals {
  state.statsReads += 1;
  return guard(state, state.totals);
}

function guard<Value>(state: Staged, value: Value): Value {
  if (state.fault !== null) throw state.fault;
  return value;
}

/** Lists by number while they are written, by their sale once they are published: as lines. */
function allowlistsOf(state: Staged): OperatorDependencies["allowlists"] {
  const drafts = new Map<number, string[]>();
  return {
    begin: async (saleId) => {
      if (!state.sales.has(saleId)) return null;
      const listId = state.allowlistsBegun;
      state.allowlistsBegun += 1;
      drafts.set(listId, []);
      return listId;
    },
    addPart: async ({ listId, entries }) => {
      drafts.get(listId)?.push(...entries.map(({ buyerId, tier }) => (tier === null ? buyerId : `${buyerId},${tier}`)));
    },
    publish: async ({ saleId, listId }) => {
      state.allowlists.set(saleId, drafts.get(listId) ?? []);
      drafts.delete(listId);
      return true;
    },
    discard: async (listId) => {
      drafts.delete(listId);
      state.allowlistsDiscarded += 1;
    },
  };
}

function saleStoreOf(state: Staged): OperatorDependencies["saleStore"] {
  const change = (saleId: SaleId, update: (sale: Sale) => Sale): Sale | null => {
    const sale = guard(state, state.sales.get(saleId));
    if (sale === undefined) return null;
    const changed = update(sale);
    state.sales.set(saleId, changed);
    return changed;
  };
  return {
    createSale: async (sale) => guard(state, addSale(state, sale)),
    findSale: async (saleId) => guard(state, state.sales.get(saleId) ?? null),
    listSales: async () => guard(state, [...state.sales.values()]),
    patchSale: async (saleId, patch) => change(saleId, (sale) => ({ ...sale, ...patch }) as Sale),
    commandSale: async (saleId, command) => change(saleId, (sale) => afterCommand(sale, command, state)),
    adjustStock: async ({ saleId, sku, delta }) => {
      const item = state.sales.get(saleId)?.items.find((candidate) => candidate.sku === sku);
      const stock = item === undefined ? undefined : state.stock.get(item.itemId);
      if (item === undefined || stock === undefined) return null;
      if (stock.free + delta < 0) throw new Fault("SALE_CONFLICT", { internal: "fewer units are free" });
      const adjusted = { ...stock, total: stock.total + delta, free: stock.free + delta };
      state.stock.set(item.itemId, adjusted);
      return adjusted;
    },
    changePrice: async ({ saleId, sku, amount }) =>
      state.sales.get(saleId)?.items.some((item) => item.sku === sku) === true
        ? change(saleId, (sale) => ({
            ...sale,
            items: sale.items.map((item) => (item.sku === sku ? { ...item, price: { ...item.price, amount } } : item)),
          }))
        : null,
    createBan: async (ban) => {
      const made: Ban = {
        ...ban,
        effect: ban.effect ?? "refuse",
        origin: "operator",
        createdAt: state.clock.nowMs(),
      };
      state.bans.set(ban.id, made);
      return made;
    },
    listBans: async () => [...state.bans.values()],
    banRevision: async () => 1,
    salesVersion: async () => JSON.stringify([...state.sales.values()]),
    deleteBan: async (id) => state.bans.delete(id),
  };
}

function addSale(state: Staged, sale: NewSale): Sale {
  if (state.sales.has(sale.id)) throw new Fault("SALE_CONFLICT", { internal: `there is already a sale ${sale.id}` });
  const items = sale.items.map(({ stock, ...item }, index) => {
    const itemId = state.stock.size + index + 1;
    return { stock, item: { itemId, ...item } };
  });
  for (const { stock, item } of items) {
    const empty = { granted: 0, held: 0, sold: 0, version: 1, seq: 0, epoch: 1 };
    state.stock.set(item.itemId, { itemId: item.itemId, total: stock, free: stock, ...empty });
  }
  const made: Sale = {
    ...sale,
    phase: "scheduled",
    closedAt: null,
    mode: "postgres",
    epoch: 1,
    revision: 1,
    createdAt: state.clock.nowMs(),
    items: items.map(({ item }) => item),
  };
  state.sales.set(sale.id, made);
  return made;
}

function afterCommand(sale: Sale, command: SaleCommand, state: Staged): Sale {
  if (command === "close") return { ...sale, phase: "closed", closedAt: sale.closedAt ?? state.clock.nowMs() };
  if (sale.phase === "closed") throw new Fault("SALE_CONFLICT", { internal: "the sale is over" });
  if (command === "open") return { ...sale, phase: "scheduled", opensAt: Math.min(sale.opensAt, state.clock.nowMs()) };
  return { ...sale, phase: command === "pause" ? "paused" : "scheduled" };
}

/** Only what operators call; the rest of the port is not theirs. */
function orderStoreOf(state: Staged): OperatorDependencies["orderStore"] {
  return {
    listOrdersOfSale: async ({ saleId, status, cursor, rowsMax }) => {
      guard(state, null);
      const start = cursor === null ? 0 : Number(cursor);
      const own = state.orders.filter((order) => order.saleId === saleId && (status ?? order.status) === order.status);
      const orders = own.slice(start, start + rowsMax);
      return { orders, next: start + rowsMax < own.length ? String(start + rowsMax) : null };
    },
  };
}

/** An order of the sale "drop". */
export function orderOf(overrides: Partial<Order>): Order {
  return {
    rid: "rid-1",
    saleId: "drop",
    sku: "shoe",
    itemId: 1,
    itemName: "Shoe",
    quantity: 1,
    status: "paid",
    holdUntil: 1_800_000_600_000,
    amount: { amount: 4_900, currency: "EUR" },
    createdAt: 1_800_000_000_000,
    updatedAt: 1_800_000_100_000,
    buyerId: "buyer-1",
    paymentId: "pay-1",
    ...overrides,
  };
}

/** Checks a problem document; answers it. */
export async function expectProblem(
  response: Response,
  reason: string,
  status: number,
): Promise<Record<string, unknown>> {
  const document = (await response.json()) as Record<string, unknown>;
  expect(document["reason"]).toBe(reason);
  expect(response.status).toBe(status);
  expect(document["status"]).toBe(status);
  expect(document["type"]).toBe(`https://doorbuster.dev/errors#${reason}`);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  return document;
}

/** A body that creates the sale "drop": ten shoes, open now. */
export function saleBody(staged: Staged, overrides: Record<string, unknown> = {}): Record<string, unknown> {
  const opensAt = staged.clock.nowMs() - 1_000;
  return {
    id: "drop",
    name: "Drop",
    opensAt,
    closesAt: opensAt + 3_600_000,
    holdMs: 600_000,
    perBuyerMax: 2,
    items: [{ sku: "shoe", name: "Shoe", price: { amount: 4_900, currency: "EUR" }, stock: 10 }],
    ...overrides,
  };
}

/** Creates that sale. */
export async function createSale(staged: Staged, overrides: Record<string, unknown> = {}): Promise<Response> {
  return staged.request("POST", "/v1/admin/sales", { json: saleBody(staged, overrides) });
}
