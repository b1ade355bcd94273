/**
 * What a measurement runs against: nodes on either runtime, over the database and the ledger it asks for, with no limit
 * but the ledger's own.
 *
 * One process with every role, or several for buyers and one for all the rest. Servers are real and durable. Everything is
 * started here on loopback, ended here by process id, and told apart by part, so that processor time can be summed.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { NodeProcess, type Runtime } from "../../test/support/node-process.ts";
import { NO_SHARED_LIMITS } from "../../test/support/open-limits.ts";
import { Operator } from "../../test/support/operator-client.ts";
import { PostgresCluster } from "../../test/support/postgres-cluster.ts";
import { RedisServer } from "../../test/support/redis-server.ts";
import { mapBounded, waitUntil } from "../../test/support/waiting.ts";
import { type MeasuredProcess, type Measurement, measure } from "./measure.ts";
import type { SaleSetup } from "./paths.ts";
import type { BookOptions, BookTarget } from "./request-book.ts";

export type LedgerKind = "embedded" | "postgres" | "redis";

export interface DeploymentOptions {
  readonly runtime: Runtime;
  readonly ledger: LedgerKind;
  /** Processes for buyers; 1 = one process with every role. */
  readonly apiProcesses: number;
  /** A process of its own for all other roles, also where there is one process for buyers. */
  readonly hasOwnWorker?: boolean;
  readonly settings?: Readonly<Record<string, string>>;
}

/** What is sent, and how fast; ports and secret are the deployment's. */
export interface DeploymentLoad {
  readonly book: Omit<BookOptions, "secret">;
  readonly connections: number;
  /** Null = closed loop. */
  readonly ratePerS: number | null;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly repeat: boolean;
  readonly isSpread?: boolean;
  /** Closed loop: who hears "busy" waits so long. */
  readonly busyPauseMs?: number;
  /** Elsewhere than the nodes' own ports, as through a proxy. */
  readonly ports?: readonly number[];
  /** Processes that are no part of the deployment, but of the figure. */
  readonly more?: readonly MeasuredProcess[];
  /** Sales whose acceptances are part of the figure: the load lasts until PostgreSQL has them. */
  readonly committedIn?: readonly string[];
}

const HOUR_MS = 3_600_000;
const SETTLED_WITHIN_MS = 60_000;
const SETTLE_INTERVAL_MS = 100;
const SALES_AT_ONCE = 8;
/** Connections that take the stock of many sales, before their signatures are stale. */
const TAKERS = 16;
/** The roles of the one process that is not for buyers. */
const WORKER = "worker,admin";
const SETTINGS = {
  ...NO_SHARED_LIMITS,
  // Whoever is measured while he is throttled is not to be banned for it.
  RISK_WEIGHTS: join(import.meta.dirname, "no-bans.json"),
  LOG_LEVEL: "warn",
};

/** The first item is "seat"; see {@link SaleSetup}. */
function skuOf(item: number): string {
  return item === 0 ? "seat" : `seat-${item}`;
}

/** See the head of this file. */
export class Deployment {
  readonly ledger: LedgerKind;
  readonly nodes: readonly NodeProcess[];
  readonly redis: RedisServer | null;
  readonly postgres: PostgresCluster | null;
  readonly databaseUrl: string | null;
  readonly #operator: Operator;
  readonly #answering: readonly NodeProcess[];
  readonly #opened = new Set<string>();

  constructor(parts: {
    ledger: LedgerKind;
    nodes: readonly NodeProcess[];
    redis: RedisServer | null;
    postgres: PostgresCluster | null;
    databaseUrl: string | null;
  }) {
    this.ledger = parts.ledger;
    this.nodes = parts.nodes;
    this.redis = parts.redis;
    this.postgres = parts.postgres;
    this.databaseUrl = parts.databaseUrl;
    const last = parts.nodes.at(-1);
    if (last === undefined) throw new Error("a deployment without nodes");
    this.#operator = new Operator(last);
    this.#answering = parts.nodes.length === 1 ? parts.nodes : parts.nodes.slice(0, -1);
  }

  /** Where buyers connect. */
  get ports(): readonly number[] {
    return this.#answering.map((node) => node.buyerPort);
  }

