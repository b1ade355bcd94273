/**
 * Orders as CSV (RFC 4180), one line an order, made page by page so that a million orders need no memory.
 *
 * A field that a spreadsheet would run as a formula (it begins with = + - @, a tab or a carriage return, or one of their
 * full-width twins) gets an apostrophe in front, also where that touches an id: an id of ours may begin with a hyphen,
 * and a buyer must never reach an operator's spreadsheet. Instants are ISO 8601 because people read this file.
 */
import type { Order } from "../../ports/order-store.ts";

const FORMULA_START = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
const NEEDS_QUOTES = /[",\r\n]/;
const LINE_END = "\r\n";

/** The columns in order, with how each is filled. */
const COLUMNS: readonly (readonly [string, (order: Order) => string])[] = [
  ["rid", (order) => order.rid],
  ["saleId", (order) => order.saleId],
  ["sku", (order) => order.sku],
  ["itemName", (order) => order.itemName],
  ["quantity", (order) => String(order.quantity)],
  ["status", (order) => order.status],
  ["reason", (order) => order.reason ?? ""],
  ["buyerId", (order) => order.buyerId],
  ["amount", (order) => String(order.amount.amount)],
  ["currency", (order) => order.amount.currency],
  ["paymentId", (order) => order.paymentId ?? ""],
  ["holdUntil", (order) => isoTime(order.holdUntil)],
  ["createdAt", (order) => isoTime(order.createdAt)],
  ["updatedAt", (order) => isoTime(order.updatedAt)],
];

/** The line of column names. */
export function csvHeader(): string {
  return csvLine(COLUMNS.map(([name]) => name));
}

/** The line of an order. */
export function csvOrder(order: Order): string {
  return csvLine(COLUMNS.map(([, read]) => read(order)));
}

/** Fields as one line: harmless to spreadsheets, quoted where needed, ended by CRLF. */
export function csvLine(fields: readonly string[]): string {
  return fields.map(csvField).join(",") + LINE_END;
}

function csvField(text: string): string {
  const harmless = FORMULA_START.test(text) ? `'${text}` : text;
  return NEEDS_QUOTES.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function isoTime(instantMs: number): string {
  return new Date(instantMs).toISOString();
}
