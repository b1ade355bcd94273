/**
 * Paying is bounded and fair: nobody begins while too many are at it, and a payment that fails frees its till.
 */
import { expect, test } from "bun:test";
import { Tills } from "./payer.ts";

test("never more buyers pay at once than there are tills, in order of arrival, and all get their turn", async () => {
  const tills = new Tills(3);
  const began: number[] = [];
  let payingCount = 0;
  let payingCountMax = 0;
  const payments = Array.from({ length: 20 }, (_, buyer) =>
    tills.pay(async () => {
      began.push(buyer);
      payingCount += 1;
      payingCountMax = Math.max(payingCountMax, payingCount);
      await Promise.resolve();
      payingCount -= 1;
      if (buyer % 4 === 0) throw new Error("declined");
    }),
  );
  const settled = await Promise.allSettled(payments);
  expect(payingCountMax).toBe(3);
  expect(began).toEqual(Array.from({ length: 20 }, (_, buyer) => buyer));
  expect(settled.filter((payment) => payment.status === "rejected")).toHaveLength(5);
});
