/**
 * The frame of every repetition: a new sale under load, the scenario's disturbance, healing, settling, an audit, selling
 * the rest to exactly the stock, and the check of the whole history.
 *
 * What cannot be carried out is a violation too: a sale that does not go on, books that do not settle, units that nobody
 * can buy. Only the laboratory's own faults throw.
 */
import { waitUntil } from "../../test/support/waiting.ts";
import { createSeededRandom } from "../swarm/seeded-random.ts";
import { wait } from "../swarm/system-clock.ts";
import type { Allowances } from "./allowances.ts";
import { Buyers, KEEPERS, USUAL_HABITS } from "./buyers.ts";
import type { AuditCut, History } from "./history.ts";
import { type LabSale, OperatorDesk, type StockFigures } from "./operator-desk.ts";
import type { RepetitionReport } from "./report.ts";
import type { Scenario, Variant } from "./scenario.ts";
import { Scene } from "./scene.ts";
import type { ChaosStack } from "./stack.ts";
import { judgeHistory } from "./verdict.ts";

const NS_PER_MS = 1_000_000;
/** Large enough to have units to sell after the disturbance; holds are short, so most of them come back meanwhile. */
const STOCK = 2_500;
const PER_BUYER_MAX = 2;
const BRIEF_HOLD_MS = 1_500;
const LONG_HOLD_MS = 600_000;
const VISITORS = 24;
const PAUSE_MS_MAX = 120;
const WARM_ACCEPTANCES_MAX = 200;
const AUDIT_INTERVAL_MS = 400;
const GOES_ON_FOR_MS = 400;
const ANSWERS_WITHIN_MS = 12_000;
/** L1: ten seconds after the last fault has healed every unit can be sold again. */
const SETTLES_WITHIN_MS = 10_000;
/** Units for which nobody could be found for so long, holds that end meanwhile included, are stranded. */
const STANDS_STILL_MS_MAX = 10_000;
/** The payment provider tries again with growing pauses. */
const DELIVERED_WITHIN_MS = 60_000;
const SELLERS = 32;
const IN_DOUBT_MS = 10_000;

const STRICT: Allowances = {
  recordedLoss: false,
  gapsInFencedEpochs: true,
  inDoubtMs: IN_DOUBT_MS,
  scatteredShare: 0,
  wrongWindow: false,
  renumbered: false,
};
/** Of an item in several buckets. */
const SCATTERED_SHARE = 0.1;

export interface RepetitionOptions {
  readonly scenario: Scenario;
  readonly variant: Variant;
  readonly repetition: number;
  readonly seed: number;
  readonly stack: ChaosStack;
}

/** What a repetition came to. */
export interface RepetitionResult {
  readonly report: RepetitionReport;
  readonly history: History;
}

/** Runs one repetition on a stack that is whole, and leaves it whole. */
export async function runRepetition(options: RepetitionOptions): Promise<RepetitionResult> {
  return await new Repetition(options).run();
}

class Repetition {
  readonly #options: RepetitionOptions;
  readonly #desk: OperatorDesk;
  readonly #audits: AuditCut[] = [];
  readonly #violations: string[] = [];
  readonly #startedAtMs: number;

  constructor(options: RepetitionOptions) {
    this.#options = options;
    this.#desk = new OperatorDesk(options.stack);
    this.#startedAtMs = options.stack.clock.monotonicMs();
  }

  async run(): Promise<RepetitionResult> {
    const { stack, seed, variant } = this.#options;
    const { buckets = 1, stock: total = STOCK, perBuyerMax = PER_BUYER_MAX, holdMs = BRIEF_HOLD_MS } = variant;
    const sale = await this.#desk.openSale({ total, holdMs, perBuyerMax, buckets });
    const nodes = stack.apiNodes.map(({ name, shop }) => ({ name, buyerPort: shop.buyerPort }));
    const { secret, clock } = stack;
    const buyers = new Buyers({ ...sale, nodes, secret, seed, clock });
    try {
      return await this.#disturbAndJudge(sale, buyers);
    } finally {
      buyers.close();
    }
  }

