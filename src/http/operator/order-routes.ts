/**
 * Orders of a sale: pages of JSON, or all of them as a CSV that is streamed while it is read.
 *
 * The export is not one snapshot: orders that change while it runs appear as they were when their page was read, each
 * exactly once. When the store fails halfway the stream is broken off rather than ended, so nobody takes half a file
 * for a whole one.
 */
import { Hono } from "hono";
import { z } from "zod";
import { parseSaleId, type SaleId } from "../../domain/ids.ts";
import { RESERVATION_STATUSES, type ReservationStatus } from "../../domain/reservation.ts";
import { checkValue } from "./body.ts";
import type { OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import { orderDocument } from "./documents.ts";
import { csvHeader, csvOrder } from "./orders-csv.ts";
import { problemResponse } from "./problem.ts";

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1_000;
const EXPORT_PAGE_ROWS = 1_000;
const CURSOR_PATTERN = /^[A-Za-z0-9._-]{1,128}$/;

const limitText = { error: `must be a whole number from 1 to ${PAGE_MAX}` };
const QuerySchema = z.strictObject(
  {
    format: z.enum(["json", "csv"], { error: 'must be "json" or "csv"' }).default("json"),
    status: z.enum(RESERVATION_STATUSES, { error: `must be one of ${RESERVATION_STATUSES.join(", ")}` }).optional(),
    cursor: z.string().regex(CURSOR_PATTERN, { error: "must be the next of an earlier page" }).optional(),
    limit: z
      .string()
      .regex(/^\d{1,4}$/, limitText)
      .transform(Number)
      .refine((limit) => limit >= 1 && limit <= PAGE_MAX, limitText)
      .default(PAGE_DEFAULT),
  },
  { error: "has unknown parameters; accepted are format, status, cursor, limit" },
);

export function createOrderRoutes(deps: OperatorDependencies): OperatorApp {
  const app = new Hono<OperatorEnv>();
  app.get("/sales/:saleId/orders", async (context) => {
    const query = checkValue(QuerySchema, context.req.query());
    if (query.kind === "problem") return problemResponse(query.problem);
    const saleId = parseSaleId(context.req.param("saleId"));
    if (saleId === null || (await deps.saleStore.findSale(saleId)) === null) {
      return problemResponse({ reason: "no_such_sale" });
    }
    const { format, limit, cursor } = query.value;
    const status = query.value.status ?? null;
    if (format === "csv") return csvResponse(saleId, status, deps);
    const page = await deps.orderStore.listOrdersOfSale({ saleId, status, cursor: cursor ?? null, rowsMax: limit });
    return context.json({ orders: page.orders.map(orderDocument), next: page.next });
  });
  return app;
}

function csvResponse(saleId: SaleId, status: ReservationStatus | null, deps: OperatorDependencies): Response {
  const encoder = new TextEncoder();
  let cursor: string | null = null;
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        controller.enqueue(encoder.encode(csvHeader()));
      },
      async pull(controller) {
        const page = await deps.orderStore.listOrdersOfSale({ saleId, status, cursor, rowsMax: EXPORT_PAGE_ROWS });
        const text = page.orders.map(csvOrder).join("");
        if (text !== "") controller.enqueue(encoder.encode(text));
        cursor = page.next;
        if (cursor === null) controller.close();
        else if (text === "") throw new Error("a page without orders must be the last one");
      },
    },
    { highWaterMark: 1 },
  );
  return new Response(body, {
    headers: {
      "content-type": "text/csv; charset=utf-8; header=present",
      "content-disposition": `attachment; filename="orders-${saleId}.csv"`,
      "cache-control": "no-store",
    },
  });
}
