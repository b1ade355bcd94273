/**
 * A whole deployment with one sale in one ledger, and load on it: what the benchmarks of the ledgers have in common.
 *
 * Every attempt is signed and of another buyer, for one unit of one item whose stock does not end, and no limit but the
 * ledger's says no.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { OPEN_LIMITS } from "../../test/support/open-limits.ts";
import { waitUntil } from "../../test/support/waiting.ts";
import { findServerPrograms } from "../stack/programs.ts";
import { Stack } from "../stack/stack.ts";
import { OperatorClient } from "../swarm/operator-client.ts";
import { createSystemClock } from "../swarm/system-clock.ts";
import type { BlastTask } from "./blaster.ts";
import { type MeasuredProcess, type Measurement, measure } from "./measure.ts";
import { readFootprint } from "./redis-memory.ts";
import type { RequestShape } from "./request-book.ts";

const API_PROCESSES = 4;
const CONNECTIONS = 1_024;
/** So few that nobody is ever told "busy": every attempt shall reach the ledger. */
const UNHURRIED_CONNECTIONS = 128;
const WARM_UP_MS = 1_500;
/** More than any ledger accepts on two cores within a measurement at its maximum. */
const REQUESTS_MAX = 120_000;
/** Before anything is measured, every process has run the whole way so often that its code is compiled. */
const PRACTICE_REQUESTS = 30_000;
const PRACTICE_MS = 3_000;
/** So few that their signatures are fresh when the last of them is sent. */
const REFUSALS = 20_000;
/** One load of several that follow each other; its signatures are fresh until its end. */
const SATURATION_MS = 8_000;
const SATURATION_REQUESTS = 60_000;
const HOUR_MS = 3_600_000;
const STOCK = 10_000_000;
const COMMITTED_WITHIN_MS = 30_000;
/** Nothing but the ledger may say no. */
const SIGNED: Pick<RequestShape, "session" | "signature"> = { session: "genuine", signature: "right" };

export type LedgerName = "postgres" | "redis";

export interface Load {
  readonly ratePerS: number | null;
  /** Null = until every request was sent, without warm-up. */
  readonly durationMs: number | null;
  readonly followEvery?: number;
}

/** A deployment with one sale in one ledger. */
export class LedgerBench {
  readonly #stack: Stack;
  readonly #operator: OperatorClient;
  readonly #ledger: LedgerName;

  constructor(stack: Stack, ledger: LedgerName) {
    this.#stack = stack;
    this.#ledger = ledger;
    this.#operator = new OperatorClient({ address: stack.adminAddress, token: stack.adminToken });
  }

