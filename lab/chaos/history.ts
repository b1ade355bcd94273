/**
 * What buyers saw, one record a request, and what the books say in the end: the two halves of the evidence that
 * history-checker.ts compares.
 *
 * Instants of records are monotonic nanoseconds of the observing process. A request without an answer stays open for
 * ever: it may have taken effect at any time since. Records are written as NDJSON, so that a history outlives its run.
 */
import { readFileSync, writeFileSync } from "node:fs";

export type Operation = "reserve" | "read" | "cancel" | "checkout" | "pay" | "pay_late";

/** How the shop answered. "done": the call of another operation than reserve succeeded. */
export type HistoryAnswer =
  | { readonly kind: "accepted"; readonly status: 201 | 202; readonly holdUntil: number; readonly replayed: boolean }
  | { readonly kind: "refused"; readonly status: number; readonly stage: string; readonly reason: string }
  | { readonly kind: "done"; readonly status: string };

export interface HistoryRecord {
  readonly invokeNs: number;
  /** Null: no answer ever came. */
  readonly completeNs: number | null;
  readonly op: Operation;
  readonly buyer: string;
  readonly rid: string;
  readonly quantity: number;
  readonly answer: HistoryAnswer | null;
}

/** What does not change while a sale runs. */
export interface SaleTerms {
  readonly saleId: string;
  readonly total: number;
  readonly perBuyerMax: number;
  readonly buckets: number;
  /** Wall clock, milliseconds since the epoch, of nanosecond 0 of the records. */
  readonly originMs: number;
}

/** An order as Postgres has it in the end. */
export interface FinalOrder {
  readonly rid: string;
  readonly buyerId: string;
  readonly quantity: number;
  readonly epoch: number;
  readonly bucket: number;
  readonly seq: number;
  readonly status: string;
  readonly holdUntil: number;
  readonly reason: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** One audit that was asked for while the sale ran, or after it. */
export interface AuditCut {
  readonly atNs: number;
  readonly balanced: boolean;
  readonly violations: readonly unknown[];
  readonly items: readonly {
    readonly total: number;
    readonly free: number;
    readonly granted: number;
    readonly held: number;
    readonly sold: number;
  }[];
}

export interface History {
  readonly terms: SaleTerms;
  readonly records: readonly HistoryRecord[];
  readonly orders: readonly FinalOrder[];
  readonly audits: readonly AuditCut[];
  /** Reservations that were paid for without the shop having been told yet. */
  readonly paymentsUnderWay: readonly string[];
}

/** Writes everything: the terms, then a line a record, an order, an audit. */
export function writeHistory(path: string, history: History): void {
  const lines = [
    JSON.stringify({ terms: history.terms, paymentsUnderWay: history.paymentsUnderWay }),
    ...history.records.map((record) => JSON.stringify(record)),
    ...history.orders.map((order) => JSON.stringify({ order })),
    ...history.audits.map((audit) => JSON.stringify({ audit })),
  ];
  writeFileSync(path, `${lines.join("\n")}\n`);
}

/** Reads what {@link writeHistory} wrote. */
export function readHistory(path: string): History {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  const head = JSON.parse(lines[0] ?? "{}") as Pick<History, "terms" | "paymentsUnderWay">;
  const records: HistoryRecord[] = [];
  const orders: FinalOrder[] = [];
  const audits: AuditCut[] = [];
  for (const line of lines.slice(1)) {
    const value = JSON.parse(line) as HistoryRecord | { order: FinalOrder } | { audit: AuditCut };
    if ("order" in value) orders.push(value.order);
    else if ("audit" in value) audits.push(value.audit);
    else records.push(value);
  }
  return { ...head, records, orders, audits };
}
