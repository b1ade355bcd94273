/**
 * Stage 4, throttle: is this buyer, or this network, too fast or banned?
 *
 * Limits hold per process, before anything shared is asked, so they also hold when everything else is down; what other
 * nodes let through is learnt in the background (limit-exchange.ts). A request is charged only when all its limits let it
 * pass: hammering does not postpone the next chance. Bans come from the catalogue. Waits are spread by nobody here: the
 * client adds its own jitter.
 */
import type { BuyerId } from "../../domain/ids.ts";
import type { Refusal } from "../../domain/refusals.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import { keyedHash } from "../keyed-hash.ts";
import { plainRefusal, refusalWithWait } from "../refusal-answers.ts";
import { type AddressedRequest, type ClientAddress, createClientAddress } from "./client-address.ts";
import { GcraTable } from "./gcra-table.ts";
import type { LimitExchange } from "./limit-exchange.ts";

/** Requests allowed; 0 switches a limit off. */
export interface ThrottleLimits {
  readonly buyerPerS: number;
  readonly buyerPerMin: number;
  readonly ipPerS: number;
}

/** Who is banned; the catalogue knows. */
export interface BanList {
  isBanned(subject: { buyerId: string | null; ipKey: string }, nowMs: number): boolean;
}

export interface ThrottleParts {
  readonly limits: ThrottleLimits;
  /** Address ranges whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  readonly bans: BanList;
  readonly clock: Clock;
  readonly random: Random;
  /** Where all nodes enforce these limits together. `name` is the same on all nodes, and no other throttle's. */
  readonly shared?: SharedThrottle | null;
}

export interface SharedThrottle {
  readonly exchange: Pick<LimitExchange, "createHash" | "join">;
  readonly name: "attempts" | "sessions" | "reads";
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
/** 24 bytes each. */
const BUYERS_MAX = 262_144;
/** 16 bytes each. */
const NETWORKS_MAX = 131_072;

/** One set of limits; the hot route and other routes each have their own. */
export class Throttle {
  readonly #clientAddress: ClientAddress;
  readonly #bans: BanList;
  readonly #clock: Clock;
  readonly #buyers: GcraTable;
  readonly #networks: GcraTable;

  constructor(parts: ThrottleParts) {
    const { limits } = parts;
    const shared = parts.shared ?? null;
    const createHash = () => shared?.exchange.createHash() ?? keyedHash(parts.random);
    const recordsUses = shared !== null;
    this.#clientAddress = createClientAddress(parts.trustedProxies);
    this.#bans = parts.bans;
    this.#clock = parts.clock;
    this.#buyers = new GcraTable({
      hash: createHash(),
      recordsUses,
      limits: [
        { count: limits.buyerPerS, periodMs: SECOND_MS },
        { count: limits.buyerPerMin, periodMs: MINUTE_MS },
      ],
      entriesMax: BUYERS_MAX,
    });
    this.#networks = new GcraTable({
      hash: createHash(),
      recordsUses,
      limits: [{ count: limits.ipPerS, periodMs: SECOND_MS }],
      entriesMax: NETWORKS_MAX,
    });
    shared?.exchange.join(`${shared.name}.buyer`, this.#buyers);
    shared?.exchange.join(`${shared.name}.network`, this.#networks);
  }

  /** Null when the request may go on. `buyerId` null = nobody has said who he is: only the address counts. */
  admit(request: AddressedRequest, buyerId: BuyerId | null): Refusal | null {
    const ipKey = this.#clientAddress(request);
    if (this.#bans.isBanned({ buyerId, ipKey }, this.#clock.nowMs())) return plainRefusal("banned");

    const nowMs = this.#clock.monotonicMs();
    const limitsNetwork = !this.#networks.isOff;
    const limitsBuyer = buyerId !== null && !this.#buyers.isOff;
    const network = limitsNetwork ? this.#networks.slotOf(ipKey, nowMs) : 0;
    const buyer = limitsBuyer ? this.#buyers.slotOf(buyerId, nowMs) : 0;
    const networkWaitMs = limitsNetwork ? this.#networks.waitMs(network, nowMs) : 0;
    const buyerWaitMs = limitsBuyer ? this.#buyers.waitMs(buyer, nowMs) : 0;
    if (networkWaitMs > 0 || buyerWaitMs > 0) {
      return refusalWithWait("throttled", Math.max(networkWaitMs, buyerWaitMs));
    }
    if (limitsNetwork) this.#networks.take(network, nowMs);
    if (limitsBuyer) this.#buyers.take(buyer, nowMs);
    return null;
  }
}
