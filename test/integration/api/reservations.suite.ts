/**
 * What a buyer can do with what he won: read it, and give it back. Nobody else can do either.
 */
import { expect, test } from "bun:test";
import { expectAccepted, expectNotFound, expectRefusal } from "../../support/answers.ts";
import { freshKey, reservationsPath } from "../../support/buyer-client.ts";
import type { GetDeployment } from "../../support/deployment.ts";
import { seat, waitForState } from "../../support/operator-client.ts";
import { mapBounded, range, waitUntil } from "../../support/waiting.ts";

const MEMBERS = ["amount", "createdAt", "holdUntil", "quantity", "rid", "saleId", "sku", "status", "updatedAt"];

function describeOwnership(deployment: GetDeployment): void {
  test("shows a reservation to its owner as the contract says", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const sentAt = Date.now();
    const accepted = expectAccepted(await buyer.reserve(sale, { quantity: 2 }));
    const answer = await buyer.find(accepted.rid);
    expect([answer.status, answer.headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(Object.keys(answer.json).sort()).toEqual(MEMBERS);
    expect(answer.json).toMatchObject({
      rid: accepted.rid,
      saleId: sale.saleId,
      sku: "seat",
      quantity: 2,
      status: "held",
      holdUntil: accepted.holdUntil,
      amount: { amount: 9_800, currency: "EUR" },
    });
    expect(answer.json.createdAt).toBeGreaterThanOrEqual(sentAt - 1_000);
    expect(answer.json.holdUntil - answer.json.createdAt).toBe(600_000);
    expect((await buyer.list(sale.saleId)).json.reservations).toEqual([answer.json]);
  });

  test("shows and gives a reservation to nobody else, and does not say that it exists", async () => {
    const sale = await deployment().sale();
    const owner = await deployment().guest();
    const stranger = await deployment().guest();
    const { rid } = expectAccepted(await owner.reserve(sale));
    const unknown = await stranger.find("no-such-reservation-00000000");
    for (const answer of [
      await stranger.find(rid),
      await stranger.cancel(rid),
      await stranger.checkout(rid),
      unknown,
    ]) {
      expectNotFound(answer);
      expect(answer.text).toBe(unknown.text);
    }
    expect((await stranger.list(sale.saleId)).json.reservations).toEqual([]);
    expect((await owner.find(rid)).json.status).toBe("held");
  });

  test("asks for a session on every route that is about reservations", async () => {
    const buyer = await deployment().guest();
    const rid = "any-reservation";
    const nameless = { headers: { Authorization: null }, isUnsigned: true };
    for (const request of [
      { method: "GET", path: `/v1/reservations/${rid}` },
      { method: "GET", path: "/v1/reservations" },
      { method: "DELETE", path: `/v1/reservations/${rid}` },
      { method: "POST", path: `/v1/reservations/${rid}/checkout` },
      { method: "GET", path: "/v1/events" },
      { method: "POST", path: "/v1/events/tickets" },
    ]) {
      expectRefusal(await buyer.send({ ...request, ...nameless }), "session_missing");
    }
  });

  test("answers a method that a path does not have with a problem document", async () => {
    const { saleId } = await deployment().sale();
    const buyer = await deployment().guest();
    for (const [method, path] of [
      ["PUT", "/v1/sessions"],
      ["DELETE", `/v1/sales/${saleId}`],
      ["GET", reservationsPath({ saleId, sku: "seat" })],
      ["PATCH", "/v1/reservations"],
    ] as const) {
      const answer = await buyer.send({ method, path });
      expect([404, 405], `${method} ${path}: ${answer.status}`).toContain(answer.status);
      expect(answer.headers.get("content-type")).toMatch(/^application\/problem\+json/);
    }
  });
}

function describeCancel(deployment: GetDeployment): void {
  test("gives the units of a cancelled hold to the next buyer, after everybody was told that all are taken", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 2 })] });
    const first = await deployment().guest();
    const { rid } = expectAccepted(await first.reserve(sale, { quantity: 2 }));
    const others = range(10).map(() => deployment().mintedGuest());
    for (const other of others) expectRefusal(await other.reserve(sale), "empty");
    await waitForState(deployment().buyerUrl, sale.saleId, "empty");
    const cancelled = await first.cancel(rid);
    expect([cancelled.status, cancelled.json.status]).toEqual([200, "cancelled"]);
    const winners = new Set<string>();
    await waitUntil("both units to be sold again", async () => {
      for (const other of others) if ((await other.reserve(sale)).status === 201) winners.add(other.buyerId);
      return (await deployment().operator.audit(sale.saleId)).items[0].held === 2;
    });
    const audit = await deployment().operator.audit(sale.saleId);
    expect([audit.balanced, audit.items[0].free, winners.size > 0]).toEqual([true, 0, true]);
    await waitForState(deployment().buyerUrl, sale.saleId, "empty");
  });

  test("cancels once, however often and however parallel it is asked to", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const { rid } = expectAccepted(await buyer.reserve(sale, { quantity: 2 }));
    const answers = await mapBounded(range(20), 20, async () => await buyer.cancel(rid));
    for (const answer of answers) expect([answer.status, answer.json.status]).toEqual([200, "cancelled"]);
    expect((await buyer.cancel(rid)).json.status).toBe("cancelled");
    const audit = await deployment().operator.audit(sale.saleId);
    expect([audit.balanced, audit.items[0].free, audit.items[0].held]).toEqual([true, 10, 0]);
  });

  test("frees the buyer's limit with the hold", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const { rid } = expectAccepted(await buyer.reserve(sale, { quantity: 2 }));
    expectRefusal(await buyer.reserve(sale), "limit_reached");
    await buyer.cancel(rid);
    expectAccepted(await buyer.reserve(sale, { quantity: 2 }));
  });

  test("gives a hold that nobody paid back to the sale by itself, and says that it expired", async () => {
    const sale = await deployment().sale({ holdMs: 1_000, items: [seat({ stock: 1 })] });
    const buyer = await deployment().guest();
    const key = freshKey();
    const { rid } = expectAccepted(await buyer.reserve(sale, { key }));
    const next = await deployment().guest();
    expectRefusal(await next.reserve(sale), "empty");
    await waitUntil("the hold to expire", async () => (await buyer.find(rid)).json.status === "expired");
    expectRefusal(await buyer.reserve(sale, { key }), "ended");
    await waitUntil("the unit to be for sale again", async () => (await next.reserve(sale)).status === 201);
    expect((await deployment().operator.audit(sale.saleId)).balanced).toBe(true);
  });
}

