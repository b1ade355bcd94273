/**
 * The same key and parameters always give the same reservation, whatever happened in between.
 */
import { expect, test } from "bun:test";
import { type Answer, expectAccepted, expectRefusal } from "../../support/answers.ts";
import { type Buyer, freshKey, reserveUntilSoldOut } from "../../support/buyer-client.ts";
import type { GetDeployment } from "../../support/deployment.ts";
import { seat, waitForState } from "../../support/operator-client.ts";
import { payInSandbox } from "../../support/sandbox-checkout.ts";
import { mapBounded, range, waitUntil } from "../../support/waiting.ts";

const PARALLEL = 100;

function expectSame(answer: Answer, first: { rid: string; holdUntil: number; quantity: number }): void {
  const again = expectAccepted(answer, { replayed: true });
  expect([again.rid, again.quantity]).toEqual([first.rid, first.quantity]);
}

async function paid(buyer: Buyer, rid: string): Promise<void> {
  await payInSandbox(buyer, rid);
  await waitUntil("the reservation to be paid", async () => (await buyer.find(rid)).json.status === "paid");
}

export function describeIdempotency(deployment: GetDeployment): void {
  test("makes one order of 100 parallel attempts with one key, and tells all of them the same rid", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const key = freshKey();
    const answers = await mapBounded(range(PARALLEL), PARALLEL, async () => await buyer.reserve(sale, { key }));
    const rids = new Set(answers.map((answer) => expectAccepted(answer).rid));
    expect(rids.size).toBe(1);
    expect(answers.filter((answer) => answer.headers.get("idempotent-replayed") === null).length).toBe(1);
    expect((await buyer.list(sale.saleId)).json.reservations).toHaveLength(1);
    const audit = await deployment().operator.audit(sale.saleId);
    expect([audit.balanced, audit.items[0].held]).toEqual([true, 1]);
  });

  test("answers the identical signed request, sent again, with the same rid", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const same = { key: freshKey(), nonce: freshKey(), timestamp: Date.now() };
    const first = expectAccepted(await buyer.reserve(sale, same), { replayed: false });
    expectSame(await buyer.reserve(sale, same), first);
    expectSame(await buyer.reserve(sale, same), first);
  });

  test("gives different buyers different rids for the same key", async () => {
    const sale = await deployment().sale();
    const key = freshKey();
    const one = expectAccepted(await (await deployment().guest()).reserve(sale, { key }), { replayed: false });
    const other = expectAccepted(await (await deployment().guest()).reserve(sale, { key }), { replayed: false });
    expect(other.rid).not.toBe(one.rid);
  });

  test("answers a retry of an accepted key with its rid after everything is taken, paid and sold out", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 1 })] });
    const buyer = await deployment().guest();
    const key = freshKey();
    const first = expectAccepted(await buyer.reserve(sale, { key }));
    const others = await Promise.all(range(5).map(async () => await deployment().guest()));
    for (const other of others) expectRefusal(await other.reserve(sale), "empty");
    expectSame(await buyer.reserve(sale, { key }), first);
    await paid(buyer, first.rid);
    await waitForState(deployment().buyerUrl, sale.saleId, "sold_out");
    for (const other of others) expectRefusal(await reserveUntilSoldOut(other, sale), "sold_out");
    expectSame(await buyer.reserve(sale, { key }), first);
  });

  test("answers a retry of an accepted key with its rid while the sale is paused and after it closed", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const key = freshKey();
    const first = expectAccepted(await buyer.reserve(sale, { key }));
    for (const [command, state] of [
      ["pause", "paused"],
      ["close", "closed"],
    ] as const) {
      await deployment().operator.command(sale.saleId, command);
      await waitForState(deployment().buyerUrl, sale.saleId, state);
      expectSame(await buyer.reserve(sale, { key }), first);
      expectRefusal(await (await deployment().guest()).reserve(sale), state);
      expectRefusal(await buyer.reserve(sale), state);
    }
  });

  test("refuses a key with other parameters, also for another item, and keeps what it stood for", async () => {
    const items = [seat({}), seat({ sku: "box", name: "A box" })];
    const sale = await deployment().sale({ items });
    const buyer = await deployment().guest();
    const key = freshKey();
    const first = expectAccepted(await buyer.reserve(sale, { key, quantity: 1 }));
    expectRefusal(await buyer.reserve(sale, { key, quantity: 2 }), "key_reused");
    expectRefusal(await buyer.reserve({ ...sale, sku: "box" }, { key, quantity: 1 }), "key_reused");
    expectSame(await buyer.reserve(sale, { key, quantity: 1 }), first);
  });

  test("says that an attempt has ended after its cancellation, and lets a new key buy", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const key = freshKey();
    const { rid } = expectAccepted(await buyer.reserve(sale, { key }));
    await buyer.cancel(rid);
    expectRefusal(await buyer.reserve(sale, { key }), "ended");
    expect(expectAccepted(await buyer.reserve(sale)).rid).not.toBe(rid);
  });

  test("does not remember a refusal: the key of a refused attempt can still win", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 1 })] });
    const winner = await deployment().guest();
    const loser = await deployment().guest();
    const { rid } = expectAccepted(await winner.reserve(sale));
    const key = freshKey();
    expectRefusal(await loser.reserve(sale, { key }), "empty");
    await winner.cancel(rid);
    await waitUntil("the returned unit to be sold again", async () => {
      const answer = await loser.reserve(sale, { key });
      return answer.status === 201;
    });
  });
}