  async #disturbAndJudge(sale: LabSale, buyers: Buyers): Promise<RepetitionResult> {
    const { stack, seed, variant } = this.#options;
    const random = createSeededRandom(seed, 0);
    const scene = new Scene({ stack, buyers, desk: this.#desk, random, saleId: sale.saleId });
    const watch = this.#watchAudits(sale.saleId, buyers);
    const { habits = USUAL_HABITS, quantity = null } = variant;
    buyers.start({ visitors: VISITORS, pauseMsMax: PAUSE_MS_MAX, habits, quantity });
    await scene.untilSold(1 + random.below(WARM_ACCEPTANCES_MAX));
    const sinceNs = await this.#disturb(scene);
    await wait(stack.clock, GOES_ON_FOR_MS);
    const downtimeMs = this.#measureDowntime(buyers, sinceNs);
    await buyers.stop(ANSWERS_WITHIN_MS);
    await watch.stop();
    const recoveryMs = await this.#settle(sale, scene);
    const leftBefore = await this.#sellTheRest(sale, buyers);
    const history = await this.#gather(sale, buyers);
    // A payment that came last may have taken what was left, or have brought something back.
    const left = Math.min(leftBefore, openUnits(await this.#desk.stock(sale.saleId)));
    const report = await this.#judge(scene, history, { downtimeMs, recoveryMs, left });
    await this.#desk.close(sale.saleId);
    return { report, history };
  }

  /** Injects, heals, waits for the first sale after; answers from when downtime counts. */
  async #disturb(scene: Scene): Promise<number> {
    const { variant, stack } = this.#options;
    await variant.disturb(scene);
    await stack.restore();
    if (scene.healedNs === null) scene.healed();
    if (scene.injectedNs === null) this.#violations.push("nothing was injected");
    const sinceNs = (variant.firstSale.after === "injection" ? scene.injectedNs : scene.healedNs) ?? 0;
    await scene.untilSelling(Math.max(sinceNs, scene.healedNs ?? 0));
    return sinceNs;
  }

  /** Nobody could buy for so long: the longest silence, which is longer than the time to the first sale. */
  #measureDowntime(buyers: Buyers, sinceNs: number): number {
    const { withinMs, after } = this.#options.variant.firstSale;
    const downtimeMs = buyers.longestSilenceSinceMs(sinceNs);
    if (downtimeMs > withinMs) {
      this.#violations.push(
        `after ${after} nobody could buy for ${Math.round(downtimeMs)} ms, allowed are ${withinMs} ms`,
      );
    }
    return downtimeMs;
  }

