/**
 * Stage 4, throttle: is this buyer, or anything that he shares with others, too fast or banned?
 *
 * Seven kinds of key are limited at once, from the buyer to everybody together, because each of them is cheap to change
 * alone and dear to change with the others. None is taken from the request's text: the buyer and the device are in the
 * token, the addresses in the socket, the sale in the catalogue; so no spelling of a path is a second allowance.
 * Limits hold per process, before anything shared is asked, so they also hold when everything else is down; what other
 * nodes let through is learnt in the background (limit-exchange.ts). A request is charged only when all its limits let it
 * pass: hammering does not postpone the next chance, and the wait it hears is the longest of all, to be tried once.
 * Bans come from the catalogue. Waits are spread by nobody here: the client adds its own jitter.
 */
import type { SaleId } from "../../domain/ids.ts";
import type { Refusal } from "../../domain/refusals.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { Session } from "../3-identity/session-token.ts";
import { keyedHash } from "../keyed-hash.ts";
import { plainRefusal, refusalWithWait } from "../refusal-answers.ts";
import type { AsnLookup } from "./asn-table.ts";
import type { BanSubject } from "./ban-table.ts";
import { type AddressedRequest, type ClientAddress, createClientAddress } from "./client-address.ts";
import { GcraTable, type RateLimit } from "./gcra-table.ts";
import { wideNetworkOf } from "./ip-address.ts";
import type { LimitExchange } from "./limit-exchange.ts";

/** Requests allowed of one key; 0 or absent switches a limit off. */
export interface ThrottleLimits {
  readonly buyerPerS: number;
  readonly buyerPerMin: number;
  /** Of one device key: the sessions whose pages look alike. */
  readonly devicePerS?: number;
  /** Of one IPv4 address or IPv6 /64. */
  readonly ipPerS: number;
  /** Of one IPv4 /24 or IPv6 /48. */
  readonly networkPerS?: number;
  /** Of one autonomous system, where {@link ThrottleParts.asns} knows it. */
  readonly asnPerS?: number;
  readonly salePerS?: number;
  /** Of everybody. */
  readonly totalPerS?: number;
}

/** Who is banned; the catalogue knows. */
export interface BanList {
  isBanned(subject: BanSubject, nowMs: number): boolean;
  /** Absent: nobody has to cool down here. */
  coolDownMs?(subject: BanSubject, nowMs: number): number;
}

export interface ThrottleParts {
  readonly limits: ThrottleLimits;
  /** Address ranges whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  readonly bans: BanList;
  /** Absent or null = no list: systems are not limited. */
  readonly asns?: AsnLookup | null;
  readonly clock: Clock;
  readonly random: Random;
  /** Where all nodes enforce these limits together. `name` is the same on all nodes, and no other throttle's. */
  readonly shared?: SharedThrottle | null;
}

export interface SharedThrottle {
  readonly exchange: Pick<LimitExchange, "createHash" | "join">;
  readonly name: "attempts" | "sessions" | "reads";
}

/** What a proven session says of its owner. A pass says as much. */
export type ThrottledSession = Pick<Session, "buyerId" | "device">;

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

/** What is limited, with how many keys are remembered: 16 bytes each, 24 for buyers. */
const SCOPES = {
  buyer: { entriesMax: 262_144 },
  device: { entriesMax: 65_536 },
  ip: { entriesMax: 131_072 },
  network: { entriesMax: 65_536 },
  asn: { entriesMax: 16_384 },
  sale: { entriesMax: 1_024 },
  total: { entriesMax: 8 },
} as const;

/** Kinds of key; their names are also the edge's. */
export type ThrottleScope = keyof typeof SCOPES;
export const THROTTLE_SCOPES = Object.keys(SCOPES) as readonly ThrottleScope[];

const NO_SLOT = -1;
/** Why an unpaid hold makes wait, so that a page can say it. */
const COOLING_DOWN = Object.freeze({ rule: "cool_down" });
const EVERYBODY = "everybody";

function limitsOf(scope: ThrottleScope, limits: ThrottleLimits): readonly RateLimit[] {
  const perS = (count: number | undefined): RateLimit => ({ count: count ?? 0, periodMs: SECOND_MS });
  switch (scope) {
    case "buyer":
      return [perS(limits.buyerPerS), { count: limits.buyerPerMin, periodMs: MINUTE_MS }];
    case "device":
      return [perS(limits.devicePerS)];
    case "ip":
      return [perS(limits.ipPerS)];
    case "network":
      return [perS(limits.networkPerS)];
    case "asn":
      return [perS(limits.asnPerS)];
    case "sale":
      return [perS(limits.salePerS)];
    case "total":
      return [perS(limits.totalPerS)];
  }
}

