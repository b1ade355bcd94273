/**
 * Stage 7, reserve: reads the body, checks that it is the one that was signed, and takes the units.
 *
 * The only stage that waits. Everything the ledger says becomes an answer here; what it did not say is `unavailable`,
 * never "sold out", and certainly-not-sent is `busy`. The same key and parameters always give the same `rid`. An
 * acceptance that Postgres does not have yet waits a moment for it, outside the count that bounds the ledger's work.
 */
import { isFault } from "../../domain/faults.ts";
import { deriveRid } from "../../domain/ids.ts";
import type { Refusal } from "../../domain/refusals.ts";
import { firstOpensAt, type Sale } from "../../domain/sale.ts";
import type { Clock } from "../../ports/clock.ts";
import type { AttemptOutcome, Confirmation } from "../../ports/ledger.ts";
import { HOT_BODY_BYTES_MAX, type Shed } from "../1-shed/shed.ts";
import type { Place } from "../2-window/catalogue.ts";
import { notOpenRefusal } from "../2-window/window.ts";
import { compareDigest } from "../3-identity/content-digest.ts";
import type { Keys } from "../3-identity/keys.ts";
import type { Pass } from "../3-identity/pass.ts";
import type { Session } from "../3-identity/session-token.ts";
import type { Lane } from "../5-sold-out/lane.ts";
import type { ChallengeDemand, ChallengeGate } from "../6-admission/challenge-gate.ts";
import { fewerLeftRefusal, ledgerRefusal, malformed, plainRefusal, prepareClosingRefusal } from "../refusal-answers.ts";
import type { HotAnswer, HotRequest, ReadBody } from "../request.ts";
import { type AttemptBody, checkQuantity, parseAttemptBody, usualBodyOf } from "./attempt-body.ts";
import { signReceipt } from "./receipt.ts";

/** The body of an attempt fits into one packet; who needs longer than this for it is stalling. */
export const HOT_BODY_DEADLINE_MS = 5_000;

const STALLED = prepareClosingRefusal(malformed("The body did not arrive as a whole and in time."));

const HTTP_CREATED = 201;
const HTTP_ACCEPTED = 202;

const ACCEPTED_HEADERS = Object.freeze({ "content-type": "application/json", "cache-control": "no-store" });
const REPLAYED_HEADERS = Object.freeze({ ...ACCEPTED_HEADERS, "idempotent-replayed": "true" });

/** An attempt that passed stages 1 to 6. */
export interface AdmittedAttempt {
  readonly request: HotRequest;
  readonly place: Place;
  readonly lane: Lane;
  readonly session: Session;
  /** Null when the session itself was shown. */
  readonly pass: Pass | null;
  /** What stage 6 could not see in the headers; null when nothing is demanded. */
  readonly demand: ChallengeDemand | null;
}

/** How the attempt ended. */
export type ReserveOutcome =
  | { readonly kind: "accepted"; readonly answer: HotAnswer; readonly replayed: boolean }
  | { readonly kind: "refused"; readonly refusal: Refusal };

function refused(refusal: Refusal): ReserveOutcome {
  return { kind: "refused", refusal };
}

/** What the stage works with. */
export interface ReserveServices {
  readonly keys: Keys;
  readonly clock: Clock;
  readonly shed: Pick<
    Shed,
    "beginRead" | "endRead" | "enter" | "leave" | "beginConfirm" | "endConfirm" | "refuseUnsent"
  >;
  readonly gate: Pick<ChallengeGate, "settle">;
  /** What a 202 is worth: with "everysec" it says so. */
  readonly durability: "always" | "everysec";
}

/** What the body asks for, once everything else that is demanded of it is there; or the refusal. At once, if it can be. */
function readQuantity(
  attempt: AdmittedAttempt,
  services: ReserveServices,
): number | Refusal | Promise<number | Refusal> {
  const body = attempt.request.readBody(HOT_BODY_BYTES_MAX);
  if (!(body instanceof Promise)) return quantityOf(attempt, body, services);
  return inTime(body, services).then((late) => quantityOf(attempt, late, services));
}

/** A body that is still on its way; a sender that drips is given up. */
async function inTime(body: Promise<ReadBody>, services: ReserveServices): Promise<ReadBody> {
  services.shed.beginRead();
  try {
    return await new Promise((resolve, reject) => {
      const cancel = services.clock.setTimer(HOT_BODY_DEADLINE_MS, () => resolve("stalled"));
      body.then(resolve, reject).finally(cancel);
    });
  } finally {
    services.shed.endRead();
  }
}

