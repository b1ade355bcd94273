/**
 * Several processes, one PostgreSQL, one crowd: the limit and the stock hold to the unit, and every promise is kept.
 *
 * Half of the processes run on Bun and half on Node. Sessions are minted, since starting them is not what this is about.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Answer, expectAccepted, expectRefusal } from "../../support/answers.ts";
import { Buyer, freshKey, reserveUntilSoldOut } from "../../support/buyer-client.ts";
import { SessionMint } from "../../support/minted-session.ts";
import { type NodeProcess, startNodes } from "../../support/node-process.ts";
import { OPEN_LIMITS } from "../../support/open-limits.ts";
import { Operator, seat, waitForState } from "../../support/operator-client.ts";
import { PostgresCluster } from "../../support/postgres-cluster.ts";
import { payInSandbox } from "../../support/sandbox-checkout.ts";
import { mapBounded, range, waitUntil } from "../../support/waiting.ts";

setDefaultTimeout(240_000);

const BUYERS = 20_000;
const UNITS = 1_000;
const ATTEMPTS_OF_ONE = 500;
const CONCURRENCY = 200;
const SECRET = "one-secret-for-all-four-nodes-0123456789";
const ADMIN_TOKEN = "one-token-for-all-four-nodes";

let cluster: PostgresCluster;
let nodes: NodeProcess[];
let operator: Operator;
const mint = new SessionMint(SECRET);

beforeAll(async () => {
  cluster = await PostgresCluster.start();
  const env = {
    ...OPEN_LIMITS,
    LOG_LEVEL: "warn",
  };
  const shared = { databaseUrl: await cluster.createDatabase(), secret: SECRET, adminToken: ADMIN_TOKEN, env };
  nodes = await startNodes([
    { ...shared, runtime: "bun" },
    { ...shared, runtime: "node", roles: "api" },
    { ...shared, runtime: "bun", roles: "api" },
    { ...shared, runtime: "node", roles: "api" },
  ]);
  operator = new Operator(nodes[0] as NodeProcess);
});

afterAll(async () => {
  await Promise.all((nodes ?? []).map((node) => node.kill()));
  await cluster?.stop();
});

function urls(): string[] {
  return nodes.map((node) => node.buyerUrl);
}

function urlOf(turn: number): string {
  return (nodes[turn % nodes.length] as NodeProcess).buyerUrl;
}

test("sells exactly 2 units in 500 parallel attempts of one buyer over 4 processes with limit 2", async () => {
  const item = await operator.createSale({ items: [seat({ stock: 10_000 })], perBuyerMax: 2 }, urls());
  const session = mint.mint();
  const answers = await mapBounded(range(ATTEMPTS_OF_ONE), ATTEMPTS_OF_ONE, async (index) => {
    const buyer = new Buyer(urlOf(index), session);
    // A process that was just started takes little at once; who hears "busy" asks again with the same key.
    const ask = async () => await buyer.reserve(item, { key: `one-buyer-${index}` });
    return await waitUntil("an answer of the ledger", async () => {
      const answer = await ask();
      return answer.json?.reason === "busy" ? null : answer;
    });
  });
  const accepted = answers.filter((answer) => answer.status === 201);
  for (const answer of answers) if (answer.status !== 201) expectRefusal(answer, "limit_reached");
  expect(accepted).toHaveLength(2);
  expect(await operator.audit(item.saleId)).toMatchObject({ balanced: true, items: [{ held: 2, free: 9_998 }] });
});

test("makes what happens at one process true at all others: units given back, a pause, a ban", async () => {
  const item = await operator.createSale({ items: [seat({ stock: 1 })] }, urls());
  const holder = new Buyer(urlOf(0), mint.mint());
  const { rid } = expectAccepted(await holder.reserve(item));
  for (const url of urls()) expectRefusal(await new Buyer(url, mint.mint()).reserve(item), "empty");
  await holder.via(urlOf(1)).cancel(rid);
  const next = new Buyer(urlOf(2), mint.mint());
  await waitUntil("the unit to be sold by another process", async () => (await next.reserve(item)).status === 201);

  const ban = { kind: "buyer", subject: next.buyerId, reason: "a test" };
  await operator.must("POST", "/bans", ban);
  for (const url of urls()) {
    await waitUntil(`${url} to know the ban`, async () => (await next.via(url).reserve(item)).json.reason === "banned");
  }
  await operator.command(item.saleId, "pause");
  for (const url of urls()) {
    await waitForState(url, item.saleId, "paused");
    expectRefusal(await new Buyer(url, mint.mint()).reserve(item), "paused");
  }
});

test("sells exactly 1,000 units to 20,000 buyers over 4 processes, and repeats every promise also when sold out", async () => {
  const item = await operator.createSale({ items: [seat({ stock: UNITS })], perBuyerMax: 1 }, urls());
  const crowd = range(BUYERS).map((index) => ({ buyer: new Buyer(urlOf(index), mint.mint()), key: freshKey() }));
  const answers = await mapBounded(crowd, CONCURRENCY, async ({ buyer, key }) => await insist(buyer, item, key));
  const winners = crowd.flatMap((one, index) => {
    const answer = answers[index] as Answer;
    return answer.status === 201 ? [{ ...one, rid: expectAccepted(answer).rid as string }] : [];
  });
  for (const answer of answers) if (answer.status !== 201) expectRefusal(answer, "empty");
  expect([winners.length, new Set(winners.map(({ rid }) => rid)).size]).toEqual([UNITS, UNITS]);
  expect(await operator.audit(item.saleId)).toMatchObject({
    balanced: true,
    items: [{ held: UNITS, free: 0, sold: 0 }],
  });

  const proveAll = async (): Promise<void> => {
    await mapBounded(winners, CONCURRENCY, async ({ buyer, key, rid }, index) => {
      const again = expectAccepted(await buyer.via(urlOf(index + 1)).reserve(item, { key }), { replayed: true });
      expect(again.rid).toBe(rid);
    });
  };
  await proveAll();
  await mapBounded(winners, 32, async ({ buyer, rid }) => await payInSandbox(buyer, rid));
  await waitUntil("all to be paid", async () => (await operator.audit(item.saleId)).items[0].sold === UNITS, {
    withinMs: 60_000,
  });
  for (const url of urls()) await waitForState(url, item.saleId, "sold_out");
  for (const url of urls()) {
    expectRefusal(await reserveUntilSoldOut(new Buyer(url, mint.mint()), item), "sold_out", { retryAfter: false });
  }
  await proveAll();
  expect(await operator.audit(item.saleId)).toMatchObject({ balanced: true, violations: [], items: [{ sold: UNITS }] });
});

/** One buyer's attempt, repeated with the same key while the answer is "try again". */
async function insist(buyer: Buyer, item: { saleId: string; sku: string }, key: string): Promise<Answer> {
  const started = performance.now();
  for (;;) {
    const answer = await buyer.reserve(item, { key });
    const isTemporary = answer.json?.reason === "busy" || answer.json?.reason === "unavailable";
    if (!isTemporary || performance.now() - started > 60_000) return answer;
    expectRefusal(answer, answer.json.reason, { retryAfter: true });
    await new Promise((resolve) => setTimeout(resolve, answer.json.retryAfterMs));
  }
}
