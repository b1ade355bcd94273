/**
 * Three nodes on one PostgreSQL and one edge Redis: what they share, and what is left when the edge is killed.
 *
 * The tests go from an edge that works to one that is dead, in this order.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { call, expectAccepted, expectRefusal } from "../support/answers.ts";
import { Buyer, freshKey } from "../support/buyer-client.ts";
import { solve } from "../support/challenges.ts";
import { type NodeProcess, startNodes } from "../support/node-process.ts";
import { Operator } from "../support/operator-client.ts";
import { PostgresCluster } from "../support/postgres-cluster.ts";
import { RedisServer } from "../support/redis-server.ts";
import { waitUntil } from "../support/waiting.ts";

setDefaultTimeout(90_000);

const PER_S = 10;
const SECONDS = 3;
const TICKETS = "/v1/events/tickets";

let cluster: PostgresCluster;
let edge: RedisServer;
let nodes: NodeProcess[] = [];
let operator: Operator;

beforeAll(async () => {
  [cluster, edge] = await Promise.all([
    PostgresCluster.start(),
    RedisServer.start({ appendOnly: false, settings: { maxmemory: "16mb", "maxmemory-policy": "volatile-ttl" } }),
  ]);
  const common = {
    databaseUrl: await cluster.createDatabase(),
    secret: "s".repeat(43),
    adminToken: "t".repeat(32),
    env: {
      EDGE_REDIS_URL: edge.url,
      RATE_BUYER_PER_S: `${PER_S}`,
      RATE_BUYER_PER_MIN: "0",
      RATE_IP_PER_S: "0",
      RATE_NETWORK_PER_S: "0",
      CHALLENGE_BITS: "9",
    },
  };
  // The first brings the schema up to date; one of the others runs on Node.
  nodes = await startNodes([{ ...common, runtime: "bun" }]);
  nodes.push(
    ...(await startNodes([
      { ...common, runtime: "bun" },
      { ...common, runtime: "node" },
    ])),
  );
  operator = new Operator(node(0));
}, 90_000);

afterAll(async () => {
  await Promise.all(nodes.map((one) => one.kill()));
  await Promise.all([edge?.stop(), cluster?.stop()]);
});

function node(index: number): NodeProcess {
  const found = nodes[index];
  if (found === undefined) throw new Error(`there is no node ${index}`);
  return found;
}

async function gaugeOf(name: string, index: number): Promise<number> {
  const page = await call(`${node(index).adminUrl}/metrics`);
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(page.text)?.[1] ?? Number.NaN);
}

/** One buyer asks all nodes as fast as they answer; how many attempts each let past its throttle. */
async function hammer(buyer: Buyer, item: { saleId: string; sku: string }): Promise<readonly number[]> {
  const endMs = performance.now() + SECONDS * 1_000;
  return await Promise.all(
    nodes.map(async ({ buyerUrl }) => {
      const there = buyer.via(buyerUrl);
      let passed = 0;
      while (performance.now() < endMs) {
        const answer = await there.reserve(item);
        if (answer.status === 429) await new Promise((resolve) => setTimeout(resolve, 10));
        else passed += 1;
      }
      return passed;
    }),
  );
}

const everywhere = () => nodes.map((one) => one.buyerUrl);

test("every node reaches the edge and says so", async () => {
  for (const index of nodes.keys()) {
    await waitUntil("the edge", async () => (await gaugeOf("doorbuster_edge_reachable", index)) === 1);
  }
});

test("one buyer who hammers all three nodes gets about one limit", async () => {
  const item = await operator.createSale({}, everywhere());
  const passed = await hammer(await Buyer.guest(node(0).buyerUrl), item);
  const sum = passed.reduce((total, count) => total + count, 0);
  const oneLimit = PER_S + SECONDS * PER_S;
  expect(sum).toBeGreaterThanOrEqual(oneLimit * 0.5);
  expect(sum).toBeLessThanOrEqual(oneLimit * 1.75);
});

/** A challenge of the sale, taken from the first node and solved, as the body of a request to any. */
async function solvedChallenge(buyer: Buyer, saleId: string): Promise<{ path: string; body: string }> {
  const { json } = await buyer.send({ method: "GET", path: `/v1/challenges/new?saleId=${saleId}` });
  const { token } = json.challenge;
  return { path: "/v1/challenges", body: JSON.stringify({ saleId, token, solution: solve(json.challenge) }) };
}

test("a solved challenge counts on one node, and its clearance on all", async () => {
  const item = await operator.createSale({ challenge: "always" }, everywhere());
  const buyer = await Buyer.guest(node(0).buyerUrl);
  // A machine that is too busy for the edge's deadline lets each node judge for itself; then another is tried.
  const clearance = await waitUntil("a solution to count once over all nodes", async () => {
    const solved = await solvedChallenge(buyer, item.saleId);
    const answers = await Promise.all(nodes.map((one) => buyer.via(one.buyerUrl).send(solved)));
    const cleared = answers.filter(({ status }) => status === 201);
    for (const answer of answers.filter(({ status }) => status !== 201)) expectRefusal(answer, "challenge_failed");
    return cleared.length === 1 ? (cleared[0]?.json.clearance as string) : null;
  });
  for (const { buyerUrl } of nodes) {
    const answer = await buyer
      .via(buyerUrl)
      .reserve(item, { key: "one-key-for-all-nodes", headers: { "X-Clearance": clearance } });
    expectAccepted(answer);
  }
});