function quantityOf(
  attempt: AdmittedAttempt,
  read: ReadBody,
  services: ReserveServices,
): number | Refusal | Promise<number | Refusal> {
  const { demand, pass } = attempt;
  const body = checkBody(attempt, read);
  if ("reason" in body) return body;
  if (pass !== null && pass.quantity !== body.quantity) return plainRefusal("pass_invalid");
  return demand === null ? body.quantity : settleDemand({ attempt, demand, body }, services);
}

/** The body that was signed, or the refusal. */
function checkBody({ request, place }: AdmittedAttempt, body: ReadBody): AttemptBody | Refusal {
  if (body === "too_large") return plainRefusal("payload_too_large");
  if (body === "stalled") return STALLED;
  const { perBuyerMax } = place.item;
  const header = request.header("content-digest");
  const usual = usualBodyOf(body);
  const digest = usual !== null && header === usual.digestHeader ? "match" : compareDigest(header, body);
  const isSigned = request.header("x-signature") !== null;
  // A signature without a digest covers no body, so a signed request may have none.
  if (digest === "mismatch" || (digest === "absent" && isSigned && body.length > 0)) {
    return plainRefusal("signature_invalid");
  }
  return usual === null ? parseAttemptBody(body, perBuyerMax) : checkQuantity(usual.body, perBuyerMax);
}

async function settleDemand(
  { attempt, demand, body }: { attempt: AdmittedAttempt; demand: ChallengeDemand; body: AttemptBody },
  services: ReserveServices,
): Promise<number | Refusal> {
  const purpose = attempt.request.header("idempotency-key") ?? "";
  const handedIn = { solution: body.challenge, purpose, nowMs: services.clock.nowMs() };
  services.shed.beginRead();
  try {
    return (await services.gate.settle(demand, handedIn)) ?? body.quantity;
  } finally {
    services.shed.endRead();
  }
}

/** Runs the stage. Throws only for bugs. */
export async function reserve(attempt: AdmittedAttempt, services: ReserveServices): Promise<ReserveOutcome> {
  const { request, place, lane, session } = attempt;
  const { sale } = place.entry;
  const asked = readQuantity(attempt, services);
  const quantity = asked instanceof Promise ? await asked : asked;
  if (typeof quantity !== "number") return refused(quantity);

  const idempotencyKey = request.header("idempotency-key") ?? "";
  const rid = deriveRid({ buyerId: session.buyerId, saleId: sale.id, idempotencyKey });
  let outcome: AttemptOutcome;
  if (!services.shed.enter()) return refused(services.shed.refuseUnsent());
  try {
    outcome = await lane.batcher.submit({ rid, buyerId: session.buyerId, quantity });
  } catch (error) {
    if (isFault(error, "LEDGER_OVERLOADED")) return refused(services.shed.refuseUnsent());
    if (isFault(error) && error.retryable) return refused(plainRefusal("unavailable"));
    throw error;
  } finally {
    services.shed.leave();
  }
  if (outcome.kind === "refused") return refused(refusalOfLedger(outcome, sale, services.clock));
  const { status, holdUntil } = await confirm(outcome, services);
  const facts = { rid, saleId: sale.id, sku: place.item.sku, quantity, holdUntil };
  const document = { ...facts, status, receipt: signReceipt(services.keys.receipt, facts) };
  const isQueued = status === "queued";
  const isWeak = isQueued && services.durability !== "always";
  return {
    kind: "accepted",
    replayed: outcome.replayed,
    answer: {
      status: isQueued ? HTTP_ACCEPTED : HTTP_CREATED,
      headers: outcome.replayed ? REPLAYED_HEADERS : ACCEPTED_HEADERS,
      body: JSON.stringify(isWeak ? { ...document, durability: services.durability } : document),
    },
  };
}

/** How the acceptance stands when it is answered: as Postgres says, or as the ledger said when that takes too long. */
async function confirm(
  outcome: Extract<AttemptOutcome, { kind: "accepted" }>,
  services: ReserveServices,
): Promise<Confirmation> {
  if (outcome.confirmation === undefined) return outcome;
  services.shed.beginConfirm();
  try {
    return (await outcome.confirmation) ?? outcome;
  } finally {
    services.shed.endConfirm();
  }
}

/** The ledger's clock may differ from ours by a little: it, not we, decides when a sale opens. */
function refusalOfLedger(
  { reason, left }: Extract<AttemptOutcome, { kind: "refused" }>,
  sale: Sale,
  clock: Clock,
): Refusal {
  if (left !== undefined) return fewerLeftRefusal(left);
  return reason === "not_open" ? notOpenRefusal(firstOpensAt(sale), clock.nowMs()) : ledgerRefusal(reason);
}
