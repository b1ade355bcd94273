import { beforeEach, expect, test } from "bun:test";
import {
  createSale,
  expectProblem,
  orderOf,
  type Staged,
  stageOperatorApp,
} from "../../../test/support/operator-app.ts";
import { Fault } from "../../domain/faults.ts";

let staged: Staged;

beforeEach(() => {
  staged = stageOperatorApp();
});

test("orders are paged, filtered, and their parameters checked", async () => {
  await createSale(staged);
  for (let index = 0; index < 5; index += 1) staged.orders.push(orderOf({ rid: `rid-${index}` }));
  staged.orders.push(orderOf({ rid: "held", status: "held", paymentId: null }));
  const first = (await (await staged.request("GET", "/v1/admin/sales/drop/orders?limit=4")).json()) as {
    orders: Record<string, unknown>[];
    next: string;
  };
  expect(first.orders).toHaveLength(4);
  expect(first.orders[0]).toEqual({
    rid: "rid-0",
    saleId: "drop",
    sku: "shoe",
    itemName: "Shoe",
    quantity: 1,
    status: "paid",
    holdUntil: 1_800_000_600_000,
    amount: { amount: 4_900, currency: "EUR" },
    createdAt: 1_800_000_000_000,
    updatedAt: 1_800_000_100_000,
    buyerId: "buyer-1",
    paymentId: "pay-1",
  });
  const rest = await staged.request("GET", `/v1/admin/sales/drop/orders?limit=4&cursor=${first.next}`);
  expect(await rest.json()).toMatchObject({ orders: [{ rid: "rid-4" }, { rid: "held" }], next: null });
  const held = await staged.request("GET", "/v1/admin/sales/drop/orders?status=held");
  expect(await held.json()).toMatchObject({ orders: [{ rid: "held" }] });
  for (const query of ["limit=0", "limit=1001", "limit=x", "status=sold", "format=xml", "cursor=%0a", "page=2"]) {
    const response = await staged.request("GET", `/v1/admin/sales/drop/orders?${query}`);
    await expectProblem(response, "malformed", 400);
  }
});

test("the export has every order of every page exactly once", async () => {
  await createSale(staged);
  for (let index = 0; index < 2_500; index += 1) staged.orders.push(orderOf({ rid: `rid-${index}` }));
  const response = await staged.request("GET", "/v1/admin/sales/drop/orders?format=csv");
  expect(response.headers.get("content-type")).toContain("text/csv");
  expect(response.headers.get("content-disposition")).toBe('attachment; filename="orders-drop.csv"');
  const lines = (await response.text()).split("\r\n");
  expect(lines[0]).toStartWith("rid,saleId,sku,");
  expect(lines.at(-1)).toBe("");
  expect(lines.slice(1, -1).map((line) => line.split(",")[0])).toEqual(staged.orders.map((order) => order.rid));
});

test("an export that the database cannot finish is broken off, not ended", async () => {
  await createSale(staged);
  for (let index = 0; index < 2_500; index += 1) staged.orders.push(orderOf({ rid: `rid-${index}` }));
  const response = await staged.request("GET", "/v1/admin/sales/drop/orders?format=csv");
  staged.fault = new Fault("DATABASE_UNAVAILABLE");
  await expect(response.text()).rejects.toThrow();
});
