/**
 * The sales that a rehearsal makes for itself: opened and known at every target, decided by one ledger throughout, closed.
 *
 * An id is noted before the sale is asked for, because an answer that is lost may still have made it. Closing never fails: what
 * nobody can close now closes by itself soon after, and what was measured is worth more. A sale that came into another mode or
 * epoch meanwhile was decided by somebody else for a while, so nothing that was measured on it is certified.
 */
import { noAnswerFrom } from "../../src/domain/connection-failure.ts";
import { type RehearsalSaleKind, rehearsalSaleId } from "../../src/domain/rehearsal-rules.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { RehearsalTask } from "../../src/ports/rehearsal-runner.ts";
import { addressOf } from "../swarm/generator/target.ts";
import type { Target } from "../swarm/generator/wire.ts";
import type { OperatorClient } from "../swarm/operator-client.ts";
import { wait } from "../swarm/system-clock.ts";

export const SKU = "ticket";
const READY_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 50;

export interface OwnSalesParts {
  readonly task: Pick<RehearsalTask, "id" | "ledger" | "buckets" | "durationMs">;
  /** Longer than the rehearsal: no unit comes back while it runs, and its sales are open for as long at the most. */
  readonly holdMs: number;
  readonly operator: OperatorClient;
  readonly targets: readonly Target[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

type Ledger = RehearsalTask["ledger"];

/** Who decides about a sale, and since when. */
interface Standing {
  readonly mode: string;
  readonly epoch: number;
}

/** See the head of this file. */
export class OwnSales {
  readonly #parts: OwnSalesParts;
  readonly #standings = new Map<string, Standing | null>();
  #ledger: Ledger | null = null;

  constructor(parts: OwnSalesParts) {
    this.#parts = parts;
  }

  /** The one that decides about all of them. */
  get ledger(): Ledger {
    if (this.#ledger === null) throw new Error("no sale was opened");
    return this.#ledger;
  }

  /** Makes a sale and waits for the ledger that should decide about it. Rejects when it is another one than before. */
  async open(kind: RehearsalSaleKind, stock: number): Promise<string> {
    const { task, holdMs, operator, clock } = this.#parts;
    const nowMs = clock.nowMs();
    const id = rehearsalSaleId(task.id, kind);
    const call = {
      ...{ id, name: `Rehearsal (${kind})`, holdMs, perBuyerMax: 1, challenge: "none" },
      buckets: task.buckets,
      opensAt: nowMs - 1_000,
      closesAt: nowMs + holdMs,
      items: [{ sku: SKU, name: "Nothing for sale", price: { amount: 100, currency: "EUR" }, stock, perBuyerMax: 1 }],
    };
    this.#standings.set(id, null);
    await operator.createSale(call);
    await operator.warmUp(id);
    for (const target of this.#parts.targets) await this.#untilKnownAt(target, id);
    const standing = await this.#settle(id);
    this.#standings.set(id, standing);
    this.#ledger ??= standing.mode;
    if (this.#ledger === standing.mode) return id;
    throw new Error(
      `The ledger changed under way: the sale before was in ${this.#ledger} mode, ${id} is in ${standing.mode} mode. A certificate is about one ledger.`,
    );
  }

  /** Throws words for the operator when the sale is no longer decided about as it was when it opened. */
  async checkLedger(id: string): Promise<void> {
    const before = this.#standings.get(id) ?? null;
    const { mode, epoch } = await this.#parts.operator.readSale(id);
    if (before?.mode === mode && before.epoch === epoch) return;
    throw new Error(
      `The ledger changed while ${id} was measured: ${describe(before)} when it opened, ${describe({ mode, epoch })} now. A certificate is about one ledger; the sale's page says why it changed.`,
    );
  }

  /** Never rejects. Each sale is tried twice, whatever becomes of the others; one that was never made is closed enough. */
  async close(): Promise<void> {
    const ids = [...this.#standings.keys()];
    const open = await this.#tryToClose(ids);
    await this.#tryToClose(open);
  }

  /** Answers those that could not be closed. */
  async #tryToClose(ids: readonly string[]): Promise<readonly string[]> {
    const ends = await Promise.allSettled(ids.map((id) => this.#parts.operator.closeSale(id)));
    return ids.filter((_, index) => ends[index]?.status === "rejected");
  }

  /** Whoever does not know the sale is not this deployment, and gets no load. */
  async #untilKnownAt(target: Target, saleId: string): Promise<void> {
    const { clock, signal } = this.#parts;
    const deadlineMs = clock.monotonicMs() + READY_WITHIN_MS;
    while (clock.monotonicMs() < deadlineMs) {
      signal.throwIfAborted();
      const sale = await lookAtSale(target, saleId);
      if (sale.id === saleId && (sale.state === "open" || sale.state === "empty")) return;
      await wait(clock, LOOK_EVERY_MS);
    }
    throw new Error(`${addressOf(target)} does not know the rehearsal's sale: it is not a node of this deployment.`);
  }

  /** The ledger that should decide, given a while to take over; then the database, if that is who does. */
  async #settle(saleId: string): Promise<Standing & { mode: Ledger }> {
    const { task, operator, clock, signal } = this.#parts;
    const deadlineMs = clock.monotonicMs() + READY_WITHIN_MS;
    for (;;) {
      const { mode, epoch } = await operator.readSale(saleId);
      const isOver = clock.monotonicMs() >= deadlineMs;
      if (mode === task.ledger) return { mode: task.ledger, epoch };
      if (isOver && mode === "postgres") return { mode, epoch };
      if (isOver) throw new Error(`Nobody decides about ${saleId}: it is in ${mode} mode. Look at its page first.`);
      signal.throwIfAborted();
      await wait(clock, LOOK_EVERY_MS);
    }
  }
}

function describe(standing: Standing | null): string {
  return standing === null ? "unknown" : `${standing.mode} mode (epoch ${standing.epoch})`;
}

/** As buyers see it; nothing where something else is answered. Rejects where nobody answers. */
async function lookAtSale(target: Target, saleId: string): Promise<{ id?: string; state?: string }> {
  const address = addressOf(target);
  try {
    const options = { redirect: "error", signal: AbortSignal.timeout(READY_WITHIN_MS) } as const;
    const response = await fetch(`${address}/v1/sales/${saleId}`, options);
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    return isJson ? ((await response.json()) as { id?: string; state?: string }) : {};
  } catch (error) {
    throw new Error(noAnswerFrom(address, error), { cause: error });
  }
}
