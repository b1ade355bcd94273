/**
 * Every row of the contract's refusal table that a healthy node can be made to answer, provoked over HTTP.
 *
 * `busy` and `unavailable` need a database that stalls (faults/postgres-outage), `draining` a node that goes away
 * (faults/life-of-a-node), `throttled` the default limits (throttle.suite). Three rows belong to defences that a sale
 * cannot switch on yet; that creation refuses them is checked in operator.suite. `internal` would be a bug.
 */
import { expect, test } from "bun:test";
import { type Answer, expectAccepted, expectRefusal, type Reason } from "../../support/answers.ts";
import { Buyer, freshKey, reserveUntilSoldOut } from "../../support/buyer-client.ts";
import type { Deployment, GetDeployment } from "../../support/deployment.ts";
import { seat, waitForState } from "../../support/operator-client.ts";
import { payInSandbox } from "../../support/sandbox-checkout.ts";
import { shopToken } from "../../support/shop-login.ts";
import { waitUntil } from "../../support/waiting.ts";

const HOUR_MS = 3_600_000;

type ProvokedElsewhere =
  | "busy"
  | "draining"
  | "throttled"
  | "unavailable"
  | "pass_required"
  | "challenge_required"
  | "challenge_failed"
  | "internal";

interface Provocation {
  /** True when the document must carry advice, false when it must not. */
  readonly retryAfter: boolean;
  provoke(deployment: Deployment): Promise<Answer>;
}

async function attempt(deployment: Deployment, overrides: Parameters<Buyer["reserve"]>[1]): Promise<Answer> {
  const sale = await deployment.sale();
  return await (await deployment.guest()).reserve(sale, overrides);
}

const PROVOCATIONS: Record<Exclude<Reason, ProvokedElsewhere>, Provocation> = {
  payload_too_large: {
    retryAfter: false,
    provoke: async (deployment) => await attempt(deployment, { body: `{"quantity":1${" ".repeat(4_096)}}` }),
  },
  malformed: { retryAfter: false, provoke: async (deployment) => await attempt(deployment, { body: "{" }) },
  no_such_sale: {
    retryAfter: false,
    provoke: async (deployment) => await (await deployment.guest()).reserve({ saleId: "no-such-sale", sku: "seat" }),
  },
  no_such_item: {
    retryAfter: false,
    provoke: async (deployment) =>
      await (await deployment.guest()).reserve({ ...(await deployment.sale()), sku: "no-such-item" }),
  },
  not_open: {
    retryAfter: true,
    provoke: async (deployment) => {
      const sale = await deployment.sale({ opensAt: Date.now() + HOUR_MS, closesAt: Date.now() + 2 * HOUR_MS });
      return await (await deployment.guest()).reserve(sale);
    },
  },
  paused: {
    retryAfter: true,
    provoke: async (deployment) => {
      const sale = await deployment.sale();
      await deployment.operator.command(sale.saleId, "pause");
      await waitForState(deployment.buyerUrl, sale.saleId, "paused");
      return await (await deployment.guest()).reserve(sale);
    },
  },
  closed: {
    retryAfter: false,
    provoke: async (deployment) => {
      const sale = await deployment.sale();
      await deployment.operator.command(sale.saleId, "close");
      await waitForState(deployment.buyerUrl, sale.saleId, "closed");
      return await (await deployment.guest()).reserve(sale);
    },
  },
  pass_invalid: {
    retryAfter: false,
    provoke: async (deployment) =>
      await attempt(deployment, { headers: { "x-pass": "p1.forged", Authorization: null, "X-Signature": null } }),
  },
  session_missing: {
    retryAfter: false,
    provoke: async (deployment) => await attempt(deployment, { headers: { Authorization: null } }),
  },
  session_invalid: {
    retryAfter: false,
    provoke: async (deployment) => await attempt(deployment, { headers: { Authorization: "Bearer s2.not.a.token" } }),
  },
  session_expired: {
    retryAfter: false,
    provoke: async (deployment) => {
      const sale = await deployment.sale();
      const ended = deployment.mint.mint({ expiresAt: Date.now() - 1_000 });
      return await new Buyer(deployment.buyerUrl, ended).reserve(sale);
    },
  },
  signature_missing: {
    retryAfter: false,
    provoke: async (deployment) => await attempt(deployment, { isUnsigned: true }),
  },
  signature_invalid: {
    retryAfter: false,
    provoke: async (deployment) => await attempt(deployment, { headers: { "X-Signature": "A".repeat(43) } }),
  },
  signature_stale: {
    retryAfter: false,
    provoke: async (deployment) => await attempt(deployment, { timestamp: Date.now() - 31_000 }),
  },
  signature_replayed: {
    retryAfter: false,
    provoke: async (deployment) => {
      const sale = await deployment.sale();
      const buyer = await deployment.guest();
      const nonce = "a-nonce-used-twice-0001";
      expectAccepted(await buyer.reserve(sale, { nonce }));
      return await buyer.reserve(sale, { nonce });
    },
  },
  banned: {
    retryAfter: false,
    provoke: async (deployment) => {
      const sale = await deployment.sale();
      const buyer = await deployment.guest();
      const ban = { kind: "buyer", subject: buyer.buyerId, reason: "a test" };
      await deployment.operator.must("POST", "/bans", ban);
      return await waitUntil("the ban to hold", async () => {
        const answer = await buyer.reserve(sale);
        return answer.status === 403 ? answer : null;
      });
    },
  },
  sold_out: {
    retryAfter: false,
    provoke: async (deployment) => {
      const sale = await soldOutSale(deployment);
      return await reserveUntilSoldOut(await deployment.guest(), sale);
    },
  },
  empty: {
    retryAfter: true,
    provoke: async (deployment) => {
      const sale = await deployment.sale({ items: [seat({ stock: 1 })] });
      expectAccepted(await (await deployment.guest()).reserve(sale));
      return await (await deployment.guest()).reserve(sale);
    },
  },
  not_eligible: {
    retryAfter: false,
    provoke: async (deployment) => {
      const sale = await deployment.sale({ eligibility: { levelMin: 3 } });
      return await (await deployment.guest()).reserve(sale);
    },
  },
  limit_reached: {
    retryAfter: false,
    provoke: async (deployment) => {
      const sale = await deployment.sale();
      const buyer = await deployment.guest();
      expectAccepted(await buyer.reserve(sale, { quantity: 2 }));
      return await buyer.reserve(sale, { quantity: 1 });
    },
  },
  bad_quantity: {
    retryAfter: false,
    provoke: async (deployment) => await attempt(deployment, { quantity: 3 }),
  },
  key_reused: {
    retryAfter: false,
    provoke: async (deployment) => {
      const sale = await deployment.sale();
      const buyer = await deployment.guest();
      const key = freshKey();
      expectAccepted(await buyer.reserve(sale, { key, quantity: 1 }));
      return await buyer.reserve(sale, { key, quantity: 2 });
    },
  },
  ended: {
    retryAfter: false,
    provoke: async (deployment) => {
      const sale = await deployment.sale();
      const buyer = await deployment.guest();
      const key = freshKey();
      const { rid } = expectAccepted(await buyer.reserve(sale, { key }));
      expect((await buyer.cancel(rid)).json.status).toBe("cancelled");
      return await buyer.reserve(sale, { key });
    },
  },
};

