/**
 * Kills parts of a deployment in the middle of a sale, brings them back, and says what buyers noticed of it.
 *
 * One after the other: the next kill comes once units are taken again after the last one, and once a share of the stock
 * is gone or some time has passed, so that it meets a sale in full swing whatever its size. What is taken is read from
 * the operator's side, which lives on a node that nobody kills. Judging the sale is not done here.
 */
import type { Clock } from "../../src/ports/clock.ts";
import type { OperatorClient, SaleReading } from "./operator-client.ts";
import { table } from "./report.ts";
import type { RunCompanion } from "./run.ts";
import { wait } from "./system-clock.ts";

const LOOK_INTERVAL_MS = 50;
/** Longer than any recovery may take; after it the sale counts as stuck. */
const SELLS_AGAIN_WITHIN_MS = 30_000;
const LEDGER_READY_WITHIN_MS = 30_000;
const LEDGER_BACK_WITHIN_MS = 60_000;

/** Something that can die and come back. */
export interface Disturbance {
  /** As people hear of it: "node api-2". */
  readonly what: string;
  /** Killed once this share of the stock is taken, or this long after the opening. */
  readonly atShare: number;
  readonly latestMs: number;
  /** How long it stays away. */
  readonly awayMs: number;
  /** The mode that the sale has to leave before anybody can buy again; absent when it need not. */
  readonly leavesMode?: string;
  readonly kill: () => Promise<void>;
  readonly restart: () => Promise<void>;
}

/** What one disturbance came to. Times from the kill. */
export interface DisturbanceResult {
  readonly what: string;
  readonly takenShare: number;
  /** Until the first unit was taken again; null = nothing was left to take, or nothing was taken for too long. */
  readonly sellsAfterMs: number | null;
  readonly isStuck: boolean;
}

export interface DisturberOptions {
  readonly operator: Pick<OperatorClient, "readSale">;
  readonly disturbances: readonly Disturbance[];
  /** The mode in which the sale begins and to which it returns. */
  readonly homeMode: string;
  readonly clock: Clock;
  readonly say: (line: string) => void;
}

/** What was killed, and what buyers noticed of it. */
export function formatDisturbances(results: readonly DisturbanceResult[]): string {
  const lines = results.map(({ what, takenShare, sellsAfterMs, isStuck }) => {
    const rest = isStuck ? "not in time" : "nothing was left";
    const again = sellsAfterMs === null ? rest : `${(sellsAfterMs / 1_000).toFixed(1)} s later`;
    return [what, `${(takenShare * 100).toFixed(0)} %`, again];
  });
  return table(["killed in the middle", "stock taken", "next unit taken"], lines);
}

/** Waits for the ledger before the opening, disturbs during the rush, and remembers how it went. */
export class Disturber implements RunCompanion {
  readonly results: DisturbanceResult[] = [];
  /** True once the sale was back in its mode after the last disturbance. */
  hasReturned = false;
  readonly #options: DisturberOptions;
  #saleId = "";
  #opensAtMs = 0;

  constructor(options: DisturberOptions) {
    this.#options = options;
  }

  async beforeRush(saleId: string): Promise<void> {
    const { homeMode, say } = this.#options;
    this.#saleId = saleId;
    const reading = await this.#until((sale) => sale.mode === homeMode, LEDGER_READY_WITHIN_MS);
    if (reading === null) throw new Error(`The sale did not get into ${homeMode} mode.`);
    say(`The ${homeMode} ledger decides about the sale (epoch ${reading.epoch}).`);
  }

  async duringRush(sale: { saleId: string; opensAtMs: number }): Promise<void> {
    const { clock, homeMode } = this.#options;
    this.#saleId = sale.saleId;
    this.#opensAtMs = sale.opensAtMs;
    const returns: Promise<void>[] = [];
    for (const disturbance of this.#options.disturbances) {
      const dueMs = sale.opensAtMs + disturbance.latestMs - clock.nowMs();
      await this.#until((now) => now.takenUnits >= disturbance.atShare * now.totalUnits, dueMs);
      const { isBack } = await this.#disturb(disturbance);
      returns.push(isBack);
    }
    await Promise.all(returns);
    const home = await this.#until((now) => now.mode === homeMode, LEDGER_BACK_WITHIN_MS);
    this.hasReturned = home !== null;
    if (home !== null) this.#say(`the ${homeMode} ledger decides (epoch ${home.epoch})`);
  }

  /** Kills, and waits until units are taken again; `isBack` may take longer. */
  async #disturb(disturbance: Disturbance): Promise<{ isBack: Promise<void> }> {
    const { what, awayMs, leavesMode } = disturbance;
    const { clock } = this.#options;
    const before = await this.#look();
    const takenShare = before === null ? 0 : before.takenUnits / before.totalUnits;
    const killedAtMs = clock.monotonicMs();
    await disturbance.kill();
    this.#say(`kill -9: ${what}, with ${(takenShare * 100).toFixed(0)} % of the stock taken`);
    const isBack = this.#bringBack(disturbance, awayMs);
    // A rejection waits for whoever awaits the promise; until then it must not count as unhandled.
    isBack.catch(() => undefined);
    const baseline = await this.#until((now) => now.mode !== leavesMode, SELLS_AGAIN_WITHIN_MS);
    if (baseline !== null && leavesMode !== undefined) this.#say(`the sale is in ${baseline.mode} mode now`);
    const moved = (now: SaleReading): boolean =>
      now.takenUnits > (baseline?.takenUnits ?? 0) || now.takenUnits === now.totalUnits;
    const again = baseline === null ? null : await this.#until(moved, SELLS_AGAIN_WITHIN_MS);
    const isGone = again !== null && again.takenUnits === again.totalUnits;
    const sellsAfterMs = again === null || isGone ? null : clock.monotonicMs() - killedAtMs;
    this.results.push({ what, takenShare, sellsAfterMs, isStuck: again === null });
    if (sellsAfterMs !== null)
      this.#say(`units are taken again, ${(sellsAfterMs / 1_000).toFixed(1)} s after the kill`);
    return { isBack };
  }

  async #bringBack(disturbance: Disturbance, awayMs: number): Promise<void> {
    await wait(this.#options.clock, awayMs);
    await disturbance.restart();
    this.#say(`${disturbance.what} is back`);
  }

  /** The first reading that satisfies; null when none did in time. */
  async #until(isWanted: (sale: SaleReading) => boolean, withinMs: number): Promise<SaleReading | null> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + withinMs;
    do {
      const reading = await this.#look();
      if (reading !== null && isWanted(reading)) return reading;
      await wait(clock, LOOK_INTERVAL_MS);
    } while (clock.monotonicMs() < deadlineMs);
    return null;
  }

  /** Null while the operator's side cannot say: its figures come from what has just been killed. */
  async #look(): Promise<SaleReading | null> {
    try {
      return await this.#options.operator.readSale(this.#saleId);
    } catch (error) {
      if (error instanceof Error) return null;
      throw error;
    }
  }

  #say(text: string): void {
    const sinceMs = this.#options.clock.nowMs() - this.#opensAtMs;
    this.#options.say(`+${(sinceMs / 1_000).toFixed(1)} s  ${text}`);
  }
}
