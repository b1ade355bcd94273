/**
 * The conductor: decides for all nodes in which mode a sale is, and carries it from one mode to the next.
 *
 *     postgres ──Redis is well──► warming ──buckets ready──► redis ──sale over, or trouble──► draining ──fence──► postgres
 *         ▲                          └────────it failed───────────────────────────────────────────────────────────┘ │
 *         └─────────────────────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * postgres: reserve_batch decides. Left when Redis is well (at first at once; again only after the dwell time, and at most
 * three times). warming: nobody sells, buckets are filled. redis: buckets decide; this relays units and notes to them,
 * audits them and marks what is committed. draining: nobody sells, what was accepted is committed. closed: Postgres was
 * found to have gone back in time; nobody sells until an operator recovers the sale.
 *
 * The one thing to know: each step is durable in Postgres and checked by epoch, so a conductor that dies anywhere is
 * followed by another that reads where the sale stands and goes on from there; two at once are harmless. Trouble always
 * leads through postgres mode, so that selling goes on whatever becomes of Redis.
 */
import { isFault } from "../domain/faults.ts";
import type { SaleId } from "../domain/ids.ts";
import { type Sale, saleStateAt } from "../domain/sale.ts";
import { forEachBounded } from "../orders/bounded.ts";
import { ROLLED_BACK } from "../orders/stream-recovery.ts";
import type { Books, LedgerState } from "../ports/books.ts";
import type { BucketStore } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Leadership } from "../ports/leadership.ts";
import type { Random } from "../ports/random.ts";
import type { SaleDirectory } from "../ports/sale-directory.ts";
import type { Log } from "../ports/telemetry.ts";
import { BucketAuditor } from "./bucket-auditor.ts";
import { CommittedMarks } from "./committed-marks.ts";
import { ModeChanges } from "./mode-changes.ts";
import type { PlacesReport } from "./places.ts";
import { type RedisView, RedisWatch } from "./redis-watch.ts";
import type { Relay } from "./relay.ts";

/** Whatever is under way is carried on this often; all sales are looked at once a second. */
const PASS_INTERVAL_MS = 250;
/** Passes are jittered; one that is early by no more than this is the one that was meant. */
const EARLY_MS_MAX = PASS_INTERVAL_MS / 2;
/** Sales worked on at once; mode changes, which take seconds, included. */
const SALES_AT_ONCE_MAX = 32;
/** How long a majority of the API nodes must miss Redis, or it must be unfit, before a sale leaves redis mode. */
export const AWAY_MS_MAX = 2_000;
/** How long the conductor itself may miss it: without it nobody relays or audits. */
export const UNSEEN_MS_MAX = 10_000;
/** Every sale is audited once a second; where that would be more audits than this a second, each of them less often. */
const CHECK_INTERVAL_MS = 1_000;
const CHECKS_PER_S_MAX = 200;
/** Returns to redis mode in the life of a sale. */
export const FLIPS_MAX = 3;
const REMINDER_INTERVAL_MS = 60_000;
const REMIND_AFTER_MS = 10_000;
/** How often the reason why a sale stays in postgres mode may change. */
const EXPLAIN_INTERVAL_MS = 5_000;

/** A sale to be conducted, as it was found last. */
interface Turn {
  readonly sale: Sale;
  readonly state: LedgerState;
  readonly view: RedisView;
}

export interface ConductorParts {
  readonly store: BucketStore;
  readonly books: Books;
  readonly relay: Relay;
  readonly sales: SaleDirectory;
  readonly leadership: Pick<Leadership, "isHeld">;
  /** Commits what is left in the streams of the sale's epoch; see CommitWorker. */
  readonly drain: (sale: Sale) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Redis must have been well, and the sale in postgres mode, for so long before it returns. */
  readonly dwellMs: number;
}

