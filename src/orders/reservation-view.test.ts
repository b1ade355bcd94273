import { expect, test } from "bun:test";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { MemoryOrders, PRICE } from "../../test/support/memory-orders.ts";
import { toReservation } from "./reservation-view.ts";

test("shows the owner exactly the agreed members and nothing internal", () => {
  const orders = new MemoryOrders(new ManualClock(), 1);
  const order = orders.order(orders.hold("rid-1"));
  const view = toReservation(order);
  expect(Object.keys(view).sort()).toEqual(
    ["amount", "createdAt", "holdUntil", "quantity", "rid", "saleId", "sku", "status", "updatedAt"].sort(),
  );
  expect(view.amount).toEqual(PRICE);
  expect(toReservation({ ...order, reason: "hold_passed" }).reason).toBe("hold_passed");
});