function describeSelling(deployment: GetDeployment): void {
  test("refuses the eleventh unit when ten were stocked, under 200 concurrent buyers", async () => {
    const sale = await deployment().sale();
    const buyers = range(200).map(() => deployment().mintedGuest());
    const answers = await mapBounded(buyers, 200, async (buyer) => await buyer.reserve(sale));
    const accepted = answers.filter((answer) => answer.status === 201);
    expect(new Set(accepted.map((answer) => answer.json.rid)).size).toBe(10);
    expect(accepted).toHaveLength(10);
    for (const answer of answers) if (answer.status !== 201) expectRefusal(answer, "empty", { retryAfter: true });
    const audit = await deployment().operator.audit(sale.saleId);
    expect(audit).toMatchObject({ balanced: true, violations: [], items: [{ total: 10, free: 0, held: 10, sold: 0 }] });
  });

  test("sells exactly the limit to one buyer who tries 50 times at once with different keys", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 100 })] });
    const buyer = await deployment().guest();
    const answers = await mapBounded(range(50), 50, async () => await buyer.reserve(sale));
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(2);
    for (const answer of answers) if (answer.status !== 201) expectRefusal(answer, "limit_reached");
  });

  test("keeps the items of a sale apart", async () => {
    const items = [seat({ stock: 1 }), seat({ sku: "box", name: "A box", stock: 5 })];
    const sale = await deployment().sale({ items });
    expectAccepted(await (await deployment().guest()).reserve(sale));
    expectRefusal(await (await deployment().guest()).reserve(sale), "empty");
    expectAccepted(await (await deployment().guest()).reserve({ ...sale, sku: "box" }));
    await waitForState(deployment().buyerUrl, sale.saleId, "open");
  });
}

export function describeReservations(deployment: GetDeployment): void {
  describeOwnership(deployment);
  describeCancel(deployment);
  describeSelling(deployment);
}