/** See the head of this file. */
export class Conductor {
  readonly #parts: ConductorParts;
  readonly #watch: RedisWatch;
  readonly #auditor: BucketAuditor;
  readonly #marks: CommittedMarks;
  readonly #changes: ModeChanges;
  readonly #busy = new Map<SaleId, Promise<void>>();
  /** Sales whose turn has not come, first come first served: however many there are, each of them is conducted. */
  readonly #queue = new Map<SaleId, Turn>();
  readonly #checkedAtMs = new Map<SaleId, number>();
  #checkIntervalMs = CHECK_INTERVAL_MS;
  #lookedAtAllMs = Number.NEGATIVE_INFINITY;
  /** Sales that were there when all were looked at. */
  #seen: ReadonlySet<SaleId> = new Set();
  readonly #remindedAtMs = new Map<SaleId, number>();
  #cancelTimer: (() => void) | null = null;
  #unsubscribe: (() => void) | null = null;
  #passing: Promise<void> | null = null;
  #isStarted = false;

  constructor(parts: ConductorParts) {
    this.#parts = parts;
    this.#watch = new RedisWatch(parts);
    this.#auditor = new BucketAuditor(parts);
    this.#marks = new CommittedMarks(parts);
    this.#changes = new ModeChanges({ ...parts, auditor: this.#auditor });
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#unsubscribe = this.#parts.sales.onRefresh(() => this.#passSoon());
    this.#schedule();
  }

  /** Begins nothing more; resolves when what was begun is over. */
  async stop(): Promise<void> {
    this.#isStarted = false;
    this.#unsubscribe?.();
    this.#cancelTimer?.();
    this.#changes.stop();
    await this.#passing;
    this.#queue.clear();
    await Promise.all(this.#busy.values());
  }

  /** One pass over all sales, to its end. Throws what the books throw when they cannot be read. */
  async runOnce(): Promise<void> {
    await this.#pass();
    while (this.#busy.size > 0) await Promise.all(this.#busy.values());
  }

  #schedule(): void {
    const { clock, random } = this.#parts;
    this.#cancelTimer = clock.setTimer(PASS_INTERVAL_MS * (0.9 + 0.2 * random.fraction()), () => {
      this.#passSoon();
      if (this.#isStarted) this.#schedule();
    });
  }

  /** A pass never waits for the sales it set in motion: one that drains must not hold the others up. */
  #passSoon(): void {
    if (!this.#isStarted || this.#passing !== null) return;
    this.#passing = this.#pass()
      .catch((error: unknown) => this.#parts.log.warn({ error }, "sales could not be conducted; tried again"))
      .finally(() => {
        this.#passing = null;
      });
  }

  async #pass(): Promise<void> {
    const { leadership, sales, books, clock } = this.#parts;
    if (!leadership.isHeld) return;
    const idle = sales.listSales().filter((sale) => !this.#busy.has(sale.id));
    if (idle.length === 0) return;
    const view = await this.#watch.look();
    const isOfAll = this.#isTimeForAll(idle, view);
    const states = await (isOfAll ? books.readLedgerStates(idle.map((sale) => sale.id)) : books.listLedgersDue());
    if (isOfAll) this.#lookedAtAllMs = clock.monotonicMs();
    if (isOfAll) this.#seen = new Set(sales.listSales().map((sale) => sale.id));
    const inRedis = sales.listSales().reduce((count, sale) => count + (sale.mode === "redis" ? 1 : 0), 0);
    this.#checkIntervalMs = Math.max(CHECK_INTERVAL_MS, (inRedis * 1_000) / CHECKS_PER_S_MAX);
    const byId = new Map(idle.map((sale) => [sale.id, sale]));
    for (const state of states) {
      const sale = byId.get(state.saleId);
      // Who waits already keeps his place, with what is known now.
      if (sale !== undefined) this.#queue.set(sale.id, { sale: inState(sale, state), state, view });
    }
    this.#startNext();
  }

  /** Once a second; at once when a sale is new or has new settings, and while Redis is not well. */
  #isTimeForAll(idle: readonly Sale[], view: RedisView): boolean {
    const { clock, relay } = this.#parts;
    if (clock.monotonicMs() - this.#lookedAtAllMs >= CHECK_INTERVAL_MS - EARLY_MS_MAX) return true;
    if (!view.isWell || troubleOf(view) !== null) return true;
    return idle.some((sale) => !this.#seen.has(sale.id) || (sale.mode === "redis" && !relay.hasApplied(sale)));
  }

  #startNext(): void {
    for (const [saleId, { sale, state, view }] of this.#queue) {
      if (this.#busy.size >= SALES_AT_ONCE_MAX) return;
      this.#queue.delete(saleId);
      if (this.#busy.has(saleId) || !this.#parts.leadership.isHeld) continue;
      const work = this.#conductQuietly(sale, state, view).finally(() => {
        this.#busy.delete(saleId);
        this.#startNext();
      });
      this.#busy.set(saleId, work);
    }
  }

  async #conductQuietly(sale: Sale, state: LedgerState, view: RedisView): Promise<void> {
    try {
      await this.#conduct(sale, state, view);
    } catch (error) {
      const fields = { saleId: sale.id, mode: sale.mode, epoch: sale.epoch, error };
      if (isFault(error)) this.#parts.log.debug(fields, "a sale could not be conducted now; the next pass tries again");
      else this.#parts.log.error(fields, "conducting a sale failed; the next pass tries again");
    }
  }