  get secret(): string {
    return this.nodes[0]?.secret ?? "";
  }

  /** Every process, by part. */
  get processes(): readonly MeasuredProcess[] {
    const nodes = this.nodes.map((node) => ({
      pid: node.pid,
      part: this.#answering.includes(node) ? "nodes" : "workers",
    }));
    const servers = [
      { pid: this.redis?.pid ?? null, part: "redis" },
      { pid: this.postgres?.pid ?? null, part: "postgres" },
    ];
    return [...nodes, ...servers].flatMap(({ pid, part }) =>
      pid === null ? [] : [{ pid, part, children: part === "postgres" }],
    );
  }

  /** Creates the sale, unless it is there, and waits until every node answers for it out of the ledger that is measured. */
  async openSale(setup: SaleSetup): Promise<void> {
    if (this.#opened.has(setup.id)) return;
    this.#opened.add(setup.id);
    await this.#createSale(setup);
    if (setup.isTaken) await this.#takeAll(targetsOf([setup.id], setup.items ?? 1), setup.stock);
  }

  /** Several sales of one form. */
  async openSales(setup: Omit<SaleSetup, "id">, names: readonly string[]): Promise<void> {
    await mapBounded(names, SALES_AT_ONCE, (id) => this.#createSale({ ...setup, id }));
    if (setup.isTaken) await this.#takeAll(targetsOf(names, setup.items ?? 1), setup.stock);
  }

  async #createSale(setup: SaleSetup): Promise<void> {
    const now = Date.now();
    const items = Array.from({ length: setup.items ?? 1 }, (_, item) => ({
      sku: skuOf(item),
      name: "A seat",
      price: { amount: 4_900, currency: "EUR" },
      stock: setup.stock,
    }));
    const answer = await this.#operator.send("POST", "/sales", {
      id: setup.id,
      name: "Measurement",
      opensAt: now + setup.opensInMs,
      closesAt: now + setup.opensInMs + 4 * HOUR_MS,
      holdMs: HOUR_MS,
      perBuyerMax: 1,
      signature: setup.signature,
      eligibility: setup.eligibility ?? {},
      items,
    });
    if (answer.status !== 201) throw new Error(`could not create ${setup.id}: ${answer.status} ${answer.text}`);
    await this.#untilKnown(setup.id, setup.opensInMs <= 0);
  }

  /** With `committedIn`, everything that was accepted there is committed when this resolves, and its cost in the figures. */
  async load(load: DeploymentLoad): Promise<Measurement> {
    const { book, ports, more = [], committedIn = [], ...rest } = load;
    const task = { ...rest, ports: ports ?? this.ports, book: { ...book, secret: this.secret } };
    const unitsBefore = await this.#committedUnits(committedIn);
    return measure(task, [...this.processes, ...more], ({ acceptedTotal, queuedTotal }) =>
      this.#untilCommitted(committedIn, unitsBefore + acceptedTotal, queuedTotal),
    );
  }

  /**
   * Until PostgreSQL has the units that were accepted, and those that were queued or no more of them: an attempt in the queue
   * may still be turned away. Nothing of one measurement shall burden the next.
   */
  async #untilCommitted(saleIds: readonly string[], acceptedUnits: number, queuedUnits: number): Promise<void> {
    let last = Number.NaN;
    const isCommitted = async (): Promise<boolean> => {
      const units = await this.#committedUnits(saleIds);
      const isStill = units === last;
      last = units;
      return units >= acceptedUnits + queuedUnits || (units >= acceptedUnits && isStill);
    };
    // In the embedded database an acceptance is committed when it is answered.
    if (this.postgres === null || saleIds.length === 0) return;
    await waitUntil(`every acceptance to be committed (${acceptedUnits} units)`, isCommitted, {
      withinMs: SETTLED_WITHIN_MS,
      everyMs: SETTLE_INTERVAL_MS,
    });
  }

  /** Read from the stock rows, of which there is one an item: counting a million orders would be most of what is measured. */
  async #committedUnits(saleIds: readonly string[]): Promise<number> {
    const { postgres, databaseUrl } = this;
    if (postgres === null || databaseUrl === null || saleIds.length === 0) return 0;
    const text = `select coalesce(sum(s.held + s.sold), 0)::int as units from stock s join item i using (item_id)
      where i.sale_id = any($1)`;
    const [row] = await postgres.query<{ units: number }>(databaseUrl, text, [saleIds]);
    return row?.units ?? 0;
  }

  async #untilKnown(saleId: string, isOpen: boolean): Promise<void> {
    for (const node of this.#answering) {
      await waitUntil(
        `${saleId} on ${node.buyerUrl}`,
        async () => (await fetch(`${node.buyerUrl}/v1/sales/${saleId}`)).ok,
      );
    }
    if (this.ledger !== "redis" || !isOpen) return;
    const isInRedis = async (): Promise<boolean> =>
      (await this.#operator.must("GET", `/sales/${saleId}`)).mode === "redis";
    await waitUntil(`${saleId} in redis mode`, isInRedis, { withinMs: SETTLED_WITHIN_MS, everyMs: 50 });
  }

  /** Buyers take what there is, and somebody asks each node once more, so that all latches close. */
  async #takeAll(targets: readonly BookTarget[], stock: number): Promise<void> {
    for (const [node, port] of this.ports.entries()) {
      const count = targets.length * (node === 0 ? stock : 1);
      const shape = { session: "genuine", signature: "right", buyers: count } as const;
      const book = { saleId: "", sku: "", targets, count, shape, run: randomBytes(4).toString("hex") };
      const all = {
        connections: TAKERS,
        ratePerS: null,
        warmUpMs: 0,
        durationMs: HOUR_MS,
        repeat: false,
        ports: [port],
      };
      const { outcomes } = await this.load({ book, ...all });
      const taken = (outcomes["accepted"] ?? 0) + (outcomes["queued"] ?? 0);
      if (taken !== (node === 0 ? count : 0)) throw new Error(`could not take all stock: ${JSON.stringify(outcomes)}`);
    }
  }
}

