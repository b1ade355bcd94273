/**
 * The bans in force, as an attempt asks about them: one look-up each for account, device and network.
 *
 * Made anew from the store's list whenever that changed; between two lists only time goes by, and every entry knows when it
 * ends. An exemption is an operator's word that somebody is not to be suspected: it lifts whatever was automatic, and no ban
 * that an operator made.
 */
import type { Ban } from "../../ports/sale-store.ts";
import { ipKeyOf } from "./ip-address.ts";

/** Whom a ban may be about. */
export interface BanSubject {
  /** Null = nobody has said who he is. */
  readonly buyerId: string | null;
  /** "" or absent = unknown. */
  readonly device?: string;
  /** As the throttle keys it. */
  readonly ipKey: string;
}

type Ends = ReadonlyMap<string, number>;

interface EndsByKind {
  readonly buyer: Ends;
  readonly device: Ends;
  readonly ip: Ends;
}

const NOBODY: EndsByKind = { buyer: new Map(), device: new Map(), ip: new Map() };

/** See the head of this file. Times are milliseconds since the epoch. */
export class BanTable {
  readonly #byOperators: EndsByKind;
  readonly #automatic: EndsByKind;
  readonly #coolDowns: EndsByKind;
  readonly #exemptions: EndsByKind;

  constructor(bans: readonly Ban[]) {
    const refusing = bans.filter(({ effect }) => effect === "refuse");
    this.#byOperators = endsOf(refusing.filter(({ origin }) => origin === "operator"));
    this.#automatic = endsOf(refusing.filter(({ origin }) => origin === "automatic"));
    this.#coolDowns = endsOf(bans.filter(({ effect }) => effect === "cool_down"));
    this.#exemptions = endsOf(bans.filter(({ effect }) => effect === "exempt"));
  }

  isBanned(subject: BanSubject, nowMs: number): boolean {
    if (endOf(this.#byOperators, subject) > nowMs) return true;
    return endOf(this.#automatic, subject) > nowMs && !this.isExempt(subject, nowMs);
  }

  /** How long until whoever left holds unpaid may attempt again; 0 = now. */
  coolDownMs(subject: BanSubject, nowMs: number): number {
    const leftMs = endOf(this.#coolDowns, subject) - nowMs;
    return leftMs > 0 && !this.isExempt(subject, nowMs) ? leftMs : 0;
  }

  isExempt(subject: BanSubject, nowMs: number): boolean {
    return endOf(this.#exemptions, subject) > nowMs;
  }
}

/** The latest end of anything about the subject; 0 = there is nothing. */
function endOf(ends: EndsByKind, { buyerId, device, ipKey }: BanSubject): number {
  let endMs = 0;
  if (ends.buyer.size > 0 && buyerId !== null) endMs = ends.buyer.get(buyerId) ?? 0;
  if (ends.device.size > 0 && device !== undefined && device !== "")
    endMs = Math.max(endMs, ends.device.get(device) ?? 0);
  if (ends.ip.size > 0) endMs = Math.max(endMs, ends.ip.get(ipKey) ?? 0);
  return endMs;
}

function endsOf(bans: readonly Ban[]): EndsByKind {
  if (bans.length === 0) return NOBODY;
  const ends = { buyer: new Map<string, number>(), device: new Map<string, number>(), ip: new Map<string, number>() };
  for (const { kind, subject, expiresAt } of bans) {
    const key = kind === "ip" ? (ipKeyOf(subject) ?? subject) : subject;
    ends[kind].set(key, Math.max(expiresAt ?? Number.POSITIVE_INFINITY, ends[kind].get(key) ?? 0));
  }
  return ends;
}
