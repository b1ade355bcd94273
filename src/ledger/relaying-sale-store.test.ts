import { expect, test } from "bun:test";
import { Fault, isFault } from "../domain/faults.ts";
import type { SaleId, Sku } from "../domain/ids.ts";
import type { Sale } from "../domain/sale.ts";
import type { Stock } from "../ports/ledger.ts";
import type { SaleStore } from "../ports/sale-store.ts";
import { RelayingSaleStore } from "./relaying-sale-store.ts";

const SALE_ID = "drop" as SaleId;
const STOCK: Stock = { itemId: 7, total: 5, free: 5, granted: 0, held: 0, sold: 0, version: 2, seq: 0, epoch: 2 };
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** A store in which `free` units are at home, and a relay that brings home at most `lent`. */
function around(options: { mode?: Sale["mode"]; free: number; lent: number; isRelayDown?: boolean }) {
  const calls: string[] = [];
  let { free, lent } = options;
  const sale = { id: SALE_ID, mode: options.mode ?? "redis", items: [{ itemId: 7, sku: "shoe" }] } as unknown as Sale;
  const store: Pick<SaleStore, "commandSale" | "findSale" | "adjustStock"> = {
    commandSale: async () => sale,
    findSale: async () => sale,
    adjustStock: async ({ delta }) => {
      if (free + delta < 0) throw new Fault("SALE_CONFLICT", { internal: "fewer units are free" });
      free += delta;
      return STOCK;
    },
  };
  const relay = {
    applySettings: async () => {
      calls.push("settings");
      if (options.isRelayDown) throw new Fault("LEDGER_UNAVAILABLE");
    },
    recall: async ({ units }: { units: number }) => {
      const moved = Math.min(units, lent);
      lent -= moved;
      free += moved;
      calls.push(`recall ${units}`);
      return moved;
    },
  };
  return { sales: new RelayingSaleStore({ store: store as SaleStore, relay, log: quiet }), calls, free: () => free };
}

const adjust = (delta: number) => ({ saleId: SALE_ID, sku: "shoe" as Sku, delta, reason: "test" });

test("a command reaches the buckets of a redis-mode sale at once, and only of such a sale", async () => {
  const lent = around({ free: 0, lent: 0 });
  await lent.sales.commandSale(SALE_ID, "pause");
  expect(lent.calls).toEqual(["settings"]);
  const own = around({ mode: "postgres", free: 0, lent: 0 });
  await own.sales.commandSale(SALE_ID, "pause");
  expect(own.calls).toEqual([]);
});

test("a command is done also when the buckets cannot be told now", async () => {
  const { sales } = around({ free: 0, lent: 0, isRelayDown: true });
  expect((await sales.commandSale(SALE_ID, "pause"))?.id).toBe(SALE_ID);
});

test("taking stock away brings lent units home first", async () => {
  const { sales, calls, free } = around({ free: 1, lent: 4 });
  expect(await sales.adjustStock(adjust(-3))).toEqual(STOCK);
  expect(calls).toEqual(["recall 3"]);
  expect(free()).toBe(1);
});

test("what is held or sold cannot be taken away: the conflict stays, and nothing is asked for twice in vain", async () => {
  const { sales, calls } = around({ free: 1, lent: 1 });
  const outcome = await sales.adjustStock(adjust(-5)).catch((error: unknown) => error);
  expect(isFault(outcome, "SALE_CONFLICT")).toBe(true);
  expect(calls).toEqual(["recall 5", "recall 5"]);
});

test("adding stock asks nobody", async () => {
  const { sales, calls } = around({ free: 0, lent: 4 });
  await sales.adjustStock(adjust(2));
  expect(calls).toEqual([]);
});
