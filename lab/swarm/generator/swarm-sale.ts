/**
 * The sale that a swarm is let loose on: one that it makes for itself and closes again, or one that is there and open.
 *
 * Its own opens by itself at the instant for which the first attempts were signed. One that is there is never opened, changed
 * or closed: whoever names it must have opened it, because what a swarm takes of it is really gone.
 */
import { connectionFailureOf } from "../../../src/domain/connection-failure.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Audit, OperatorClient, SaleReading } from "../operator-client.ts";
import { wait } from "../system-clock.ts";
import type { Scenario } from "./scenario.ts";

const SKU = "ticket";
const HOUR_MS = 3_600_000;
const READY_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 50;
const SETTLED_WITHIN_MS = 30_000;
/** An audit reads every order of the sale. */
const AUDIT_EVERY_MS = 400;
const CLOSES_MAX = 2;
const CLOSE_AGAIN_AFTER_MS = 500;

/** The shop's reason, in whatever words an {@link OperatorClient} puts it. */
const NOT_THERE = /\bno_such_sale\b/;
/** The answer was a no; anything else may have been an answer that got lost. */
const REFUSED_TO_MAKE = /\banswered (?:with )?4(?!08)\d\d\b|does not accept the operator token/;

/** What stands in the way, in words for the operator. */
export class SaleError extends Error {}

export interface SwarmSale {
  readonly id: string;
  readonly sku: string;
  readonly isOwn: boolean;
  /** Units of the item, and how many of them were taken before the run. */
  readonly stock: number;
  readonly takenBefore: number;
}

/** Makes a sale that opens in an hour; the opening is moved when it is known. */
export async function createSwarmSale(
  operator: OperatorClient,
  scenario: Scenario,
  { id, nowMs }: { id: string; nowMs: number },
): Promise<SwarmSale> {
  const { stock, perBuyerMax, holdMs } = scenario.sale;
  await operator.createSale({
    id,
    name: `Swarm ${scenario.name}`,
    opensAt: nowMs + HOUR_MS,
    closesAt: nowMs + 3 * HOUR_MS,
    holdMs,
    perBuyerMax,
    items: [{ sku: SKU, name: "Ticket", price: { amount: 4_900, currency: "EUR" }, stock, perBuyerMax }],
  });
  return { id, sku: SKU, isOwn: true, stock, takenBefore: 0 };
}

/** False when a failed {@link createSwarmSale} has certainly left no sale behind. */
export function mayBeMade(failure: unknown): boolean {
  const kind = connectionFailureOf(failure);
  if (kind === "refused" || kind === "unknown name") return false;
  return !REFUSED_TO_MAKE.test((failure as Error).message);
}

/**
 * Closes a sale that {@link createSwarmSale} made, or may have made before its answer got lost. Answers what is left to do by hand,
 * or null; never rejects, because whatever ended the swarm is more important.
 */
export async function closeSwarmSale(operator: OperatorClient, id: string, clock: Clock): Promise<string | null> {
  for (let tried = 1; ; tried += 1) {
    try {
      await operator.closeSale(id);
      return null;
    } catch (error) {
      const { message } = error as Error;
      if (NOT_THERE.test(message)) return null;
      if (tried === CLOSES_MAX) {
        return `The swarm's own sale ${id} could not be closed (${message}). Should it be there, end it with: doorbuster sale close ${id}`;
      }
      await wait(clock, CLOSE_AGAIN_AFTER_MS);
    }
  }
}

/** A sale that is there. `sku` null = its first item. Throws {@link SaleError} when it is not open. */
export async function findSwarmSale(operator: OperatorClient, id: string, sku: string | null): Promise<SwarmSale> {
  const sale = await operator.readSale(id);
  const item = sale.items.find((one) => sku === null || one.sku === sku);
  if (item === undefined) {
    throw new SaleError(`Sale ${id} has no item ${sku}; it has ${sale.items.map((one) => one.sku).join(", ")}.`);
  }
  if (sale.state !== "open" && sale.state !== "empty") {
    throw new SaleError(
      `Sale ${id} is ${sale.state}. Open it first, or leave --sale out: then the swarm makes a sale of its own.`,
    );
  }
  return { id, sku: item.sku, isOwn: false, stock: item.total, takenBefore: item.held + item.sold };
}

/** Resolves when the ledger that is expected decides about the sale. */
export async function untilInMode(
  operator: OperatorClient,
  saleId: string,
  { mode, clock }: { mode: string; clock: Clock },
): Promise<void> {
  const reading = await untilReading(operator, saleId, {
    clock,
    withinMs: READY_WITHIN_MS,
    isGood: (one) => one.mode === mode,
  });
  if (reading.mode !== mode)
    throw new SaleError(`Sale ${saleId} is still in ${reading.mode} mode, not in ${mode} mode.`);
}

/**
 * The audit once everything that was accepted is written down, or after a while as it is. `takenMin`: units of the item.
 *
 * It is the audit that is asked again, not the sale: in redis mode the sale counts as held what the ledger has accepted, while
 * the audit counts what is an order already, and that is what the answers are held against.
 */
export async function auditWhenSettled(
  operator: OperatorClient,
  sale: Pick<SwarmSale, "id" | "sku">,
  { takenMin, clock }: { takenMin: number; clock: Clock },
): Promise<Audit> {
  const deadlineMs = clock.monotonicMs() + SETTLED_WITHIN_MS;
  for (;;) {
    const audit = await operator.audit(sale.id);
    const item = audit.items.find(({ sku }) => sku === sale.sku);
    const isSettled = item === undefined || item.held + item.sold >= Math.min(takenMin, item.total);
    if (isSettled || clock.monotonicMs() >= deadlineMs) return audit;
    await wait(clock, AUDIT_EVERY_MS);
  }
}

async function untilReading(
  operator: OperatorClient,
  saleId: string,
  { clock, withinMs, isGood }: { clock: Clock; withinMs: number; isGood: (reading: SaleReading) => boolean },
): Promise<SaleReading> {
  const deadlineMs = clock.monotonicMs() + withinMs;
  for (;;) {
    const reading = await operator.readSale(saleId);
    if (isGood(reading) || clock.monotonicMs() >= deadlineMs) return reading;
    await wait(clock, LOOK_EVERY_MS);
  }
}