/** Every item of every sale. */
export function targetsOf(saleIds: readonly string[], items: number): readonly BookTarget[] {
  return saleIds.flatMap((saleId) => Array.from({ length: items }, (_, item) => ({ saleId, sku: skuOf(item) })));
}

/** Starts a deployment for the work and stops it after. */
export async function withDeployment<Result>(
  options: DeploymentOptions,
  work: (deployment: Deployment) => Promise<Result>,
): Promise<Result> {
  const undo: (() => Promise<unknown>)[] = [];
  try {
    return await work(await startDeployment(options, undo));
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

/** Starts a deployment; `undo` gets what stops it again, last first, also when the start fails. */
export async function startDeployment(
  { runtime, ledger, apiProcesses, hasOwnWorker = apiProcesses > 1, settings = {} }: DeploymentOptions,
  undo: (() => Promise<unknown>)[],
): Promise<Deployment> {
  const redis = ledger === "redis" ? await RedisServer.start() : null;
  if (redis !== null) undo.push(() => redis.stop());
  const postgres = ledger === "embedded" ? null : await PostgresCluster.start({ isDurable: true });
  if (postgres !== null) undo.push(() => postgres.stop());
  const databaseUrl = (await postgres?.createDatabase()) ?? null;
  const shared = {
    runtime,
    databaseUrl,
    secret: randomBytes(32).toString("base64url"),
    adminToken: randomBytes(24).toString("base64url"),
    env: { ...SETTINGS, ...(redis === null ? {} : { REDIS_URL: redis.url }), ...settings },
  };
  const roles = !hasOwnWorker ? [undefined] : [...Array<string>(apiProcesses).fill("api"), WORKER];
  const nodes: NodeProcess[] = [];
  for (const role of roles) {
    const node = await NodeProcess.spawn({ ...shared, ...(role === undefined ? {} : { roles: role }) });
    undo.push(() => node.stop());
    // A worker has no buyers' port to say on that it is ready.
    const isReady = async (): Promise<boolean> => (await fetch(`${node.adminUrl}/readyz`)).ok;
    await (role === WORKER
      ? waitUntil("the worker to be ready", isReady, { withinMs: SETTLED_WITHIN_MS })
      : node.ready());
    nodes.push(node);
  }
  return new Deployment({ ledger, nodes, redis, postgres, databaseUrl });
}
