import { expect, test } from "bun:test";
import type { SaleId } from "../../domain/ids.ts";
import { DECISIONS, stageOfDecision } from "../../ports/funnel-counts.ts";
import { createFunnelCounters, SALES_MAX } from "./funnel-counters.ts";

const sale = (id: string): SaleId => id as SaleId;

test("counts every decision of the table under its own name and sale", () => {
  const counters = createFunnelCounters();
  for (const [index, decision] of DECISIONS.entries()) {
    for (let hit = 0; hit <= index; hit += 1) counters.decided(sale("drop"), decision, 0.01);
  }
  counters.decided(sale("other"), "busy", 0.01);
  const drop = counters.readCounts().find((counts) => counts.saleId === "drop");
  expect(drop?.decisions).toEqual(Object.fromEntries(DECISIONS.map((decision, index) => [decision, index + 1])));
  expect(counters.readCounts().find((counts) => counts.saleId === "other")?.decisions).toEqual({ busy: 1 });
});

test("keeps the latencies of acceptances and refusals apart", () => {
  const counters = createFunnelCounters();
  counters.decided(sale("drop"), "accepted", 12);
  counters.decided(sale("drop"), "replayed", 12);
  counters.decided(sale("drop"), "sold_out", 0.004);
  const [counts] = counters.readCounts();
  expect([...(counts?.accepted.counts.values() ?? [])]).toEqual([2]);
  expect(counts?.accepted.sumMs).toBe(24);
  expect([...(counts?.refused.counts.entries() ?? [])]).toEqual([[5, 1]]);
});

test("attempts on no sale, and on sales beyond the bound, are counted without growing", () => {
  const counters = createFunnelCounters();
  for (let index = 0; index < SALES_MAX + 50; index += 1) counters.decided(sale(`s${index}`), "busy", 1);
  counters.decided(null, "no_such_sale", 1);
  const all = counters.readCounts();
  expect(all).toHaveLength(SALES_MAX + 1);
  expect(all.find((counts) => counts.saleId === null)?.decisions).toEqual({ busy: 50, no_such_sale: 1 });
});

test("a decision is counted under the stage of its row in the refusal table", () => {
  expect(stageOfDecision("throttled")).toBe("throttle");
  expect(stageOfDecision("accepted")).toBe("reserve");
  expect(stageOfDecision("internal")).toBe("none");
});
