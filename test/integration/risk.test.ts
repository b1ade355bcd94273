/**
 * What a node does about those who hold without paying, who fail challenges, and whom its operators trust: from outside.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Answer } from "../support/answers.ts";
import { Buyer } from "../support/buyer-client.ts";
import { Deployment } from "../support/deployment.ts";
import { OPEN_LIMITS } from "../support/open-limits.ts";
import { seat } from "../support/operator-client.ts";
import { waitUntil } from "../support/waiting.ts";

setDefaultTimeout(60_000);

const HOLD_MS = 6_000;
/** As many as the default model bans for. */
const FAILURES = 30;

let deployment: Deployment;

beforeAll(async () => {
  const env = OPEN_LIMITS;
  deployment = await Deployment.start({ database: "pglite", runtime: "bun" }, env);
}, 60_000);

afterAll(() => deployment?.stop());

const bansOf = async (subject: string): Promise<readonly { id: string; effect: string; origin: string }[]> => {
  const { bans } = await deployment.operator.must("GET", "/bans");
  return bans.filter((ban: { subject: string }) => ban.subject === subject);
};

async function statusOf(buyer: Buyer, rid: string): Promise<string> {
  return (await buyer.find(rid)).json.status;
}

describe("whoever lets a hold run out", () => {
  test("waits as long as he held, while the unit goes to somebody else; who is exempt does not wait", async () => {
    const sale = await deployment.sale({ holdMs: HOLD_MS, items: [seat({ stock: 2 })] });
    const [dropper, trusted, other] = [deployment.mintedGuest(), deployment.mintedGuest(), deployment.mintedGuest()];
    const exemption = { kind: "buyer", subject: trusted.buyerId, effect: "exempt", reason: "our own office" };
    await deployment.operator.must("POST", "/bans", exemption);
    const rids = new Map<Buyer, string>();
    for (const buyer of [dropper, trusted]) {
      const held = await buyer.reserve(sale);
      expect(held.status).toBe(201);
      rids.set(buyer, held.json.rid);
    }
    await waitUntil("the hold to end", async () => (await statusOf(dropper, rids.get(dropper) ?? "")) === "expired", {
      withinMs: 4 * HOLD_MS,
    });
    const again = await dropper.reserve(sale);
    expect(again.json).toMatchObject({ status: 429, reason: "throttled", rule: "cool_down" });
    expect(again.json.retryAfterMs).toBeGreaterThan(0);
    expect(again.json.retryAfterMs).toBeLessThanOrEqual(HOLD_MS);
    expect(await bansOf(dropper.buyerId)).toMatchObject([{ effect: "cool_down", origin: "automatic" }]);
    await waitUntil("a unit for the other", async () => (await other.reserve(sale)).status === 201);
    await waitUntil("the trusted one's hold to end", async () => {
      return (await statusOf(trusted, rids.get(trusted) ?? "")) === "expired";
    });
    await waitUntil("a unit for the trusted one", async () => (await trusted.reserve(sale)).status === 201);
    // He can still see what he had.
    expect((await dropper.list(sale.saleId)).status).toBe(200);
  });
});

describe("whoever fails challenge after challenge", () => {
  async function fail(buyer: Buyer, saleId: string): Promise<Answer> {
    const given = await buyer.send({ method: "GET", path: `/v1/challenges/new?saleId=${saleId}` });
    const solution = Array.from({ length: 16 }, () => "1").join(".");
    const body = JSON.stringify({ saleId, token: given.json.challenge.token, solution });
    return await buyer.send({ path: "/v1/challenges", body });
  }

  test("is banned for a while by rule, and not again once an operator has lifted it", async () => {
    const sale = await deployment.sale({ challenge: "always" });
    const bot = deployment.mintedGuest();
    for (let times = 0; times < FAILURES + 5; times += 1) {
      expect((await fail(bot, sale.saleId)).json.reason).toBe("challenge_failed");
    }
    await waitUntil("the ban", async () => (await bot.reserve(sale)).json.reason === "banned");
    const [ban] = await bansOf(bot.buyerId);
    expect(ban).toMatchObject({ effect: "refuse", origin: "automatic", reason: expect.stringContaining("challenges") });
    await deployment.operator.send("DELETE", `/bans/${ban?.id}`);
    await waitUntil("the lifting", async () => (await bot.reserve(sale)).json.reason !== "banned");
    for (let times = 0; times < FAILURES; times += 1) await fail(bot, sale.saleId);
    const risk = await waitUntil(
      "the report",
      async () => {
        const document = await deployment.operator.must("GET", "/risk");
        const suspects = document.processes.flatMap(
          (process: { report: { suspects: unknown[] } }) => process.report.suspects,
        );
        return suspects.find((suspect: { buyerId: string }) => suspect.buyerId === bot.buyerId) ?? null;
      },
      { withinMs: 30_000 },
    );
    expect(risk.causes).toContain("failed_challenges");
    expect(await bansOf(bot.buyerId)).toEqual([]);
  });
});

describe("a device", () => {
  test("that an operator bans is banned in whatever account it comes", async () => {
    const sale = await deployment.sale();
    const device = "abcdefghijkl";
    const accounts = [1, 2].map(() => new Buyer(deployment.buyerUrl, deployment.mint.mint({ device })));
    await deployment.operator.must("POST", "/bans", { kind: "device", subject: device, reason: "a farm" });
    for (const account of accounts) {
      await waitUntil("the ban", async () => (await account.reserve(sale)).json.reason === "banned");
    }
    expect((await deployment.mintedGuest().reserve(sale)).status).toBe(201);
  });
});
