/**
 * The addresses that buyers are to come to, asked before anybody comes: is it a node, does it serve buyers, has it heard?
 *
 * What answers there is told apart from silence, because both are found by whoever has mixed up two ports. Nothing of it is
 * load: one request at a time, and a few.
 */
import { noAnswerFrom } from "../../../src/domain/connection-failure.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import { wait } from "../system-clock.ts";
import { SaleError } from "./swarm-sale.ts";
import { addressOf } from "./target.ts";
import type { Target } from "./wire.ts";

const ANSWERED_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 50;
const HTTP_REFUSED = 400;
const HTTP_UNAUTHORIZED = 401;

/** Resolves when every target answers as a node does to buyers, whatever it knows of the sale. Throws {@link SaleError}. */
export async function checkServesBuyers(targets: readonly Target[], saleId: string): Promise<void> {
  for (const target of targets) await lookAtSale(target, saleId);
}

/** How far the server's clock is from ours, as a target says it. Throws {@link SaleError} where it says nothing. */
export async function readServerOffset(target: Target, clock: Clock): Promise<number> {
  const askedMs = clock.nowMs();
  const { status, text } = await ask(target, "/v1/time");
  const { now } = (seenIn(text) ?? {}) as { now?: unknown };
  if (typeof now === "number") return now - (askedMs + clock.nowMs()) / 2;
  throw new SaleError(
    `${addressOf(target)} does not say what time it is (${status}): it is not where a node serves buyers.`,
  );
}

/** Resolves when every target says that the sale opens at that instant. Throws {@link SaleError} when one is too late. */
export async function untilHeard(
  targets: readonly Target[],
  saleId: string,
  { opensAt, deadlineMs, clock }: { opensAt: number; deadlineMs: number; clock: Clock },
): Promise<void> {
  for (const target of targets) {
    for (;;) {
      const sale = await lookAtSale(target, saleId);
      if (sale.opensAt === opensAt) break;
      if (clock.nowMs() >= deadlineMs)
        throw new SaleError(`${addressOf(target)} has not heard of the opening of ${saleId} in time.`);
      await wait(clock, LOOK_EVERY_MS);
    }
  }
}

/** What buyers are told of a sale, as far as it matters here. */
interface SeenSale {
  readonly opensAt?: number;
  /** Of a refusal. */
  readonly reason?: string;
}

/** As buyers see it; a refusal is one as well. Throws {@link SaleError} where nobody answers as a node does to buyers. */
async function lookAtSale(target: Target, saleId: string): Promise<SeenSale> {
  const { status, text } = await ask(target, `/v1/sales/${saleId}`);
  const seen = seenIn(text);
  if (seen !== null && isOfBuyers(seen, status)) return seen;
  const answers = `${addressOf(target)} answers ${[status, seen?.reason].filter(Boolean).join(" ")}`;
  throw new SaleError(
    isOfOperators(seen, status)
      ? `${answers}: it is a node's port for operators, not the one for buyers. Give --url the buyers' address (PORT), and --admin-url the operators'.`
      : `${answers}, and not as a node does to buyers. Give --url the buyers' address (PORT).`,
  );
}

/** A sale, or the reason why there is none to be seen. */
function isOfBuyers(seen: SeenSale, status: number): boolean {
  if (isOfOperators(seen, status)) return false;
  return status < HTTP_REFUSED ? seen.opensAt !== undefined : seen.reason !== undefined;
}

/** Buyers hear of a sale that is not there; that there is nothing at all, or that one must sign in, only operators do. */
function isOfOperators(seen: SeenSale | null, status: number): boolean {
  return seen?.reason === "not_found" || (seen !== null && status === HTTP_UNAUTHORIZED);
}

async function ask(target: Target, path: string): Promise<{ status: number; text: string }> {
  const address = addressOf(target);
  try {
    const response = await fetch(`${address}${path}`, { signal: AbortSignal.timeout(ANSWERED_WITHIN_MS) });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    throw new SaleError(`${noAnswerFrom(address, error)} Is it where a node serves buyers?`, { cause: error });
  }
}

/** The document, or null when it is none. */
function seenIn(text: string): SeenSale | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
