import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { createSystemRandom } from "../adapters/local/system-random.ts";
import { loadConfig } from "../config/load.ts";
import { readCertificate } from "../domain/certificate.ts";
import type { SaleId } from "../domain/ids.ts";
import { isRehearsalSale, rehearsalSaleId } from "../domain/rehearsal-rules.ts";
import type { Sale } from "../domain/sale.ts";
import { deriveKeys } from "../funnel/3-identity/keys.ts";
import type { RehearsalRequest } from "../http/operator/rehearsals.ts";
import type { RehearsalMeasurement, RehearsalRunner, RehearsalTask } from "../ports/rehearsal-runner.ts";
import type { RehearsalStore, StoredRehearsal } from "../ports/rehearsal-store.ts";
import { DeploymentRehearsals, type OwnPorts } from "./rehearsals.ts";

const SECRET = "a-secret-of-the-test-that-is-long-enough-to-be-one";
const HOUR_MS = 3_600_000;
const REQUEST: RehearsalRequest = {
  ...{ saleId: null, expectedBuyers: null, busiestSecondShare: 0.08, durationMs: 90_000, latencyMsMax: 250 },
  ...{ isForced: false, urls: [] },
};
const RATE = {
  latencyMsP99: 12,
  missedPerS: 1_000,
  limitedBy: "api processor",
  because: "busy",
  cpuUsPerDecision: null,
} as const;
const MEASURED: RehearsalMeasurement = {
  ...{ ledger: "postgres", nodes: 2 },
  accepts: { ...RATE, ratePerS: 800 },
  refuses: { ...RATE, ratePerS: 8_000, latencyMsP99: 30 },
};
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

interface Stage {
  readonly clock: ManualClock;
  readonly rehearsals: DeploymentRehearsals;
  readonly stored: Map<string, StoredRehearsal>;
  readonly tasks: RehearsalTask[];
  /** Resolves when the store has heard of the end of one. */
  readonly finished: Promise<void>;
}

interface Staging {
  readonly env?: Record<string, string>;
  readonly sales?: readonly Partial<Sale>[];
  readonly ports?: OwnPorts;
  readonly isOtherRunning?: boolean;
  readonly run?: RehearsalRunner["run"];
  readonly measured?: Partial<RehearsalMeasurement>;
  readonly randomId?: () => string;
}

function stage({ env = {}, sales = [], ports, isOtherRunning = false, run, ...more }: Staging = {}): Stage {
  const clock = new ManualClock();
  const all = sales.map(
    (overrides) =>
      ({
        ...{ id: "drop", phase: "scheduled", opensAt: clock.nowMs() + HOUR_MS, closesAt: clock.nowMs() + 2 * HOUR_MS },
        ...{ eligibility: {}, items: [{ itemId: 1 }, { itemId: 2 }] },
        ...overrides,
      }) as unknown as Sale,
  );
  const stored = new Map<string, StoredRehearsal>();
  const tasks: RehearsalTask[] = [];
  const { promise: finished, resolve } = Promise.withResolvers<void>();
  const store: RehearsalStore = {
    begin: async ({ id, saleId, durationMs }) => {
      if (isOtherRunning) return false;
      const startedAt = clock.nowMs();
      stored.set(id, {
        ...{ id, saleId, startedAt, endsAt: startedAt + durationMs },
        finishedAt: null,
        signed: null,
        failure: null,
        isStopping: false,
      });
      return true;
    },
    askToStop: async (id) => {
      const row = stored.get(id);
      if (row?.finishedAt === null) stored.set(id, { ...row, isStopping: true });
    },
    finish: async ({ id, signed, failure }) => {
      stored.set(id, { ...(stored.get(id) as StoredRehearsal), finishedAt: clock.nowMs(), signed, failure });
      resolve();
    },
    find: async (id) => stored.get(id) ?? null,
    list: async () => [...stored.values()],
  };
  const rehearsals = new DeploymentRehearsals({
    config: loadConfig({
      env: { SECRET, ADMIN_TOKEN: "a-token-of-the-test-that-is-long-enough", TRUSTED_PROXIES: "127.0.0.1/32", ...env },
    }),
    ...{
      clock,
      random: { id: more.randomId ?? (() => "one"), fraction: () => 0.5 },
      log: { ...quiet, flush: async () => undefined },
      keys: deriveKeys(SECRET),
      store,
    },
    sales: {
      findSale: async (saleId: SaleId) => all.find(({ id }) => id === saleId) ?? null,
      listSales: async () => all,
    } as unknown as ConstructorParameters<typeof DeploymentRehearsals>[0]["sales"],
    runner: {
      run: async (task, listeners) => {
        tasks.push(task);
        return run === undefined ? { ...MEASURED, ...more.measured } : run(task, listeners);
      },
    },
    readStock: async (itemIds) => itemIds.map((itemId) => ({ itemId, total: 250 }) as never),
    ports: () => ports ?? { buyers: 8_080, operators: 8_081 },
    ...{ version: "1.2.3", deployment: async () => "deployment-x" },
  });
  return { rehearsals, stored, tasks, finished, clock };
}

