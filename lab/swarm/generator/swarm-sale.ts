/**
 * The sale that a swarm is let loose on: one that it makes for itself and closes again, or one that is there and open.
 *
 * Its own opens by itself at the instant for which the first attempts were signed. One that is there is never opened, changed
 * or closed: whoever names it must have opened it, because what a swarm takes of it is really gone.
 */
import type { Clock } from "../../../src/ports/clock.ts";
import type { Audit, OperatorClient, SaleReading } from "../operator-client.ts";
import { wait } from "../system-clock.ts";
import type { Scenario } from "./scenario.ts";
import { addressOf } from "./target.ts";
import type { Target } from "./wire.ts";

const SKU = "ticket";
const HOUR_MS = 3_600_000;
const READY_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 50;
const SETTLED_WITHIN_MS = 30_000;

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
export async function createSwarmSale(operator: OperatorClient, scenario: Scenario, nowMs: number): Promise<SwarmSale> {
  const { stock, perBuyerMax, holdMs } = scenario.sale;
  const { id } = await operator.createSale({
    name: `Swarm ${scenario.name}`,
    opensAt: nowMs + HOUR_MS,
    closesAt: nowMs + 3 * HOUR_MS,
    holdMs,
    perBuyerMax,
    items: [{ sku: SKU, name: "Ticket", price: { amount: 4_900, currency: "EUR" }, stock, perBuyerMax }],
  });
  return { id, sku: SKU, isOwn: true, stock, takenBefore: 0 };
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

/** Resolves when every target says that the sale opens at that instant. Throws {@link SaleError} when one is too late. */
export async function untilHeard(
  targets: readonly Target[],
  saleId: string,
  { opensAt, deadlineMs, clock }: { opensAt: number; deadlineMs: number; clock: Clock },
): Promise<void> {
  for (const target of targets) {
    for (;;) {
      const response = await fetch(`${addressOf(target)}/v1/sales/${saleId}`, {
        signal: AbortSignal.timeout(READY_WITHIN_MS),
      });
      const sale = (await response.json()) as { opensAt?: number };
      if (sale.opensAt === opensAt) break;
      if (clock.nowMs() >= deadlineMs)
        throw new SaleError(`${addressOf(target)} has not heard of the opening of ${saleId} in time.`);
      await wait(clock, LOOK_EVERY_MS);
    }
  }
}

/** The audit once everything that was accepted is written down, or after a while as it is. */
export async function auditWhenSettled(
  operator: OperatorClient,
  saleId: string,
  { takenMin, clock }: { takenMin: number; clock: Clock },
): Promise<Audit> {
  await untilReading(operator, saleId, {
    clock,
    withinMs: SETTLED_WITHIN_MS,
    isGood: (one) => one.takenUnits >= Math.min(takenMin, one.totalUnits),
  });
  return await operator.audit(saleId);
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
