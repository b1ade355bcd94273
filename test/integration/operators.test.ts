/**
 * Operators on real nodes and a real PostgreSQL: people invited from the shell, a session that holds on every node, a log
 * that finds out who touched it, and a SECRET that changes while buyers are there.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { codeAt, stepAt } from "../../src/http/operator/totp.ts";
import { type Answer, call, expectAccepted, expectRefusal } from "../support/answers.ts";
import { Buyer } from "../support/buyer-client.ts";
import { type EndedProcess, NodeProcess, runToEnd } from "../support/node-process.ts";
import { Operator } from "../support/operator-client.ts";
import { PostgresCluster } from "../support/postgres-cluster.ts";

setDefaultTimeout(90_000);

const PASSWORD = "stapled horse battery";
const [OLD_SECRET, NEW_SECRET] = [randomBytes(32).toString("base64url"), randomBytes(32).toString("base64url")];
const ADMIN_TOKEN = randomBytes(32).toString("base64url");

let cluster: PostgresCluster;
let databaseUrl: string;
let bun: NodeProcess;
let node: NodeProcess;

beforeAll(async () => {
  cluster = await PostgresCluster.start();
  databaseUrl = await cluster.createDatabase();
  const common = { databaseUrl, secret: OLD_SECRET, adminToken: ADMIN_TOKEN };
  bun = await NodeProcess.start({ runtime: "bun", ...common });
  node = await NodeProcess.start({ runtime: "node", ...common });
});

afterAll(async () => {
  await Promise.all([bun?.kill(), node?.kill()]);
  await cluster?.stop();
});

async function doorbuster(...args: string[]): Promise<EndedProcess> {
  const env = { ADMIN_PORT: String(bun.adminPort), ADMIN_TOKEN };
  return await runToEnd({ runtime: "bun", args: ["operator", ...args], env });
}

/** As the console asks. */
async function ask(at: NodeProcess, path: string, options: { cookie?: string; body?: unknown } = {}): Promise<Answer> {
  const { cookie, body } = options;
  return await call(`${at.adminUrl}/v1/admin${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      Origin: at.adminUrl,
      ...(cookie === undefined ? {} : { Cookie: cookie }),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

function fromBase32(text: string): Uint8Array {
  const digits = [...text].map((letter) =>
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"),
  );
  return Uint8Array.from(digits.join("").match(/.{8}/g) ?? [], (byte) => Number.parseInt(byte, 2));
}

/** Adds a person in the shell and lets him join; answers his cookie. */
async function join(name: string, role: string): Promise<string> {
  const added = await doorbuster("add", name, "--role", role);
  expect(added.code, added.output).toBe(0);
  const invitation = /#\/join\/(\S+)/.exec(added.output)?.[1];
  const offer = await ask(node, "/enrolment", { body: { invitation } });
  const code = codeAt(fromBase32(offer.json.secret), stepAt(Date.now()));
  const joined = await ask(bun, "/enrolment/complete", { body: { invitation, password: PASSWORD, code } });
  expect(joined.status, joined.text).toBe(200);
  return joined.headers.get("set-cookie")?.split(";")[0] ?? "";
}

test("a session and an approval hold on every node, whichever runtime it has", async () => {
  const [ann, bob] = [await join("Ann", "operator"), await join("Bob", "operator")];
  const { saleId } = await new Operator(bun).createSale({}, [bun.buyerUrl]);
  const path = `/sales/${saleId}/items/seat/adjust`;
  const asked = await ask(node, path, { cookie: ann, body: { delta: 5, reason: "found a box" } });
  expect([asked.status, asked.json?.approval?.state], asked.text).toEqual([202, "waiting"]);
  const { id, digest } = asked.json.approval;
  const approve = (at: NodeProcess, cookie: string) =>
    ask(at, `/approvals/${id}/approve`, { cookie, body: { digest } });
  expect((await approve(bun, ann)).status).toBe(403);
  const answers = await Promise.all([approve(bun, bob), approve(node, bob)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  expect((await new Operator(node).audit(saleId)).items[0]).toMatchObject({ total: 15 });
  const removed = await doorbuster("remove", "ann");
  expect(removed.code, removed.output).toBe(0);
  for (const at of [bun, node]) expect((await ask(at, "/me", { cookie: ann })).status).toBe(401);
});

test("T32: doorbuster operator log verify finds an entry that somebody with the database changed", async () => {
  const before = await doorbuster("log", "verify");
  expect(before.code, before.output).toBe(0);
  const end = /(\d+:[0-9a-f]{64})/.exec(before.output)?.[1] ?? "";
  await doorbuster("add", "Eve", "--role", "viewer");
  expect((await doorbuster("log", "verify", "--expect", end)).code).toBe(0);
  await cluster.query(
    databaseUrl,
    `ALTER TABLE operator_log DISABLE TRIGGER operator_log_kept;
     UPDATE operator_log SET entry = replace(entry, 'viewer', 'owner') WHERE entry LIKE '%Eve%';
     ALTER TABLE operator_log ENABLE TRIGGER operator_log_kept`,
  );
  const after = await doorbuster("log", "verify");
  expect([after.code, /was changed/.test(after.output)], after.output).toEqual([1, true]);
});

test("SECRET is changed while buyers are there: none of them notices, until the old one is given up", async () => {
  const { saleId, sku } = await new Operator(bun).createSale({ perBuyerMax: 5 }, [bun.buyerUrl]);
  const sale = { saleId, sku };
  const early = await Buyer.guest(bun.buyerUrl);
  const first = expectAccepted(await early.reserve(sale, { key: "first-key-00000001" }));

  // Every node learns of the new secret before any signs with it.
  const restart = async (was: NodeProcess, runtime: "bun" | "node", secret: string, previous: string) => {
    await was.kill();
    return await NodeProcess.start({
      runtime,
      databaseUrl,
      secret,
      adminToken: ADMIN_TOKEN,
      env: { SECRET_PREVIOUS: previous },
    });
  };
  bun = await restart(bun, "bun", OLD_SECRET, NEW_SECRET);
  node = await restart(node, "node", NEW_SECRET, OLD_SECRET);
  const late = await Buyer.guest(node.buyerUrl);
  for (const at of [bun, node]) {
    for (const buyer of [early, late]) {
      const moved = new Buyer(at.buyerUrl, buyer.session);
      expectAccepted(await moved.reserve(sale));
    }
  }
  const again = expectAccepted(
    await new Buyer(node.buyerUrl, early.session).reserve(sale, { key: "first-key-00000001" }),
  );
  expect(again.rid).toBe(first.rid);

  bun = await restart(bun, "bun", NEW_SECRET, "");
  expectRefusal(await new Buyer(bun.buyerUrl, early.session).reserve(sale), "session_invalid");
  expectAccepted(await new Buyer(bun.buyerUrl, late.session).reserve(sale));
});