/** A runner that does nothing until it is told to stop. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

describe("a rehearsal does not begin", () => {
  test.each<[string, Staging, Partial<RehearsalRequest>, string]>([
    ["while a sale is open", { sales: [{ opensAt: 0 }] }, {}, "The sale drop is open"],
    ["while another one runs", { isOtherRunning: true }, {}, "Another rehearsal of this deployment runs"],
    [
      "where addresses are not believed",
      { env: { TRUSTED_PROXIES: "10.0.0.0/8" } },
      {},
      "TRUSTED_PROXIES containing 127.0.0.1",
    ],
    [
      "not even with force",
      { env: { TRUSTED_PROXIES: "" } },
      { isForced: true },
      "TRUSTED_PROXIES containing 127.0.0.1",
    ],
    ["over IPv6 that is not believed", {}, { urls: ["http://[::1]:8080"] }, "TRUSTED_PROXIES containing ::1"],
    ["against others", {}, { urls: ["http://192.0.2.7"] }, "http://192.0.2.7 is neither this machine"],
    ["without an address", { ports: { buyers: null, operators: 8_081 } }, {}, "PUBLIC_URL is not set"],
  ])("%s", async (_, staging, request, words) => {
    const { rehearsals, stored, tasks } = stage(staging);
    expect(await rehearsals.start({ ...REQUEST, ...request })).toEqual({
      kind: "refused",
      why: expect.stringContaining(words),
    });
    expect([stored.size, tasks.length]).toEqual([0, 0]);
  });

  test("for a sale that is not there", async () => {
    const saleId = "nothing" as SaleId;
    expect(await stage().rehearsals.start({ ...REQUEST, saleId })).toEqual({ kind: "no such sale" });
  });
});

describe("a rehearsal", () => {
  test("gets the deployment's own addresses, secret and time, and what may be watched on this machine", async () => {
    const env = {
      DATABASE_URL: "postgres://shop:hunter2@127.0.0.1:5433/shop",
      REDIS_URL: "redis://10.0.0.9:6379",
      PUBLIC_URL: "http://shop.example",
    };
    const { rehearsals, tasks, finished } = stage({ env });
    expect(await rehearsals.start(REQUEST)).toEqual({ kind: "started", id: "rehearsal-one" });
    await finished;
    expect(tasks).toEqual([
      expect.objectContaining({
        ...{
          id: "rehearsal-one",
          targets: ["http://127.0.0.1:8080"],
          adminUrl: "http://127.0.0.1:8081",
          ledger: "redis",
        },
        ...{ secret: SECRET, durationMs: 90_000, latencyMsMax: 250, buckets: 1 },
        servers: [
          { part: "api", port: 8_080 },
          { part: "postgres", port: 5_433 },
        ],
      }),
    ]);
  });

  test.each<[string, Staging, readonly string[], readonly string[]]>([
    ["its own port", {}, [], ["api 8080"]],
    [
      "every target on this machine, where there are several",
      {},
      ["http://localhost:8090", "http://127.0.0.1:8091", "http://127.0.0.1"],
      ["api 8090", "api 8091", "api 80"],
    ],
    ["its own address", { env: { HOST: "10.0.0.7", TRUSTED_PROXIES: "10.0.0.7/32" } }, [], ["api 8080"]],
    ["nothing of PUBLIC_URL", { env: { PUBLIC_URL: "http://shop.example:8080" } }, ["http://shop.example:8080"], []],
    [
      "nothing of PUBLIC_URL without the api role, but the worker",
      { env: { PUBLIC_URL: "http://shop.example" }, ports: { buyers: null, operators: 8_081 } },
      [],
      ["worker 8081"],
    ],
    [
      "no database of a name like this machine's",
      { env: { DATABASE_URL: "postgres://127.evil.example/x" } },
      [],
      ["api 8080"],
    ],
  ])("watches by their ports the processes of this machine only: %s", async (_, staging, urls, watched) => {
    const { rehearsals, tasks, finished } = stage(staging);
    expect(await rehearsals.start({ ...REQUEST, urls })).toMatchObject({ kind: "started" });
    await finished;
    expect(tasks[0]?.servers.map(({ part, port }) => `${part} ${port}`)).toEqual([...watched]);
  });

  test.each([
    ["as many as were measured, even when those are fewer than are accepted", { ...RATE, ratePerS: 500 }, 500],
    ["as many as are accepted where there was no time to measure", null, 800],
  ])("certifies that it decides %s", async (_, refuses, decidesPerS) => {
    const { rehearsals, finished } = stage({ measured: { refuses } });
    await rehearsals.start(REQUEST);
    await finished;
    const document = await rehearsals.find("rehearsal-one");
    expect(document?.signed?.certificate).toMatchObject({ acceptsPerS: 800, decidesPerS, refuses });
  });

  test("makes sales that buyers' lists know by their ids", async () => {
    const { rehearsals, tasks, finished } = stage({ randomId: () => createSystemRandom().id() });
    await rehearsals.start(REQUEST);
    await finished;
    const id = rehearsalSaleId(tasks[0]?.id ?? "", "accept");
    expect([id, isRehearsalSale({ id })]).toEqual([id, true]);
  });

  test("ends with a certificate of this deployment, with the headroom for the crowd and the stock of its sale", async () => {
    const { rehearsals, stored, tasks, finished } = stage({ sales: [{ buckets: 4 }] });
    await rehearsals.start({ ...REQUEST, saleId: "drop" as SaleId, expectedBuyers: 10_000 });
    await finished;
    expect(tasks[0]?.buckets).toBe(4);
    const document = await rehearsals.find("rehearsal-one");
    expect(document?.state).toBe("certified");
    const certificate = readCertificate(
      deriveKeys(SECRET).certificate,
      JSON.parse(stored.get("rehearsal-one")?.signed ?? ""),
    );
    expect(certificate).toEqual(document?.signed?.certificate ?? null);
    expect(certificate).toMatchObject({
      ...{ deployment: "deployment-x", version: "1.2.3", mode: "solo", nodes: 2, settings: rehearsals.settings },
      ...{ acceptsPerS: 800, decidesPerS: 8_000, p99Ms: 30, limitedBy: "api processor" },
      // 800 in the busiest second: 500 served in 0.625 s, 300 refused in 0.0375 s.
      crowd: { saleId: "drop", buyers: 10_000, stock: 500, headroom: 1.5 },
    });
  });

  test("that fails says why and has no certificate", async () => {
    const { rehearsals, finished } = stage({ run: () => Promise.reject(new Error("No rate was kept.")) });
    await rehearsals.start(REQUEST);
    await finished;
    const document = await rehearsals.find("rehearsal-one");
    expect(document).toMatchObject({ state: "failed", failure: "No rate was kept.", signed: null });
  });

  test("whose certificate was changed in the database has none", async () => {
    const { rehearsals, stored, finished } = stage();
    await rehearsals.start(REQUEST);
    await finished;
    const row = stored.get("rehearsal-one") as StoredRehearsal;
    for (const signed of [row.signed?.replace('"acceptsPerS":800', '"acceptsPerS":9000') ?? "", "{", "null"]) {
      stored.set(row.id, { ...row, signed });
      const document = await rehearsals.find(row.id);
      expect(document).toMatchObject({
        state: "failed",
        signed: null,
        failure: expect.stringContaining("changed since"),
      });
    }
  });

  test("shows its progress where it runs, and is ended by a node that goes down", async () => {
    const begun = Promise.withResolvers<void>();
    const progress = {
      phase: "accepting",
      ratePerS: 500,
      trials: 2,
      acceptsPerS: 250,
      refusesPerS: 0,
      elapsedMs: 9_000,
    } as const;
    const { rehearsals } = stage({
      run: (_, { onProgress, signal }) => {
        queueMicrotask(() => {
          onProgress(progress);
          begun.resolve();
        });
        return untilAborted(signal);
      },
    });
    await rehearsals.start(REQUEST);
    await begun.promise;
    expect(await rehearsals.find("rehearsal-one")).toMatchObject({ state: "running", progress });
    await rehearsals.stop();
    expect(await rehearsals.find("rehearsal-one")).toMatchObject({
      state: "failed",
      failure: "The node is going down.",
    });
  });

  test.each([
    ["the node that runs it", "here"],
    ["another node", "elsewhere"],
  ])("ends before its time when %s is asked, and stays as it is when it is over", async (_, where) => {
    const { rehearsals, stored, finished, clock } = stage({ run: (_task, { signal }) => untilAborted(signal) });
    await rehearsals.start(REQUEST);
    const id = "rehearsal-one";
    if (where === "here") expect(await rehearsals.cancel(id)).toMatchObject({ id });
    else {
      await clock.advance(1_000);
      expect(await rehearsals.find(id)).toMatchObject({ state: "running" });
      stored.set(id, { ...(stored.get(id) as StoredRehearsal), isStopping: true });
      await clock.advance(1_000);
    }
    await finished;
    const over = { state: "failed", failure: "An operator stopped it.", signed: null };
    expect(await rehearsals.find(id)).toMatchObject(over);
    expect(await rehearsals.cancel(id)).toMatchObject(over);
    expect(await rehearsals.cancel("rehearsal-two")).toBeNull();
  });
});