/** A machine that is too busy for the edge's deadline falls back to local windows; then another request is tried. */
async function expectReplayRefusedEverywhere(): Promise<void> {
  const buyer = await Buyer.guest(node(0).buyerUrl);
  await waitUntil("a replay to be refused by every node", async () => {
    const request = { path: TICKETS, nonce: freshKey(), timestamp: Date.now() };
    expect((await buyer.send(request)).status).toBe(201);
    const answers = await Promise.all(nodes.map((one) => buyer.via(one.buyerUrl).send(request)));
    for (const answer of answers) expectRefusal(answer, "signature_replayed");
    return true;
  });
}

test("a signed request that one node has seen is no good on another, where a replay would do harm", async () => {
  await expectReplayRefusedEverywhere();
  const buyer = await Buyer.guest(node(2).buyerUrl);
  expect((await buyer.send({ path: TICKETS })).status).toBe(201);
});

test("a ban made on one node is in force on the others before their next poll", async () => {
  const item = await operator.createSale({}, everywhere());
  const delaysMs: number[] = [];
  for (let count = 0; count < 8; count += 1) {
    const buyer = await Buyer.guest(node(0).buyerUrl);
    const there = buyer.via(node(1 + (count % 2)).buyerUrl);
    await operator.must("POST", "/bans", { kind: "buyer", subject: buyer.buyerId, reason: "a bot" });
    const madeMs = performance.now();
    await waitUntil("the ban", async () => (await there.reserve(item)).json?.reason === "banned", { everyMs: 5 });
    delaysMs.push(performance.now() - madeMs);
  }
  delaysMs.sort((left, right) => left - right);
  expect(delaysMs[4]).toBeLessThan(200);
});

test("the figures of a page are shared, under a name that says nothing and not for ever", async () => {
  const { saleId } = await operator.createSale({}, everywhere());
  const look = () => Promise.all(nodes.map((one) => call(`${one.buyerUrl}/v1/sales/${saleId}`)));
  await waitUntil("figures to be shared", async () => {
    const documents = await look();
    expect(documents.map((answer) => answer.status)).toEqual([200, 200, 200]);
    return ((await edge.call("KEYS", "*:shared:*")) as string[]).length > 0;
  });
  for (const key of (await edge.call("KEYS", "*")) as string[]) {
    expect(key).not.toContain(saleId);
    expect(Number(await edge.call("PTTL", key))).not.toBe(-1);
  }
});

test("who guesses at an operator's password has one allowance, and not one on each node", async () => {
  const guess = async ({ adminUrl }: NodeProcess): Promise<number> => {
    const headers = { "Content-Type": "application/json", Origin: adminUrl };
    const body = JSON.stringify({ name: "root", password: "guessed at random", code: "123456" });
    return (await call(`${adminUrl}/v1/admin/sign-in`, { method: "POST", headers, body })).status;
  };
  const statuses: number[] = [];
  for (let tries = 0; tries < 24; tries += 1) {
    statuses.push(await guess(node(tries % nodes.length)));
    // Nodes tell each other ten times a second; a guesser who is as slow as that is no worse off than one who is not.
    await new Promise((resolve) => setTimeout(resolve, 120));
  }
  const judged = statuses.filter((status) => status !== 429).length;
  expect(judged).toBeGreaterThanOrEqual(5);
  expect(judged).toBeLessThanOrEqual(9);
});

test("with the edge killed in the middle, each node enforces its own limits and stays ready", async () => {
  const item = await operator.createSale({}, everywhere());
  const buyer = await Buyer.guest(node(0).buyerUrl);
  const hammering = hammer(buyer, item);
  await edge.kill();
  const passed = await hammering;
  for (const count of passed) expect(count).toBeLessThanOrEqual(PER_S + SECONDS * PER_S + PER_S * 0.5);
  for (const index of nodes.keys()) {
    expect(await gaugeOf("doorbuster_edge_reachable", index)).toBe(0);
    expect((await call(`${node(index).adminUrl}/readyz`)).status).toBe(200);
    const warnings = node(index)
      .output.split("\n")
      .filter((line) => line.includes("the edge Redis is away"));
    expect(warnings.length).toBeGreaterThanOrEqual(1);
    expect(warnings.length).toBeLessThanOrEqual(3);
  }
});

test("without the edge each node still refuses what it has seen itself, and sells", async () => {
  const buyer = await Buyer.guest(node(0).buyerUrl);
  const request = { path: TICKETS, nonce: "m".repeat(22), timestamp: Date.now() };
  expect((await buyer.send(request)).status).toBe(201);
  expectRefusal(await buyer.send(request), "signature_replayed");
  expect((await buyer.via(node(1).buyerUrl).send(request)).status).toBe(201);
  expectAccepted(await buyer.reserve(await operator.createSale({}, everywhere())));
});

test("without the edge a solved challenge still counts once on a node, and nothing is sold without one", async () => {
  const item = await operator.createSale({ challenge: "always" }, everywhere());
  const buyer = await Buyer.guest(node(0).buyerUrl);
  expectRefusal(await buyer.reserve(item), "challenge_required");
  const solved = await solvedChallenge(buyer, item.saleId);
  const cleared = await buyer.send(solved);
  expect(cleared.status).toBe(201);
  expectRefusal(await buyer.send(solved), "challenge_failed");
  expectAccepted(await buyer.reserve(item, { headers: { "X-Clearance": cleared.json.clearance } }));
});

test("an edge that is back is used again, by nodes that were not restarted", async () => {
  await edge.startServer();
  for (const index of nodes.keys()) {
    await waitUntil("the edge", async () => (await gaugeOf("doorbuster_edge_reachable", index)) === 1);
  }
  await expectReplayRefusedEverywhere();
});
