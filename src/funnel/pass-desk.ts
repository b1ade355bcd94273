/**
 * Passes ahead of time: everything that stages 2, 3 and 6 would ask at T0 is asked now, and the answer is signed.
 *
 * A pass is given for one attempt of a buyer who is eligible and has met the challenge. Eligibility is judged as of his own
 * opening time, because that is when the pass will be used; stage 6 asks it again then. What a pass is, and why it can be
 * stolen or replayed without harm, is in 3-identity/pass.ts. Who is asking was proven before.
 */
import type { Refusal } from "../domain/refusals.ts";
import { saleStateAt } from "../domain/sale.ts";
import type { Clock } from "../ports/clock.ts";
import type { Catalogue, CatalogueSale } from "./2-window/catalogue.ts";
import type { Keys } from "./3-identity/keys.ts";
import { mintPass } from "./3-identity/pass.ts";
import type { Session } from "./3-identity/session-token.ts";
import { type Admission, checkEligibility } from "./6-admission/admission.ts";
import { type ChallengeGate, type ChallengeSolution, isDemand } from "./6-admission/challenge-gate.ts";
import { opensAtFor } from "./6-admission/tiers.ts";
import { plainRefusal } from "./refusal-answers.ts";
import type { HotRequest } from "./request.ts";

/** How long after the buyer's opening time, or after now when that is past, a pass can be used. */
export const PASS_USABLE_MS = 600_000;
const MS_PER_S = 1_000;

/** What a buyer wants, and with what he asks. */
export interface PassWish {
  readonly session: Session;
  readonly saleId: string;
  readonly sku: string;
  readonly quantity: number;
  readonly idempotencyKey: string;
  readonly challenge: ChallengeSolution | null;
  /** The request for the pass; its headers are what risk and challenge are judged by. */
  readonly request: Pick<HotRequest, "method" | "pathAndQuery" | "remoteAddress" | "header">;
}

/** Times in milliseconds since the epoch. */
export interface IssuedPass {
  readonly pass: string;
  /** Whole seconds, never later than the session's own end. */
  readonly expiresAt: number;
  /** When this buyer may use it. */
  readonly opensAt: number;
}

export interface PassDeskParts {
  readonly catalogue: Pick<Catalogue, "find" | "isBanned">;
  readonly admission: Pick<Admission, "weigh">;
  readonly gate: Pick<ChallengeGate, "settle">;
  readonly keys: Pick<Keys, "pass">;
  readonly clock: Clock;
  /** Attempts on their way to the ledger, as a part of the most there may be. */
  readonly fullness: () => number;
}

/** See the head of this file. */
export class PassDesk {
  readonly #parts: PassDeskParts;

  constructor(parts: PassDeskParts) {
    this.#parts = parts;
  }

  /** The pass, or the refusal that the attempt itself would get. */
  async issue(wish: PassWish): Promise<IssuedPass | Refusal> {
    const { catalogue, clock, keys } = this.#parts;
    const { session, quantity, idempotencyKey } = wish;
    const entry = catalogue.find(wish.saleId);
    if (entry === null) return plainRefusal("no_such_sale");
    const item = entry.places.get(wish.sku)?.item;
    if (item === undefined) return plainRefusal("no_such_item");
    const nowMs = clock.nowMs();
    if (saleStateAt(entry.sale, nowMs) === "closed") return plainRefusal("closed");
    if (quantity > item.perBuyerMax) return plainRefusal("bad_quantity");
    // Of the address he will come from at the opening nothing is known yet.
    const subject = { buyerId: session.buyerId, device: session.device, ipKey: "" };
    if (catalogue.isBanned(subject, nowMs)) return plainRefusal("banned");

    const opensAt = opensAtFor(entry, session);
    const usableFrom = Math.max(nowMs, opensAt);
    const refusal = checkEligibility(entry, session, usableFrom) ?? (await this.#meetChallenge(entry, wish, nowMs));
    if (refusal !== null) return refusal;

    const endsAt = Math.min(session.expiresAt, usableFrom + PASS_USABLE_MS);
    const expiresAt = Math.floor(endsAt / MS_PER_S) * MS_PER_S;
    const intent = { saleId: entry.sale.id, sku: item.sku, quantity, idempotencyKey };
    return { pass: mintPass(keys.pass, intent, { ...session, expiresAt }), expiresAt, opensAt };
  }

  async #meetChallenge(entry: CatalogueSale, wish: PassWish, nowMs: number): Promise<Refusal | null> {
    const { admission, gate, fullness } = this.#parts;
    const { session, challenge, idempotencyKey, saleId, sku } = wish;
    const request: HotRequest = {
      method: wish.request.method,
      saleId,
      sku,
      pathAndQuery: wish.request.pathAndQuery,
      remoteAddress: wish.request.remoteAddress,
      header: (name) => wish.request.header(name),
      readBody: async () => new Uint8Array(0),
    };
    // Where load decides whether there is a challenge, the load that counts is that of T0.
    const sale = entry.sale.challenge === "adaptive" ? { ...entry.sale, challenge: "always" as const } : entry.sale;
    const weighed = { entry: { ...entry, sale }, session, request, nowMs, fullness: fullness(), isAhead: true };
    const asked = admission.weigh(weighed);
    if (asked === null || !isDemand(asked)) return asked;
    return gate.settle(asked, { solution: challenge, purpose: idempotencyKey, nowMs });
  }
}