  async #conduct(sale: Sale, state: LedgerState, view: RedisView): Promise<void> {
    if (sale.mode !== "postgres" && state.modeReason.startsWith(ROLLED_BACK)) return this.#remind(sale, state);
    const isOver = saleStateAt(sale, state.nowMs) === "closed";
    switch (sale.mode) {
      case "postgres":
        return isOver ? this.#changes.tidyUp(sale, state) : this.#considerEntering(sale, state, view);
      case "warming":
        return this.#changes.takeOverWarming(sale, { isWell: view.isWell && !isOver });
      case "redis":
        return isOver ? this.#changes.finish(sale) : this.#keepUp(sale, state, view);
      case "draining":
        return this.#changes.drainAndFence(sale, state, { isSeen: view.unseenMs === 0 });
      case "closed":
        return;
    }
  }

  /** At first at once; later only when Redis and the sale have been quiet long enough, and not too often. */
  async #considerEntering(sale: Sale, state: LedgerState, view: RedisView): Promise<void> {
    const { dwellMs } = this.#parts;
    if (view.unseenMs === 0 && this.#isDue(sale.id)) {
      const proof = await this.#changes.findForgotten(sale);
      if (proof !== null) return this.#changes.closeRolledBack(sale, proof);
    }
    if (!view.isWell) return this.#explain(sale, state, view);
    const isFirst = state.epoch === 1;
    if (!isFirst && state.flips >= FLIPS_MAX) return;
    if (!isFirst && (view.wellMs < dwellMs || state.nowMs - state.modeSinceMs < dwellMs)) return;
    await this.#changes.enter(sale, isFirst ? "Redis is well" : "Redis has been well again");
  }

  /** A sale that came back has its reason; one that never left postgres mode is given the reason why it waits. */
  async #explain(sale: Sale, state: LedgerState, view: RedisView): Promise<void> {
    const reason = view.objection ?? "Redis is not well";
    if (state.epoch > 1 || state.modeReason === reason) return;
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - (this.#remindedAtMs.get(sale.id) ?? Number.NEGATIVE_INFINITY) < EXPLAIN_INTERVAL_MS) return;
    this.#remindedAtMs.set(sale.id, nowMs);
    const { books } = this.#parts;
    await books.changeMode({ saleId: sale.id, epoch: sale.epoch, from: "postgres", to: "postgres", reason });
  }

  /**
   * A sale in redis mode: look for trouble, then give the buckets what is theirs. Most sales have nothing for them most of the
   * time, and then nobody is asked: hundreds of sales at once cost what the one question about all of them costs.
   */
  async #keepUp(sale: Sale, state: LedgerState, view: RedisView): Promise<void> {
    const trouble = troubleOf(view);
    if (trouble !== null) return this.#changes.degrade(sale, trouble, { isSeen: view.unseenMs === 0 });
    try {
      if (this.#isDue(sale.id) && !(await this.#check(sale))) return;
      const { relay } = this.#parts;
      if (state.isRelayDue || !relay.hasApplied(sale)) await relay.run(sale);
    } catch (error) {
      // The buckets themselves say that they are not what was registered; the check has the words for it.
      if (!isFault(error, "LEDGER_FENCED") && !isFault(error, "LEDGER_BUCKET_MISSING")) throw error;
      await this.#check(sale);
    }
  }

  /** Once a second (see {@link CHECKS_PER_S_MAX}): the audit. Answers whether the sale may go on. */
  async #check(sale: Sale): Promise<boolean> {
    const report = await this.#auditor.check(sale.id);
    if (report === null || report.epoch !== sale.epoch || report.mode !== "redis") return false;
    if (report.trouble?.kind === "postgres_rolled_back") {
      await this.#changes.closeRolledBack(sale, report.trouble.text);
      return false;
    }
    const [violation] = report.violations;
    const reason = report.trouble?.text ?? (violation === undefined ? null : `${violation.code}: ${violation.text}`);
    if (reason !== null) {
      await this.#changes.degrade(sale, reason, { isSeen: true });
      return false;
    }
    await this.#confirm(sale, report);
    return true;
  }

  /** Whoever changed the mode may have died before the gates were open. */
  async #confirm(sale: Sale, report: PlacesReport): Promise<void> {
    const { store } = this.#parts;
    await forEachBounded(report.items, 4, async ({ itemId, buckets }) => {
      for (const { bucket, provenSeq, isOpen } of buckets) {
        const address = { itemId, bucket, epoch: sale.epoch };
        if (!isOpen) await store.setGate({ ...address, isOpen: true });
        await this.#marks.reached(address, provenSeq);
      }
    });
  }

  #isDue(saleId: SaleId): boolean {
    const nowMs = this.#parts.clock.monotonicMs();
    const sinceMs = nowMs - (this.#checkedAtMs.get(saleId) ?? Number.NEGATIVE_INFINITY);
    if (sinceMs < this.#checkIntervalMs - EARLY_MS_MAX) return false;
    this.#checkedAtMs.set(saleId, nowMs);
    return true;
  }

  /** A sale that waits for its operator says so until somebody comes; while it is being recovered nobody need. */
  async #remind(sale: Sale, state: LedgerState): Promise<void> {
    const { clock, log } = this.#parts;
    if (state.nowMs - state.modeSinceMs < REMIND_AFTER_MS) return;
    const nowMs = clock.monotonicMs();
    if (nowMs - (this.#remindedAtMs.get(sale.id) ?? Number.NEGATIVE_INFINITY) < REMINDER_INTERVAL_MS) return;
    this.#remindedAtMs.set(sale.id, nowMs);
    const text = "PostgreSQL lost commits and nobody sells; run `doorbuster recover` for the sale";
    log.error({ saleId: sale.id, epoch: sale.epoch, reason: state.modeReason }, text);
  }
}

/** The sale as the books have it now, whatever the directory's copy says. */
function inState(sale: Sale, { mode, epoch, buckets }: LedgerState): Sale {
  return { ...sale, mode, epoch, buckets };
}

function troubleOf(view: RedisView): string | null {
  if (view.awayMs >= AWAY_MS_MAX) return "Redis is out of reach for the API nodes";
  if (view.unfitMs >= AWAY_MS_MAX) return view.objection;
  return view.unseenMs >= UNSEEN_MS_MAX ? "Redis is out of reach for the conductor" : null;
}