  /** A new sale that is open and where it belongs. */
  async openSale(): Promise<string> {
    const nowMs = Date.now();
    const { id } = await this.#operator.createSale({
      name: "Measurement",
      opensAt: nowMs - 1_000,
      closesAt: nowMs + 2 * HOUR_MS,
      holdMs: HOUR_MS,
      perBuyerMax: 1,
      items: [{ sku: "seat", name: "A seat", price: { amount: 4_900, currency: "EUR" }, stock: STOCK, perBuyerMax: 1 }],
    });
    await waitUntil(
      `the ${this.#ledger} ledger`,
      async () => (await this.#operator.readSale(id)).mode === this.#ledger,
      { withinMs: 30_000, everyMs: 50 },
    );
    return id;
  }

  /** Every request another buyer. Whatever was begun is committed when this resolves, and its cost is in the figures. */
  async accept(load: Load): Promise<Measurement> {
    await this.#accept({ ratePerS: null, durationMs: PRACTICE_MS }, PRACTICE_REQUESTS);
    const { ratePerS, durationMs } = load;
    const scheduled = ratePerS === null ? REQUESTS_MAX : (ratePerS * (WARM_UP_MS + (durationMs ?? 0))) / 1_000;
    return this.#accept(load, Math.ceil(scheduled));
  }

  async #accept(load: Load, count: number): Promise<Measurement> {
    const saleId = await this.openSale();
    const run = randomBytes(4).toString("hex");
    const shape = { ...SIGNED, buyers: count };
    return this.#blast({ saleId, run, count, shape }, load, () => this.#untilCommitted(saleId));
  }

  /** Where the operator API is, and the key to it. */
  get operator(): { readonly url: string; readonly token: string } {
    return { url: this.#stack.adminAddress, token: this.#stack.adminToken };
  }

  /**
   * As many attempts as the deployment takes, for so long: three loads that began one after the other, so that there is
   * always one while others are being signed. Answers how many were accepted.
   */
  async saturate(saleId: string, durationMs: number): Promise<number> {
    const endsAtMs = performance.now() + durationMs;
    let accepted = 0;
    const load = async (afterMs: number): Promise<void> => {
      await wait(afterMs);
      while (performance.now() < endsAtMs) {
        const shape = { ...SIGNED, buyers: SATURATION_REQUESTS };
        const book = { saleId, run: randomBytes(4).toString("hex"), count: SATURATION_REQUESTS, shape };
        const { outcomes } = await this.#blast(book, { ratePerS: null, durationMs: SATURATION_MS });
        accepted += (outcomes["accepted"] ?? 0) + (outcomes["queued"] ?? 0);
      }
    };
    await Promise.all([load(0), load(SATURATION_MS / 3), load((2 * SATURATION_MS) / 3)]);
    return accepted;
  }

  /** What the keys of Redis occupy for accepted units, and how much they grew by refusals of the ledger itself. */
  async weigh(): Promise<{
    bytesPerUnit: number;
    usedBytesPerUnit: number;
    bytesPerRefusal: number;
    refusals: number;
  }> {
    const saleId = await this.openSale();
    const run = randomBytes(4).toString("hex");
    const url = this.#stack.redis.url;
    const shape = { ...SIGNED, buyers: REFUSALS };
    const empty = await readFootprint(url);
    const book = { saleId, run, count: REFUSALS, shape };
    const all = { ratePerS: null, durationMs: null };
    expectOnly(await this.#blast(book, all), ["accepted", "queued"]);
    await this.#untilCommitted(saleId);
    const full = await readFootprint(url);
    const refused = await this.#blast({ ...book, again: "-again" }, all);
    expectOnly(refused, ["limit_reached"]);
    const after = await readFootprint(url);
    return {
      bytesPerUnit: (full.keyBytes - empty.keyBytes) / REFUSALS,
      usedBytesPerUnit: (full.usedBytes - empty.usedBytes) / REFUSALS,
      bytesPerRefusal: (after.keyBytes - full.keyBytes) / REFUSALS,
      refusals: REFUSALS,
    };
  }

  #blast(
    book: { saleId: string; run: string; count: number; shape: RequestShape; again?: string },
    load: Load,
    settle?: () => Promise<void>,
  ): Promise<Measurement> {
    const { ratePerS, durationMs, followEvery } = load;
    const task: BlastTask = {
      ports: this.#stack.apiNodes.map((node) => node.buyerPort),
      connections: durationMs === null ? UNHURRIED_CONNECTIONS : CONNECTIONS,
      warmUpMs: durationMs === null ? 0 : WARM_UP_MS,
      durationMs: durationMs ?? HOUR_MS,
      ratePerS,
      repeat: false,
      book: { ...book, secret: this.#stack.secret, sku: "seat" },
      ...(followEvery === undefined ? {} : { followEvery }),
    };
    return measure(task, this.#processes(), settle);
  }

  #processes(): readonly MeasuredProcess[] {
    const { apiNodes, workers, redis, postgres } = this.#stack;
    const parts = [
      ...apiNodes.map(({ pid }) => ({ pid, part: "nodes" })),
      ...workers.map(({ pid }) => ({ pid, part: "workers" })),
      { pid: redis.pid, part: "redis" },
      { pid: postgres.pid, part: "postgres" },
    ];
    return parts.flatMap(({ pid, part }) => (pid === null ? [] : [{ pid, part, children: part === "postgres" }]));
  }

  /** Until PostgreSQL has everything that was accepted: nothing of one measurement shall burden the next. */
  async #untilCommitted(saleId: string): Promise<void> {
    const text = `select coalesce(sum(o.quantity), 0)::int as units from orders o join item i using (item_id)
      where i.sale_id = $1`;
    await waitUntil(
      "every acceptance to be committed",
      async () => {
        const { takenUnits } = await this.#operator.readSale(saleId);
        const [row] = await this.#stack.postgres.query<{ units: number }>(this.#stack.databaseUrl, text, [saleId]);
        return row?.units === takenUnits;
      },
      { withinMs: COMMITTED_WITHIN_MS, everyMs: 100 },
    );
  }
}

/** Throws when other answers than these were given: a fast wrong answer is no speed. */
function expectOnly(measurement: Measurement, outcomes: readonly string[]): void {
  const other = Object.keys(measurement.outcomes).filter((outcome) => !outcomes.includes(outcome));
  const isRight = measurement.failures === 0 && other.length === 0;
  if (!isRight) throw new Error(`expected only ${outcomes}, got ${JSON.stringify(measurement)}`);
}

/** Starts a deployment for the work and stops it after. */
export async function withLedger<Result>(
  ledger: LedgerName,
  settings: Readonly<Record<string, string>>,
  work: (bench: LedgerBench) => Promise<Result>,
): Promise<Result> {
  const programs = findServerPrograms(process.env["PATH"] ?? "");
  const apart = ledger === "postgres" ? { REDIS_URL: "" } : {};
  const stack = await Stack.start({
    programs,
    clock: createSystemClock(),
    apiNodes: API_PROCESSES,
    settings: { ...OPEN_LIMITS, ...apart, ...settings },
  });
  try {
    return await work(new LedgerBench(stack, ledger));
  } finally {
    await stack.stop();
  }
}
