/**
 * Answers repeats: attempts that a bucket has accepted before, or that ended since.
 *
 * The bucket knows that a rid is known; how its reservation stands is for Postgres to say, in one question for all. What
 * Postgres does not have yet is still on its way, with the hold time that was promised first. When Postgres cannot be
 * asked, a bucket's own acceptance is enough to say "queued"; anything else stays unknown.
 */
import { Fault, isFault } from "../domain/faults.ts";
import { isActive } from "../domain/reservation.ts";
import { BUCKET_VERDICTS, type BucketEpoch, type BucketStore } from "../ports/bucket-store.ts";
import type { Attempt, AttemptOutcome, Confirmation, UnknownOutcome } from "../ports/ledger.ts";
import type { Order, OrderStore } from "../ports/order-store.ts";
import type { Log } from "../ports/telemetry.ts";
import type { Confirmations } from "./confirmations.ts";

/** An attempt with what the bucket said of it: a number of this epoch, `known` or `ended`. */
export interface Repeat {
  readonly attempt: Attempt;
  readonly verdict: number;
}

const ENDED: AttemptOutcome = Object.freeze({ kind: "refused", reason: "ended" });
const KEY_REUSED: AttemptOutcome = Object.freeze({ kind: "refused", reason: "key_reused" });

export interface RepeatsParts {
  readonly store: Pick<BucketStore, "findReservation">;
  readonly orders: Pick<OrderStore, "listOrdersByRid">;
  readonly confirmations: Confirmations;
  readonly log: Log;
}

/** The outcomes of the repeats, in their order. Never rejects. */
export async function answerRepeats(
  parts: RepeatsParts,
  address: BucketEpoch & { readonly holdMs: number },
  repeats: readonly Repeat[],
): Promise<(AttemptOutcome | UnknownOutcome)[]> {
  // Waiting begins before Postgres is asked: what it does not have then is still to come.
  const confirmations = repeats.map(({ verdict }) =>
    verdict > 0 ? parts.confirmations.ofSeq({ ...address, seq: verdict }) : null,
  );
  const orders = await readOrders(parts, repeats);
  return Promise.all(
    repeats.map((repeat, index) => {
      const order = orders instanceof Fault ? undefined : orders.get(repeat.attempt.rid);
      // A lost order whose rid the bucket has accepted again is about to come back to life.
      if (order !== undefined && !(order.status === "lost" && repeat.verdict > 0))
        return outcomeOf(order, address.itemId);
      if (orders instanceof Fault && repeat.verdict <= 0) return { kind: "unknown" as const, fault: orders };
      return answerQueued(parts, address, repeat, confirmations[index] ?? null);
    }),
  );
}

async function readOrders(
  parts: RepeatsParts,
  repeats: readonly Repeat[],
): Promise<ReadonlyMap<string, Order> | Fault> {
  try {
    const orders = await parts.orders.listOrdersByRid(repeats.map(({ attempt }) => attempt.rid));
    return new Map(orders.map((order) => [order.rid, order]));
  } catch (error) {
    parts.log.warn({ error, repeats: repeats.length }, "Postgres could not be asked about repeated attempts");
    return isFault(error) && error.retryable ? error : new Fault("LEDGER_UNAVAILABLE", { cause: error });
  }
}

/** An order of another item: the key was used there first, and this acceptance will be void (commit_batch). */
function outcomeOf(order: Order, itemId: number): AttemptOutcome {
  if (order.itemId !== itemId) return KEY_REUSED;
  if (!isActive(order.status)) return ENDED;
  return { kind: "accepted", status: order.status, holdUntil: order.holdUntil, replayed: true };
}

/** Postgres does not have it: the bucket remembers when it accepted. */
async function answerQueued(
  parts: RepeatsParts,
  address: BucketEpoch & { readonly holdMs: number },
  { attempt, verdict }: Repeat,
  confirmation: Promise<Confirmation | null> | null,
): Promise<AttemptOutcome | UnknownOutcome> {
  if (verdict === BUCKET_VERDICTS.ended) return ENDED;
  try {
    const { itemId, bucket } = address;
    const remembered = await parts.store.findReservation({ itemId, bucket, rid: attempt.rid });
    if (remembered === null || remembered.acceptedAtMs === 0 || confirmation === null) {
      return unknown(new Fault("LEDGER_UNAVAILABLE", { internal: `nobody can say how ${attempt.rid} stands` }));
    }
    const holdUntil = remembered.acceptedAtMs + address.holdMs;
    return { kind: "accepted", status: "queued", holdUntil, replayed: true, confirmation };
  } catch (error) {
    if (isFault(error)) return unknown(error);
    throw error;
  }
}

function unknown(fault: Fault): UnknownOutcome {
  return { kind: "unknown", fault };
}
