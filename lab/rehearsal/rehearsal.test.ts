/**
 * A rehearsal from beginning to end against a deployment of one-liners: what is measured, what is no measurement, what is closed.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { isRehearsalSale } from "../../src/domain/rehearsal-rules.ts";
import type { RehearsalMeasurement } from "../../src/ports/rehearsal-runner.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";
import type { SwarmResult } from "../swarm/generator/result.ts";
import type { SwarmOptions } from "../swarm/generator/swarm.ts";
import { rehearse } from "./rehearsal.ts";

const ID = "rehearsal-AAAAAAAAAAAAAAAAAAAAAA";
const TRIAL_MS = 4_000;

/** What the deployment can do, and how it stands. */
let world: {
  acceptsPerS: number;
  refusesPerS: number;
  durationMs: number;
  /** By trial, the practice as number 0. */
  standingAt: (trial: number, saleId: string) => { mode: string; epoch: number };
  stats: object;
  /** How often closing fails, by sale. */
  closeFailures: Record<string, number>;
  createIsLost: boolean;
};
let trials: { saleId: string; ratePerS: number }[] = [];
let closed: string[] = [];
let server: Server;
let url = "";

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const [status, answer] = answerTo(request.method ?? "", request.url ?? "", body);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());
beforeEach(() => {
  trials = [];
  closed = [];
  world = {
    ...{ acceptsPerS: 800, refusesPerS: 3_000, durationMs: 90_000 },
    standingAt: () => ({ mode: "redis", epoch: 2 }),
    stats: { nodes: 2 },
    closeFailures: {},
    createIsLost: false,
  };
});

function answerTo(method: string, path: string, body: string): [number, object] {
  const [, isAdmin, id = "", rest = ""] = /^\/v1(\/admin)?\/sales\/?([^/]*)\/?(.*)$/.exec(path) ?? [];
  if (method === "POST" && id === "") {
    return world.createIsLost ? [500, { title: "lost" }] : [201, { id: JSON.parse(body).id }];
  }
  if (rest === "stats") return "status" in world.stats ? [500, world.stats] : [200, world.stats];
  if (rest === "close") {
    const failures = world.closeFailures[id] ?? 0;
    world.closeFailures[id] = failures - 1;
    if (failures > 0) return [503, { title: "not now" }];
    closed.push(id);
  }
  const standing = isAdmin === undefined ? {} : world.standingAt(trials.length, id);
  return [200, { id, state: "open", ...standing, items: [] }];
}

/** Everybody gets the decision that is due up to the rate, and nobody in time above it. */
function swarmOf(clock: ManualClock): (options: SwarmOptions) => Promise<SwarmResult> {
  return async ({ saleId, scenario }) => {
    const population = scenario.populations["buyers"];
    if (population === undefined || !("ratePerS" in population)) throw new Error("nobody comes");
    const { ratePerS } = population;
    trials.push({ saleId: String(saleId), ratePerS: Number(ratePerS) });
    clock.jump(TRIAL_MS);
    const isAccepting = saleId?.endsWith("-accept") === true;
    const isKept = Number(ratePerS) <= (isAccepting ? world.acceptsPerS : world.refusesPerS);
    return {
      requests: { scheduled: 100, errors: isKept ? 0 : 1 },
      matrix: { buyers: { [isAccepting ? "held" : "empty"]: 100 } },
      latencyMs: { byPopulation: { buyers: { p99: 20 } } },
      generator: { latenessMs: { p99: 1 } },
      cpu: null,
      audit: { balanced: true },
    } as unknown as SwarmResult;
  };
}

function run(): Promise<RehearsalMeasurement> {
  const clock = new ManualClock();
  return rehearse({
    ...{ clock, onProgress: () => undefined, signal: new AbortController().signal, swarm: swarmOf(clock) },
    task: {
      ...{ id: ID, targets: [url], ownHost: null, adminUrl: url, adminToken: "token", secret: "secret", buckets: 1 },
      ...{ ledger: "redis", durationMs: world.durationMs, latencyMsMax: 250, servers: [] },
    },
  });
}