/** A sale of one unit that is paid for. */
async function soldOutSale(deployment: Deployment): Promise<{ saleId: string; sku: string }> {
  const sale = await deployment.sale({ items: [seat({ stock: 1 })] });
  const buyer = await deployment.guest();
  const { rid } = expectAccepted(await buyer.reserve(sale));
  await payInSandbox(buyer, rid);
  await waitUntil("the unit to be paid", async () => (await buyer.find(rid)).json.status === "paid");
  return sale;
}

export function describeRefusals(deployment: GetDeployment): void {
  for (const [reason, { provoke, retryAfter }] of Object.entries(PROVOCATIONS)) {
    test(`answers ${reason} as the contract's table says, field by field`, async () => {
      const answer = await provoke(deployment());
      expectRefusal(answer, reason as Reason, { retryAfter });
    });
  }

  test("tells an early bird when the sale opens and what time it is, by the server's clock", async () => {
    const opensAt = Date.now() + HOUR_MS;
    const sale = await deployment().sale({ opensAt, closesAt: opensAt + HOUR_MS });
    const sentAt = Date.now();
    const problem = expectRefusal(await (await deployment().guest()).reserve(sale), "not_open");
    expect(problem.opensAt).toBe(opensAt);
    expect(problem.serverNow).toBeGreaterThanOrEqual(sentAt - 1_000);
    expect(problem.serverNow).toBeLessThanOrEqual(Date.now() + 1_000);
  });

  test("names the rule that a buyer does not meet, and admits one who meets it", async () => {
    const sale = await deployment().sale({ eligibility: { levelMin: 3 } });
    const problem = expectRefusal(await (await deployment().guest()).reserve(sale), "not_eligible");
    expect(typeof problem.rule).toBe("string");
    const member = await Buyer.login(deployment().buyerUrl, shopToken({ sub: freshKey(), level: 3 }));
    expectAccepted(await member.reserve(sale));
    const novice = await Buyer.login(deployment().buyerUrl, shopToken({ sub: freshKey(), level: 2 }));
    expectRefusal(await novice.reserve(sale), "not_eligible");
  });

  test("asks for nothing but the path to say that a sale does not exist, is early or is over", async () => {
    const nobody = new Buyer(deployment().buyerUrl, { token: "", signingKey: "", buyerId: "", expiresAt: 0 });
    const bare = { headers: { Authorization: null }, isUnsigned: true };
    expectRefusal(await nobody.reserve({ saleId: "nowhere", sku: "seat" }, bare), "no_such_sale");
    const later = await deployment().sale({ opensAt: Date.now() + HOUR_MS, closesAt: Date.now() + 2 * HOUR_MS });
    expectRefusal(await nobody.reserve(later, bare), "not_open");
  });

  test("never lets an intermediary keep a refusal", async () => {
    const answer = await attempt(deployment(), { isUnsigned: true });
    expect(answer.headers.get("cache-control")).toContain("no-store");
  });
}