  /** Asks for audits all the time; while a fault lasts the operator's node may have no answer. */
  #watchAudits(saleId: string, buyers: Buyers): { stop: () => Promise<void> } {
    const { clock } = this.#options.stack;
    let isWatching = true;
    const watch = async (): Promise<void> => {
      while (isWatching) {
        await this.#audit(saleId, buyers);
        await wait(clock, AUDIT_INTERVAL_MS);
      }
    };
    const watching = watch();
    return {
      stop: async () => {
        isWatching = false;
        await watching;
      },
    };
  }

  /** True when the books balance now. */
  async #audit(saleId: string, buyers: Buyers): Promise<boolean> {
    try {
      const audit = await this.#desk.audit(saleId);
      this.#audits.push({ atNs: buyers.nowNs(), ...audit });
      return audit.balanced;
    } catch (error) {
      // No answer proves nothing about the books.
      if (error instanceof Error) return false;
      throw error;
    }
  }

  /** Waits for balanced books and for everything under way to arrive; answers how long after healing that was. */
  async #settle(sale: LabSale, scene: Scene): Promise<number> {
    const { clock } = this.#options.stack;
    const healedNs = scene.healedNs ?? 0;
    const { settlesWithinMs = SETTLES_WITHIN_MS } = this.#options.variant;
    const deadlineMs = clock.monotonicMs() + settlesWithinMs;
    let isSettled = false;
    while (!isSettled && clock.monotonicMs() < deadlineMs) {
      isSettled = (await this.#audit(sale.saleId, scene.buyers)) && (await this.#isOnRecord(sale, scene.buyers));
      isSettled &&= await this.#tryToLengthenHolds(sale);
      if (!isSettled) await wait(clock, 50);
    }
    if (!isSettled) this.#violations.push(`the books did not settle within ${settlesWithinMs} ms`);
    return (scene.buyers.nowNs() - healedNs) / NS_PER_MS;
  }

  /** Whatever was acknowledged has become an order, or is on record as lost. */
  async #isOnRecord(sale: LabSale, buyers: Buyers): Promise<boolean> {
    const onRecord = new Set((await this.#desk.orders(sale.saleId)).map((order) => order.rid));
    return buyers.records.every((record) => record.answer?.kind !== "accepted" || onRecord.has(record.rid));
  }

  async #tryToLengthenHolds(sale: LabSale): Promise<boolean> {
    try {
      await this.#desk.setHold(sale.saleId, LONG_HOLD_MS);
      return true;
    } catch (error) {
      if (error instanceof Error) return false;
      throw error;
    }
  }

  /**
   * Sells until every unit is held for long or paid, as long as the sale goes forward at all; answers how many units
   * nobody could buy.
   */
  async #sellTheRest(sale: LabSale, buyers: Buyers): Promise<number> {
    const { clock } = this.#options.stack;
    let left = openUnits(await this.#desk.stock(sale.saleId));
    for (const quantity of [sale.perBuyerMax, 1]) {
      buyers.start({ visitors: SELLERS, pauseMsMax: 5, habits: KEEPERS, quantity });
      let deadlineMs = clock.monotonicMs() + STANDS_STILL_MS_MAX;
      while (left >= quantity && clock.monotonicMs() < deadlineMs) {
        await wait(clock, 40);
        const now = openUnits(await this.#desk.stock(sale.saleId));
        if (now < left) deadlineMs = clock.monotonicMs() + STANDS_STILL_MS_MAX;
        left = now;
      }
      await buyers.stop(ANSWERS_WITHIN_MS);
    }
    return openUnits(await this.#desk.stock(sale.saleId));
  }

  async #gather(sale: LabSale, buyers: Buyers): Promise<History> {
    const isAwaited = this.#options.variant.awaitsPayments ?? false;
    const readUnderWay = (): Promise<string[]> => this.#desk.paymentsUnderWay(sale.saleId);
    if (isAwaited) {
      const isNoneLeft = async (): Promise<boolean> => (await readUnderWay()).length === 0;
      await waitUntil("the last notification of a payment", isNoneLeft, { withinMs: DELIVERED_WITHIN_MS, everyMs: 50 });
    }
    if (!(await this.#audit(sale.saleId, buyers))) this.#violations.push("the final audit did not balance");
    const { saleId, total, perBuyerMax, buckets } = sale;
    const paymentsUnderWay = await readUnderWay();
    return {
      terms: { saleId, total, perBuyerMax, buckets, originMs: buyers.originMs },
      records: buyers.records,
      orders: await this.#desk.orders(saleId),
      audits: this.#audits,
      paymentsUnderWay,
    };
  }

  async #judge(
    scene: Scene,
    history: History,
    figures: { downtimeMs: number; recoveryMs: number; left: number },
  ): Promise<RepetitionReport> {
    const { scenario, variant, repetition, seed, stack } = this.#options;
    const scatteredShare = history.terms.buckets > 1 ? SCATTERED_SHARE : 0;
    const allowances = { ...STRICT, scatteredShare, ...variant.allowances };
    const { violations: found, linearization, recordedLosses } = await judgeHistory(history, allowances);
    const active = history.orders.filter((order) => ["held", "expiring", "paid"].includes(order.status));
    const owned = active.reduce((sum, order) => sum + order.quantity, 0);
    const { left, downtimeMs, recoveryMs } = figures;
    if (left > 0) this.#violations.push(`${left} units could not be sold`);
    return {
      scenario: scenario.id,
      variant: variant.name,
      repetition,
      seed,
      saleId: history.terms.saleId,
      injections: scene.injections,
      downtimeMs,
      recoveryMs,
      requests: history.records.length,
      accepted: scene.buyers.acceptedCount,
      unanswered: history.records.filter((record) => record.completeNs === null).length,
      lost: recordedLosses + found.filter((one) => one.text.endsWith("is nowhere")).length,
      oversold: Math.max(0, owned - history.terms.total),
      stranded: left,
      linearization,
      epochs: Math.max(0, ...history.orders.map((order) => order.epoch)),
      tookMs: stack.clock.monotonicMs() - this.#startedAtMs,
      violations: [
        ...this.#violations,
        ...scene.objections,
        ...found.map(({ check, text }) => `history ${check}: ${text}`),
      ],
    };
  }
}

/** Units that somebody should still be able to buy, now or when their brief hold has ended. */
function openUnits(stock: StockFigures): number {
  return stock.total - (stock.held - stock.heldBriefly) - stock.sold;
}
