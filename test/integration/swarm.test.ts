/**
 * The swarm against a real node: every population is answered as its mischief deserves, and what was answered is what the
 * books say. The command is run as a person runs it, and its files are complete.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { planOf } from "../../lab/swarm/generator/plan.ts";
import { parseScenario } from "../../lab/swarm/generator/scenario.ts";
import { loadScenario } from "../../lab/swarm/generator/scenario-files.ts";
import { runSwarm, type SwarmOptions } from "../../lab/swarm/generator/swarm.ts";
import { OperatorClient } from "../../lab/swarm/operator-client.ts";
import { createSystemClock } from "../../lab/swarm/system-clock.ts";
import { NodeProcess, runToEnd } from "../support/node-process.ts";

const STOCK = 120;
/** Everybody at the opening, buyers in three times the number of units. */
const MIXED = `
name: mixed
sale: { stock: ${STOCK}, perBuyerMax: 1, holdMs: 600000 }
connections: { max: 32 }
patienceMs: 6000
populations:
  buyers:
    kind: buyer
    count: 360
    triesMax: 20
    arrivals: { curve: spike, startMs: 0, durationMs: 1200, halfLifeMs: 300, riseMs: 50 }
    look: { share: 0.2, thinkMs: [10, 60] }
    pay: { share: 0.3, thinkMs: [10, 100] }
  forgers: { kind: forger, count: 80, actors: 8, arrivals: { curve: poisson, durationMs: 1000 } }
  replayers: { kind: replayer, count: 40, actors: 2, arrivals: { curve: poisson, startMs: 1500, durationMs: 500 } }
  rotators: { kind: ip_rotator, count: 60, actors: 1, arrivals: { curve: poisson, startMs: 1500, durationMs: 500 } }
  early: { kind: early_opener, count: 40, actors: 40, arrivals: { curve: steady, startMs: -900, durationMs: 700 } }
  scrapers: { kind: scraper, ratePerS: 40, arrivals: { curve: steady, durationMs: 1000 } }
`;

let node: NodeProcess;
let folder = "";
const clock = createSystemClock();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "doorbuster-swarm-"));
  node = await NodeProcess.start({
    runtime: "bun",
    databaseUrl: null,
    env: { TRUSTED_PROXIES: "127.0.0.1/32", LOG_LEVEL: "warn" },
  });
});
afterAll(async () => {
  await node.stop();
  rmSync(folder, { recursive: true, force: true });
});

function optionsOf(text: string): SwarmOptions {
  return {
    scenario: parseScenario(text, "test"),
    targets: [{ hostname: "127.0.0.1", port: node.buyerPort }],
    operator: new OperatorClient({ address: node.adminUrl, token: node.adminToken }),
    secret: node.secret,
    watched: [{ part: "node", pid: node.pid, children: false }],
    clock,
  };
}

describe("a mixed swarm", () => {
  test("sells the stock to the honest, turns each mischief away for its own reason, and finds the books in order", async () => {
    const result = await runSwarm({ ...optionsOf(MIXED), processes: 2 });
    const sumOf = (population: string): number =>
      Object.values(result.matrix[population] ?? {}).reduce((sum, count) => sum + count, 0);
    expect(result.findings).toEqual([]);
    expect(result.audit?.balanced).toBe(true);
    expect([result.sale.unitsTaken, result.sale.unitsAccepted]).toEqual([STOCK, STOCK]);
    expect(result.buyers).toMatchObject({ count: 360, decided: 360 });

    const { buyers = {}, forgers = {}, replayers = {}, rotators = {}, early = {}, scrapers = {} } = result.matrix;
    expect(buyers["held"]).toBe(STOCK);
    expect((buyers["empty"] ?? 0) + (buyers["sold_out"] ?? 0)).toBe(240);
    expect(buyers["look: done"]).toBeGreaterThan(30);
    expect(buyers["press: done"]).toBe(buyers["checkout: done"] ?? 0);
    expect(buyers["checkout: done"]).toBeGreaterThan(10);

    expect(forgers).toEqual({ session_invalid: 20, signature_invalid: 40, signature_stale: 20 });
    expect(early).toEqual({ not_open: 40 });
    expect(scrapers).toEqual({ "look: done": 40 });
    expect(Object.keys(replayers).filter((outcome) => outcome === "held")).toEqual([]);
    expect(replayers["signature_invalid"]).toBeGreaterThan(10);
    expect(rotators["throttled"]).toBeGreaterThan(30);
    expect([sumOf("replayers"), sumOf("rotators")]).toEqual([40, 60]);

    expect(result.latencyMs.byPopulation["buyers"]?.count).toBeGreaterThanOrEqual(360);
    expect(result.cpu?.totalMs["node"]).toBeGreaterThan(0);
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  }, 30_000);

  test("leaves a sale that it made closed, and refuses one that is not open", async () => {
    const { id } = await optionsOf(MIXED).operator.createSale({
      name: "Later",
      opensAt: Date.now() + 60_000,
      closesAt: Date.now() + 120_000,
      holdMs: 60_000,
      perBuyerMax: 1,
      items: [{ sku: "a", name: "A", price: { amount: 1, currency: "EUR" }, stock: 5, perBuyerMax: 1 }],
    });
    await expect(runSwarm({ ...optionsOf(MIXED), saleId: id })).rejects.toThrow("is scheduled. Open it first");
    const sales = await fetch(`${node.adminUrl}/v1/admin/sales`, {
      headers: { authorization: `Bearer ${node.adminToken}` },
    });
    const states = ((await sales.json()) as { sales: { name: string; state: string }[] }).sales;
    expect(states.filter(({ name }) => name.startsWith("Swarm")).map(({ state }) => state)).toEqual(["closed"]);
  }, 30_000);
});

describe("the command", () => {
  const tiny =
    "name: tiny\npopulations:\n  all: { kind: buyer, count: 30, arrivals: { curve: poisson, durationMs: 300 } }\n";

  async function run(args: readonly string[]): Promise<{ code: number | null; output: string }> {
    const { secret, adminToken } = node;
    const env = {
      PORT: String(node.buyerPort),
      ADMIN_PORT: String(node.adminPort),
      SECRET: secret,
      ADMIN_TOKEN: adminToken,
    };
    return await runToEnd({ runtime: "bun", args: ["swarm", ...args], env });
  }

  test("says how it went, writes both files, and what it recorded can be played again", async () => {
    const [scenario, lines, page] = ["tiny.yaml", "lines.json", "page.html"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(scenario, tiny);
    const first = await run([scenario, "--json-lines", lines, "--report", page]);
    expect([first.code, first.output]).toEqual([0, expect.stringMatching(/VERDICT: good[^\n]* The audit balances/)]);
    const recorded = readFileSync(lines, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(recorded.at(-1)).toMatchObject({ type: "result", scenario: "tiny", findings: [] });
    const arrivals = recorded
      .filter(({ type }) => type === "second")
      .reduce((sum, one) => sum + Number(one["arrivals"]), 0);
    expect(arrivals).toBe(30);
    const html = readFileSync(page, "utf8");
    expect(html).toContain("Answers by stage and reason");
    expect(html).not.toMatch(/(src|href)="?https?:|<script/);

    writeFileSync(scenario, tiny.replace("{ curve: poisson, durationMs: 300 }", "{ curve: replay, file: lines.json }"));
    const again = loadScenario(scenario);
    expect(planOf(again.scenario, again.recorded).streams[0]).toMatchObject({ count: 30, durationMs: 2_000 });
  }, 40_000);
});