const ACCEPT = `${ID}-accept`;
const REFUSE = `${ID}-refuse`;

describe("a rehearsal", () => {
  test("measures both rates, tells the ledger and the nodes, and closes both of its sales", async () => {
    const { accepts, refuses, ledger, nodes } = await run();
    expect([ledger, nodes, accepts.limitedBy]).toEqual(["redis", 2, "unknown"]);
    expect(accepts.ratePerS).toBeWithin(600, 801);
    expect(refuses?.ratePerS).toBeWithin(2_000, 3_001);
    expect(closed.sort()).toEqual([ACCEPT, REFUSE]);
    expect(closed.map((id) => isRehearsalSale({ id }))).toEqual([true, true]);
  });

  test("tells a rate of refusals that is below that of acceptances as it is", async () => {
    world.refusesPerS = 300;
    const { accepts, refuses } = await run();
    expect(refuses?.ratePerS).toBeWithin(200, 301);
    expect(accepts.ratePerS).toBeGreaterThan(300);
  });

  test.each([
    ["refused", { refusesPerS: 0 }],
    ["accepted", { acceptsPerS: 0 }],
  ])("of which no rate was kept at which everybody is %s has failed, with words", async (wanted, overrides) => {
    Object.assign(world, overrides);
    await expect(run()).rejects.toThrow(`No rate was kept at which everybody is ${wanted}`);
  });

  test("that had no time for the refusals does not try one", async () => {
    // Practice, and the one trial of acceptances that is always made.
    world.durationMs = 10_000;
    expect((await run()).refuses).toBeNull();
    expect(trials.map(({ saleId }) => saleId)).toEqual([ACCEPT, ACCEPT]);
  });
});

describe("a ledger that changes under way", () => {
  test.each([
    ["to another one", (trial: number) => (trial < 3 ? { mode: "redis", epoch: 2 } : { mode: "postgres", epoch: 3 })],
    ["and back again", (trial: number) => ({ mode: "redis", epoch: trial < 3 ? 2 : 4 })],
    [
      "in the refusing part",
      (trial: number, id: string) => ({ mode: "redis", epoch: id === REFUSE && trial > 9 ? 4 : 2 }),
    ],
  ])("%s is no certificate, with words", async (_, standingAt) => {
    world.standingAt = standingAt;
    await expect(run()).rejects.toThrow(
      /The ledger changed while .* redis mode \(epoch 2\) when it opened, .* \(epoch [34]\) now/,
    );
  });
});

describe("statistics that do not tell the nodes", () => {
  test.each([
    ["an error", { status: 500 }, "/stats was answered with 500"],
    ["another document", { nodes: "2" }, "was answered without a number of nodes"],
  ])("fail it: %s", async (_, stats, words) => {
    world.stats = stats;
    await expect(run()).rejects.toThrow(words);
  });
});

describe("closing", () => {
  test("is tried twice, each sale for itself", async () => {
    world.closeFailures = { [ACCEPT]: 1 };
    await run();
    expect(closed.sort()).toEqual([ACCEPT, REFUSE]);
  });

  test("that fails takes no result away, and keeps no other sale open", async () => {
    world.closeFailures = { [ACCEPT]: 9 };
    expect((await run()).nodes).toBe(2);
    expect(closed).toEqual([REFUSE]);
  });

  test("that fails does not hide what went wrong before", async () => {
    Object.assign(world, { acceptsPerS: 0, closeFailures: { [ACCEPT]: 9 } });
    await expect(run()).rejects.toThrow("No rate was kept");
  });

  test("is also for a sale whose making was never answered", async () => {
    world.createIsLost = true;
    expect(await run().catch((error: Error) => error.message)).toContain("was answered with 500");
    expect(closed).toEqual([ACCEPT]);
  });
});
