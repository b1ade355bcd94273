/**
 * What anybody reads about a sale is true, public, and cheap.
 */
import { describe, expect, test } from "bun:test";
import { makeBuyerApp, makeSale, makeStock, NOW_MS } from "../../../test/support/buyer-app.ts";
import { Fault } from "../../domain/faults.ts";
import type { SaleId } from "../../domain/ids.ts";
import { PublicSaleListSchema, PublicSaleSchema, TimeSchema } from "../contract/schemas.ts";
import { FRESH_MS } from "./stock-board.ts";

async function readSale(app: ReturnType<typeof makeBuyerApp>) {
  const response = await app.fetch("/v1/sales/spring-drop");
  expect(response.status).toBe(200);
  return PublicSaleSchema.parse(await response.json());
}

describe("the clock", () => {
  test("is the server's and never cached", async () => {
    const response = await makeBuyerApp().fetch("/v1/time");
    expect(TimeSchema.parse(await response.json())).toEqual({ now: NOW_MS });
    expect(response.headers.get("cache-control")).toBe("no-store");
  });
});

describe("the public document of a sale", () => {
  test("shows bands and never counts, and nothing of who may buy", async () => {
    const app = makeBuyerApp({ settings: { unit: "eu-west" } });
    const response = await app.fetch("/v1/sales/spring-drop");
    const text = await response.text();
    const sale = PublicSaleSchema.parse(JSON.parse(text));
    expect(sale).toMatchObject({ id: "spring-drop", state: "open", serverNow: NOW_MS, unit: "eu-west" });
    expect(sale.items.map((item) => item.availability)).toEqual(["plenty", "few"]);
    for (const secret of ["somebody-else", "epoch", "itemId", "free", "total", "revision", "41"]) {
      expect(text).not.toContain(secret);
    }
  });

  test.each([
    ["scheduled", { opensAt: NOW_MS + 1 }, [makeStock(41, { free: 0, sold: 100 })]],
    ["open", { opensAt: NOW_MS }, [makeStock(41, { free: 0 }), makeStock(42, { free: 1 })]],
    ["empty", {}, [makeStock(41, { free: 0, sold: 99 }), makeStock(42, { free: 0, sold: 100 })]],
    ["sold_out", {}, [makeStock(41, { free: 0, sold: 100 }), makeStock(42, { free: 0, sold: 100 })]],
    ["paused", { phase: "paused" }, [makeStock(41, { free: 0, sold: 100 })]],
    ["closed", { phase: "closed" }, [makeStock(41, { free: 9 })]],
    ["closed", { closesAt: NOW_MS }, [makeStock(41, { free: 9 })]],
  ] as const)("says %s by clock, phase and stock alone", async (state, changes, stock) => {
    const app = makeBuyerApp();
    app.world.sales = [makeSale(changes)];
    app.world.stock = [...stock];
    expect((await readSale(app)).state).toBe(state);
  });

  test("keeps its ETag while only the clock moves, and changes it with the stock band", async () => {
    const app = makeBuyerApp();
    const first = await app.fetch("/v1/sales/spring-drop");
    const etag = first.headers.get("etag") ?? "";
    expect(first.headers.get("cache-control")).toBe("public, max-age=1");
    app.world.clock.advance(1_500);
    const second = await app.fetch("/v1/sales/spring-drop", { headers: { "if-none-match": `"x", ${etag}` } });
    expect(second.status).toBe(304);
    expect(second.headers.get("etag")).toBe(etag);
    expect(await second.text()).toBe("");

    app.world.stock = [makeStock(41, { free: 10 }), makeStock(42, { free: 3 })];
    app.world.clock.advance(10_000);
    const third = await app.fetch("/v1/sales/spring-drop", { headers: { "if-none-match": etag } });
    expect(third.status).toBe(200);
    expect(third.headers.get("etag")).not.toBe(etag);
  });

  test.each(["nothing", "..", "%00", "%F0%9F%98%80", "a".repeat(65), "__proto__", "a'b"])(
    "of %s does not exist",
    async (saleId) => {
      const response = await makeBuyerApp().fetch(`/v1/sales/${saleId}`);
      expect(response.status).toBe(404);
    },
  );

  test("costs one query a second however many look, and none while figures are fresh", async () => {
    const app = makeBuyerApp();
    await Promise.all(Array.from({ length: 500 }, () => readSale(app)));
    expect(app.world.stockReads).toBe(1);
    app.world.clock.advance(999);
    await readSale(app);
    expect(app.world.stockReads).toBe(1);
    app.world.clock.advance(FRESH_MS.max - 999);
    await Promise.all(Array.from({ length: 500 }, () => readSale(app)));
    expect(app.world.stockReads).toBe(2);
  });

  test("is unavailable, never sold out, when stock cannot be read", async () => {
    const app = makeBuyerApp();
    app.world.failure = new Fault("LEDGER_UNAVAILABLE");
    const response = await app.fetch("/v1/sales/spring-drop");
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ reason: "unavailable" });
  });
});

describe("the list of sales", () => {
  test("holds what is coming, on or just over, by opening time", async () => {
    const app = makeBuyerApp();
    app.world.sales = [
      makeSale({ id: "later" as SaleId, opensAt: NOW_MS + 5_000 }),
      makeSale({ id: "long-over" as SaleId, closesAt: NOW_MS - 86_400_001 }),
      makeSale({ id: "closed-early" as SaleId, phase: "closed", closedAt: NOW_MS - 86_400_001 }),
      makeSale(),
    ];
    const { sales } = PublicSaleListSchema.parse(await (await app.fetch("/v1/sales")).json());
    expect(sales.map((sale) => sale.id)).toEqual(["spring-drop", "later"]);
  });
});
