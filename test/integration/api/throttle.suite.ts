/**
 * Limits and bans, on a node with the contract's defaults: five attempts a second and 100 a minute for a buyer, fifty
 * a second for an address.
 */
import { expect, test } from "bun:test";
import { call, expectAccepted, expectRefusal } from "../../support/answers.ts";
import { type Buyer, freshKey } from "../../support/buyer-client.ts";
import type { GetDeployment } from "../../support/deployment.ts";
import { seat } from "../../support/operator-client.ts";
import { mapBounded, range, waitUntil } from "../../support/waiting.ts";

const BUYER_PER_S = 5;
const IP_PER_S = 50;

/** Headers of a client behind the trusted proxy. */
function from(address: string): { headers: Record<string, string> } {
  return { headers: { "X-Forwarded-For": address } };
}

let addresses = 0;

/** An address that no other test comes from. */
function freshAddress(): string {
  addresses += 1;
  return `198.18.${Math.floor(addresses / 250)}.${(addresses % 250) + 1}`;
}

export function describeThrottle(deployment: GetDeployment): void {
  test("throttles a buyer beyond five attempts a second, says when to come back, and means it", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 100 })] });
    const buyer = await deployment().guest();
    const where = from(freshAddress());
    // With one key they are one attempt; with several they would wait for each other.
    const attempt = { ...where, key: freshKey() };
    const answers = await mapBounded(range(40), 40, async () => await buyer.reserve(sale, attempt));
    for (const answer of answers) if (answer.status === 429) expectRefusal(answer, "throttled", { retryAfter: true });
    // Whoever came while another of his attempts was under way had room in the limit.
    const throttled = answers.filter(({ status, json }) => status === 429 && json.rule === undefined);
    expect(throttled.length).toBeGreaterThanOrEqual(40 - 3 * BUYER_PER_S);
    expect(throttled.length).toBeLessThanOrEqual(40 - BUYER_PER_S);
    const advised = Math.max(...throttled.map((answer) => answer.json.retryAfterMs as number));
    const refusedAt = performance.now();
    await waitUntil("the advice to have passed", () => performance.now() > refusedAt + advised);
    expect((await buyer.reserve(sale, where)).status).not.toBe(429);
  });

  test("throttles one buyer without touching another at the same address", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 100 })] });
    const where = from(freshAddress());
    const eager = await deployment().guest();
    const patient = await deployment().guest();
    const answers = await mapBounded(range(20), 20, async () => await eager.reserve(sale, where));
    expect(answers.some((answer) => answer.status === 429)).toBe(true);
    expectAccepted(await patient.reserve(sale, where));
  });

  test("throttles an address beyond its limit, whoever comes from it, and no other address", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 1_000 })] });
    const where = from(freshAddress());
    const crowd = range(150).map(() => deployment().mintedGuest());
    const answers = await mapBounded(crowd, 50, async (buyer) => await buyer.reserve(sale, where));
    const throttled = answers.filter((answer) => answer.status === 429);
    expect(throttled.length).toBeGreaterThan(0);
    expect(answers.length - throttled.length).toBeGreaterThanOrEqual(IP_PER_S);
    for (const answer of throttled) expectRefusal(answer, "throttled", { retryAfter: true });
    expectAccepted(await deployment().mintedGuest().reserve(sale, from(freshAddress())));
  });

  test("throttles sessions from one address, so that nobody makes buyers faster than attempts", async () => {
    const where = freshAddress();
    const answers = await mapBounded(range(200), 50, async () => {
      return await call(`${deployment().buyerUrl}/v1/sessions`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Forwarded-For": where },
        body: '{"kind":"guest"}',
      });
    });
    const throttled = answers.filter((answer) => answer.status !== 201);
    expect(throttled.length).toBeGreaterThan(0);
    for (const answer of throttled) expectRefusal(answer, "throttled", { retryAfter: true });
  });

  test("counts an IPv6 network of 64 bits as one address", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 1_000 })] });
    const crowd = range(150).map(() => deployment().mintedGuest());
    const answers = await mapBounded(crowd, 50, async (buyer, index) => {
      return await buyer.reserve(sale, from(`2001:db8:0:7::${index.toString(16)}`));
    });
    expect(answers.filter((answer) => answer.status === 429).length).toBeGreaterThan(0);
    expectAccepted(await deployment().mintedGuest().reserve(sale, from("2001:db8:0:8::1")));
  });

  test("keys on the address that the trusted proxy added, not on what a client claims before it", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 1_000 })] });
    const real = freshAddress();
    const crowd = range(150).map(() => deployment().mintedGuest());
    const answers = await mapBounded(crowd, 50, async (buyer, index) => {
      return await buyer.reserve(sale, from(`10.${index}.1.1, ${real}`));
    });
    expect(answers.filter((answer) => answer.status === 429).length).toBeGreaterThan(0);
  });

  test("keeps a banned buyer and a banned address out, and lets them in when the ban is lifted", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 100 })], perBuyerMax: 50 });
    const { operator } = deployment();
    const address = freshAddress();
    const cases: ReadonlyArray<readonly [string, string, Buyer]> = await Promise.all([
      deployment()
        .guest()
        .then((buyer) => ["buyer", buyer.buyerId, buyer] as const),
      deployment()
        .guest()
        .then((buyer) => ["ip", address, buyer] as const),
    ]);
    for (const [kind, subject, buyer] of cases) {
      const where = from(kind === "ip" ? address : freshAddress());
      const ban = await operator.must("POST", "/bans", { kind, subject, reason: "a scalper" });
      const { bans } = await operator.must("GET", "/bans");
      expect(bans.map((each: { id: string }) => each.id)).toContain(ban.id);
      await waitUntil(
        "the ban to hold",
        async () => {
          const answer = await buyer.reserve(sale, where);
          return answer.status === 403 && expectRefusal(answer, "banned", { retryAfter: false });
        },
        { everyMs: 250 },
      );
      expect((await operator.send("DELETE", `/bans/${ban.id}`)).status).toBeLessThan(300);
      await waitUntil("the ban to be lifted", async () => (await buyer.reserve(sale, where)).status === 201, {
        everyMs: 250,
      });
      expect((await operator.send("DELETE", `/bans/${ban.id}`)).status).toBe(404);
    }
  });
}
