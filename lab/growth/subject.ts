/**
 * A deployment with sales that are all loaded at the same time, by ever more buyers: whose cost is measured.
 *
 * "Refused" attempts end at the sold-out latch, "accepted" ones are held in the ledger and committed. Every attempt is signed
 * and of another buyer. Practice is on sales and buyers of its own, so that compiled code is all it leaves behind.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { NO_BUYER_RATES } from "../../test/support/open-limits.ts";
import { figuresOf } from "../bench/bare-limit.ts";
import { type Deployment, targetsOf } from "../bench/deployment.ts";
import { BUSY_PAUSE_MS } from "../bench/ladder-accepted.ts";
import type { Figures } from "../bench/ladder-row.ts";
import { goodputOf, problemOf } from "../bench/ladder-run.ts";
import { cpuMsOf } from "../bench/processor-time.ts";
import type { BookTarget } from "../bench/request-book.ts";
import type { GrowthOptions } from "./axis.ts";

export const KINDS = ["refused", "accepted"] as const;
export type Kind = (typeof KINDS)[number];

/** Nobody is throttled here: the same limits cost the same at every size, and growth is looked for elsewhere. */
export const UNTHROTTLED = NO_BUYER_RATES;

const CONNECTIONS = 64;
const TRIES_MAX = 3;
/** So long nobody is there, for what a deployment costs that does nothing. */
const IDLE_MS = { full: 5_000, smoke: 500 };
const HOUR_MS = 3_600_000;
const STOCK = 10_000_000;
const PRACTICE_SALES = 8;
/** The same in each of the sales for practice. */
export const PRACTICE_BUYERS = { full: 4_000, smoke: 200 };

export interface SubjectOptions {
  readonly kind: Kind;
  readonly sales: number;
  /** In each of the sales. */
  readonly items: number;
  /** Of one buyer; 1 when absent. */
  readonly sessionsPerBuyer?: number;
  /** Sales to practise on, all with the same buyers; 8 when absent. */
  readonly practiceSales?: number;
}

/** How a number of attempts is sent; a closed loop as fast as it goes when nothing is said. */
export interface Pace {
  readonly connections?: number;
  /** Open loop, every connection in its turn. */
  readonly ratePerS?: number;
}

export class Subject {
  readonly deployment: Deployment;
  readonly #options: SubjectOptions;
  readonly #growth: GrowthOptions;
  readonly #run = randomBytes(3).toString("hex");
  readonly #targets: readonly BookTarget[];
  #buyersSeen = 0;
  #decided = 0;

  private constructor(
    deployment: Deployment,
    options: { subject: SubjectOptions; growth: GrowthOptions; targets: readonly BookTarget[] },
  ) {
    this.deployment = deployment;
    this.#options = options.subject;
    this.#growth = options.growth;
    this.#targets = options.targets;
  }

  /** Opens the sales and practises. */
  static async open(deployment: Deployment, subject: SubjectOptions, growth: GrowthOptions): Promise<Subject> {
    const { kind, sales, items, practiceSales = PRACTICE_SALES } = subject;
    const run = randomBytes(3).toString("hex");
    const setup = { signature: "required", opensInMs: -1_000, ...stockOf(kind) } as const;
    const practice = Array.from(
      { length: growth.isSmoke ? 1 : practiceSales },
      (_, index) => `practice-${run}-${index}`,
    );
    await deployment.openSales(setup, practice);
    for (const saleId of practice) {
      const count = PRACTICE_BUYERS[growth.isSmoke ? "smoke" : "full"];
      const shape = { session: "genuine", signature: "right", buyers: count } as const;
      const book = { saleId, sku: "seat", count, shape, run: `practice-${run}`, again: saleId.slice(-2) };
      await deployment.load({ book, ...allOf({}), committedIn: kind === "accepted" ? [saleId] : [] });
    }
    const names = Array.from({ length: sales }, (_, index) => `growth-${run}-${index}`);
    await deployment.openSales({ ...setup, items }, names);
    return new Subject(deployment, { subject, growth, targets: targetsOf(names, items) });
  }

  /** Buyers that attempted here so far, those of a `send` that was tried again among them; sessions where they have several. */
  get buyersSeen(): number {
    return this.#buyersSeen;
  }

  /** Their attempts that ended as they should: in the latch, or with a reservation. The others were turned away before. */
  get decided(): number {
    return this.#decided;
  }

  /**
   * Attempts of so many buyers that were never seen before, and what they cost. A node that could not keep up refused some
   * before they were decided: then others are sent, and what is still wrong at the end is told. Everything is committed when
   * this resolves.
   */
  async send(count: number, pace: Pace = {}): Promise<Figures> {
    for (let tries = 1; ; tries += 1) {
      const { figures, problem } = await this.#sendOnce(count, pace);
      if (problem === null || tries === TRIES_MAX) {
        if (problem !== null) this.#growth.complain(`${this.#options.kind}: ${problem}`);
        return figures;
      }
    }
  }

  /** What all processes together spend while nobody is there: milliseconds of processor time a second. */
  async idleCpuMsPerS(): Promise<number> {
    const processes = this.deployment.processes;
    const cpuMs = (): number => processes.reduce((sum, one) => sum + cpuMsOf(one.pid, one), 0);
    const [beforeMs, startedMs] = [cpuMs(), performance.now()];
    await wait(this.#growth.isSmoke ? IDLE_MS.smoke : IDLE_MS.full);
    return ((cpuMs() - beforeMs) * 1_000) / (performance.now() - startedMs);
  }

  async #sendOnce(count: number, pace: Pace): Promise<{ readonly figures: Figures; readonly problem: string | null }> {
    const shape = { session: "genuine", signature: "right", buyers: count } as const;
    const where = { saleId: "", sku: "", targets: this.#targets };
    const { sessionsPerBuyer = 1 } = this.#options;
    const book = { ...where, count, shape, run: this.#run, firstBuyer: this.#buyersSeen, sessionsPerBuyer };
    const isAccepted = this.#options.kind === "accepted";
    const committedIn = isAccepted ? [...new Set(this.#targets.map(({ saleId }) => saleId))] : [];
    const measurement = await this.deployment.load({ book, ...allOf(pace), committedIn });
    const expected = isAccepted ? ["accepted", "queued"] : ["empty"];
    this.#buyersSeen += count;
    this.#decided += expected.reduce((sum, outcome) => sum + (measurement.outcomes[outcome] ?? 0), 0);
    if (isAccepted) return goodputOf(measurement);
    return { figures: figuresOf(measurement), problem: problemOf(measurement, expected) };
  }
}

function stockOf(kind: Kind): { readonly stock: number; readonly isTaken: boolean } {
  return kind === "accepted" ? { stock: STOCK, isTaken: false } : { stock: 1, isTaken: true };
}

/** Everything in the book once. */
function allOf({ connections = CONNECTIONS, ratePerS }: Pace) {
  const rate = ratePerS === undefined ? { ratePerS: null } : { ratePerS, isSpread: true };
  return { connections, ...rate, busyPauseMs: BUSY_PAUSE_MS, warmUpMs: 0, durationMs: HOUR_MS, repeat: false };
}
