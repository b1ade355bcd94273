/**
 * One deployment, one SECRET: a node with another is found out when it starts, and changing it node by node still works.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { expectAccepted } from "../support/answers.ts";
import { Buyer } from "../support/buyer-client.ts";
import { type EndedProcess, NodeProcess, runToEnd } from "../support/node-process.ts";
import { Operator, seat } from "../support/operator-client.ts";
import { PostgresCluster } from "../support/postgres-cluster.ts";

setDefaultTimeout(90_000);

const ADMIN_TOKEN = randomBytes(32).toString("base64url");
const [OLD, NEW, OTHER] = ["o", "n", "x"].map((letter) => letter.repeat(43)) as [string, string, string];

let cluster: PostgresCluster;
let databaseUrl: string;
let running: NodeProcess[];

beforeAll(async () => {
  cluster = await PostgresCluster.start();
});
beforeEach(async () => {
  databaseUrl = await cluster.createDatabase();
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((node) => node.kill()));
});
afterAll(async () => {
  await cluster?.stop();
});

async function start(secret: string, previous = ""): Promise<NodeProcess> {
  const env = { SECRET_PREVIOUS: previous };
  const node = await NodeProcess.start({ runtime: "bun", databaseUrl, secret, adminToken: ADMIN_TOKEN, env });
  running.push(node);
  return node;
}

async function refuse(secret: string, previous = ""): Promise<EndedProcess> {
  const own = { DATABASE_URL: databaseUrl, SECRET: secret, SECRET_PREVIOUS: previous, ADMIN_TOKEN };
  const env = { ...own, PORT: "0", ADMIN_PORT: "0" };
  const ended = await runToEnd({ runtime: "bun", args: ["serve"], env });
  expect(ended.code, ended.output).not.toBe(0);
  expect(ended.output).not.toContain(secret);
  return ended;
}

test("a node with another SECRET does not start, and says which variable differs and how it is changed", async () => {
  await start(OLD);
  const { output } = await refuse(NEW);
  expect(output).toMatch(/SECRET here has the kid \S{4}, the deployment's the kid \S{4}/);
  expect(output).toMatch(/set SECRET_PREVIOUS to that one.*operators\.md/);
  expect((await refuse(NEW, OTHER)).output).toMatch(/SECRET_PREVIOUS here the kid \S{4}\. Neither is the one/);
  await start(OLD);
});

test("SECRET is changed on two nodes, one after the other, while either may start again at every step", async () => {
  let [one, two] = [await start(OLD), await start(OLD)];
  const { saleId, sku } = await new Operator(one).createSale({ items: [seat({ stock: 100 })] }, [one.buyerUrl]);
  const early = await Buyer.guest(one.buyerUrl);
  const step = async (secret: string, previous: string) => {
    for (const which of ["one", "two", "one"] as const) {
      const was = which === "one" ? one : two;
      await was.stop();
      const is = await start(secret, previous);
      [one, two] = which === "one" ? [is, two] : [one, is];
      const late = await Buyer.guest(is.buyerUrl);
      // Whoever began on one node is known on the other, all the way.
      for (const node of [one, two]) {
        expectAccepted(await new Buyer(node.buyerUrl, late.session).reserve({ saleId, sku }));
      }
    }
  };
  await step(OLD, NEW);
  await step(NEW, OLD);
  expectAccepted(await new Buyer(two.buyerUrl, early.session).reserve({ saleId, sku }));
  // In the middle of it, who has only the old one would refuse what the others sign.
  expect((await refuse(OLD)).output).toMatch(/SECRET is one that was replaced/);
  await step(NEW, "");
  expect((await refuse(OLD)).output).toMatch(/SECRET is one that was replaced/);
});

test("a SECRET that is lost is given up on purpose, and then the old one is the wrong one", async () => {
  await (await start(OLD)).stop();
  await refuse(NEW);
  const env = { DATABASE_URL: databaseUrl, SECRET: NEW, ADMIN_TOKEN };
  const adopted = await runToEnd({ runtime: "node", args: ["keys", "adopt"], env });
  expect([adopted.code, /signs with this SECRET now/.test(adopted.output)], adopted.output).toEqual([0, true]);
  await start(NEW);
  await refuse(OLD);
});

test("of nodes that start together with different secrets, one founds the deployment and the others are refused", async () => {
  const ended = await Promise.all(
    [OLD, NEW, OTHER].map(async (secret) => {
      try {
        await start(secret);
        return "runs";
      } catch (error) {
        return /SECRET here has the kid/.test(String(error)) ? "refused" : String(error);
      }
    }),
  );
  expect(ended.sort()).toEqual(["refused", "refused", "runs"]);
});
