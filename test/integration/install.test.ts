/**
 * The installation as it is documented: the commands and settings of docs/operating/install.md, on real servers.
 *
 * Only names of machines are replaced, by loopback addresses. What comes out must sell: the nodes' own role, a ledger and
 * an edge with the documented settings, one node for each role.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expectAccepted } from "../support/answers.ts";
import { Buyer } from "../support/buyer-client.ts";
import { NodeProcess, startNodes } from "../support/node-process.ts";
import { Operator } from "../support/operator-client.ts";
import { PostgresCluster } from "../support/postgres-cluster.ts";
import { RedisServer } from "../support/redis-server.ts";
import { waitUntil } from "../support/waiting.ts";

setDefaultTimeout(90_000);

const ROOT = join(import.meta.dirname, "../..");
const PAGE = readFileSync(join(ROOT, "docs/operating/install.md"), "utf8");

let cluster: PostgresCluster;
let ledger: RedisServer;
let edge: RedisServer;
let folder: string;
let nodes: NodeProcess[] = [];

/** The fenced blocks of a kind, in order. */
function blocksOf(kind: string): readonly string[] {
  return [...PAGE.matchAll(new RegExp(`^\`\`\`${kind}\\n(.*?)^\`\`\`$`, "gms"))].map(([, text]) => text ?? "");
}

/** `name value` lines. */
function settingsIn(block: string): Record<string, string> {
  const lines = block.trim().split("\n");
  return Object.fromEntries(
    lines
      .map((line) => /^(\S+) (.*)$/.exec(line)?.slice(1) as [string, string])
      .map(([name, value]) => [name, value.replace(/^"(.*)"$/, "$1")]),
  );
}

/** Runs a documented block in the folder of the installation. */
async function run(block: string): Promise<string> {
  const text = block
    .replaceAll("db.internal", `127.0.0.1:${cluster.port}`)
    .replaceAll("redis.internal:6379", `127.0.0.1:${ledger.port}`)
    .replaceAll("edge.internal:6379", `127.0.0.1:${edge.port}`);
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder, NO_COLOR: "1" };
  const { stdout } = await promisify(execFile)("sh", ["-e", "-c", text], { cwd: folder, env });
  return stdout;
}

function variables(): Record<string, string> {
  const lines = readFileSync(join(folder, "deployment.env"), "utf8").trim().split("\n");
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

beforeAll(async () => {
  const [ledgerConf = "", edgeConf = ""] = [blocksOf("redis-ledger")[0], blocksOf("redis-edge")[0]];
  [cluster, ledger, edge] = await Promise.all([
    PostgresCluster.start(),
    RedisServer.start({ settings: settingsIn(ledgerConf) }),
    RedisServer.start({ settings: settingsIn(edgeConf) }),
  ]);
  folder = mkdtempSync(join(tmpdir(), "doorbuster-install-"));
  for (const name of ["bin", "src", "client", "web", "docs", "node_modules"])
    symlinkSync(join(ROOT, name), join(folder, name));
  cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
}, 60_000);

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.kill()));
  await Promise.all([cluster?.stop(), ledger?.stop(), edge?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

test("the documented commands make the roles, the secrets, the schema and the environment", async () => {
  for (const block of blocksOf("sh")) await run(block);
  expect(statSync(join(folder, "deployment.env")).mode & 0o777).toBe(0o600);
  expect(Object.keys(variables()).sort()).toEqual([
    "ADMIN_TOKEN",
    "DATABASE_URL",
    "EDGE_REDIS_URL",
    "REDIS_URL",
    "SECRET",
  ]);
});

test("nodes that are started with it are ready, one for each role, and sell from Redis", async () => {
  const { SECRET: secret = "", ADMIN_TOKEN: adminToken = "", ...env } = variables();
  const common = { databaseUrl: env["DATABASE_URL"] ?? "", secret, adminToken, env };
  nodes = await startNodes([{ ...common, runtime: "bun", roles: "api" }]);
  const [api] = nodes as [NodeProcess];
  for (const roles of ["worker", "admin"]) nodes.push(await NodeProcess.spawn({ ...common, runtime: "bun", roles }));
  const admin = nodes[2] as NodeProcess;
  const operator = new Operator(admin);
  await waitUntil("the operators' node", async () => (await operator.send("GET", "/sales")).status === 200);
  const sale = await operator.createSale({}, [api.buyerUrl]);
  const mode = async () => (await operator.must("GET", `/sales/${sale.saleId}/stats`)).ledger.mode as string;
  await waitUntil("the sale to be in Redis", async () => (await mode()) === "redis", { withinMs: 30_000 });
  const { rid } = expectAccepted(await (await Buyer.guest(api.buyerUrl)).reserve(sale));
  expect(rid).toBeString();
  await waitUntil("the audit", async () => (await operator.audit(sale.saleId)).balanced);
  for (const node of nodes) expect(node.output).not.toMatch(/permission denied|42501/);
});