/** One scope's table and, while a request is judged, the slot of the request's key in it. */
class Scope {
  readonly name: ThrottleScope;
  readonly table: GcraTable;
  slot = NO_SLOT;
  /** Requests that this limit alone, or together with others, held back. */
  refused = 0;

  constructor(name: ThrottleScope, table: GcraTable) {
    this.name = name;
    this.table = table;
  }

  aim(key: string | null, nowMs: number): void {
    this.slot = key === null || this.table.isOff ? NO_SLOT : this.table.slotOf(key, nowMs);
  }

  waitMs(nowMs: number): number {
    if (this.slot === NO_SLOT) return 0;
    const waitMs = this.table.waitMs(this.slot, nowMs);
    if (waitMs > 0) this.refused += 1;
    return waitMs;
  }

  take(nowMs: number): void {
    if (this.slot !== NO_SLOT) this.table.take(this.slot, nowMs);
  }
}

/** One set of limits; the hot route and other routes each have their own. */
export class Throttle {
  readonly #clientAddress: ClientAddress;
  readonly #bans: BanList;
  readonly #asns: AsnLookup | null;
  readonly #clock: Clock;
  readonly #scopes: Readonly<Record<ThrottleScope, Scope>>;
  readonly #all: readonly Scope[];

  constructor(parts: ThrottleParts) {
    const shared = parts.shared ?? null;
    this.#clientAddress = createClientAddress(parts.trustedProxies);
    this.#bans = parts.bans;
    this.#asns = parts.asns ?? null;
    this.#clock = parts.clock;
    const open = (name: ThrottleScope): Scope => {
      const table = new GcraTable({
        hash: shared?.exchange.createHash() ?? keyedHash(parts.random),
        recordsUses: shared !== null,
        limits: limitsOf(name, parts.limits),
        entriesMax: SCOPES[name].entriesMax,
      });
      shared?.exchange.join(`${shared.name}.${name}`, table);
      return new Scope(name, table);
    };
    this.#scopes = {
      buyer: open("buyer"),
      device: open("device"),
      ip: open("ip"),
      network: open("network"),
      asn: open("asn"),
      sale: open("sale"),
      total: open("total"),
    };
    this.#all = THROTTLE_SCOPES.map((name) => this.#scopes[name]).filter((scope) => !scope.table.isOff);
  }

  /**
   * Null when the request may go on. `session` null = nobody has proven who he is: only what the socket says counts.
   * `saleId` null = the request is not about one sale; give only ids of sales that exist.
   */
  admit(request: AddressedRequest, session: ThrottledSession | null, saleId: SaleId | null): Refusal | null {
    const ipKey = this.#clientAddress(request);
    const subject = { buyerId: session?.buyerId ?? null, device: session?.device ?? "", ipKey };
    const wallMs = this.#clock.nowMs();
    if (this.#bans.isBanned(subject, wallMs)) return plainRefusal("banned");
    const coolDownMs = this.#bans.coolDownMs?.(subject, wallMs) ?? 0;
    if (coolDownMs > 0) return { reason: "throttled", retryAfterMs: Math.ceil(coolDownMs), extra: COOLING_DOWN };

    const nowMs = this.#clock.monotonicMs();
    this.#aim(ipKey, session, saleId, nowMs);
    let waitMs = 0;
    for (const scope of this.#all) waitMs = Math.max(waitMs, scope.waitMs(nowMs));
    if (waitMs > 0) return refusalWithWait("throttled", waitMs);
    for (const scope of this.#all) scope.take(nowMs);
    return null;
  }

  /** How often each limit held a request back since the process began. */
  refusals(): ReadonlyMap<ThrottleScope, number> {
    return new Map(this.#all.map((scope) => [scope.name, scope.refused]));
  }

  #aim(ipKey: string, session: ThrottledSession | null, saleId: SaleId | null, nowMs: number): void {
    const { buyer, device, ip, network, asn, sale, total } = this.#scopes;
    buyer.aim(session?.buyerId ?? null, nowMs);
    // A session without signals has no device; it must not share one with all others like it.
    device.aim(session === null || session.device === "" ? null : session.device, nowMs);
    ip.aim(ipKey, nowMs);
    if (!network.table.isOff) network.aim(wideNetworkOf(ipKey), nowMs);
    if (!asn.table.isOff) asn.aim(this.#asns?.find(ipKey) ?? null, nowMs);
    sale.aim(saleId, nowMs);
    total.aim(EVERYBODY, nowMs);
  }
}
