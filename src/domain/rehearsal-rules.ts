/**
 * When a deployment may not be rehearsed: a load that takes all it can give is not for a day on which somebody is buying.
 *
 * Pure; answers in words for the operator, with what he can do about it.
 */
import type { Sale } from "./sale.ts";
import { firstOpensAt, saleStateAt } from "./sale.ts";

/** Nobody may be waiting at the door of a sale. */
export const CLEAR_BEFORE_OPENING_MS = 10 * 60_000;
const PREFIX = "rehearsal-";
/** Exactly what we make, and nothing that a person would call a sale: a random id of the Random port is 22 characters. */
const REHEARSAL_SALE = /^rehearsal-[A-Za-z0-9_-]{22}-(accept|refuse)$/;

const MINUTE_MS = 60_000;

export interface RehearsalQuestion {
  /** All that there are. */
  readonly sales: readonly Sale[];
  readonly nowMs: number;
  /** How long the rehearsal takes. */
  readonly durationMs: number;
  /** Whoever asked has seen that somebody may be disturbed. */
  readonly isForced: boolean;
}

/** Which sale forbids a rehearsal now, in words; null = none does. */
export function findSaleInTheWay({ sales, nowMs, durationMs, isForced }: RehearsalQuestion): string | null {
  if (isForced) return null;
  for (const sale of sales) {
    // Nobody buys there; whether another rehearsal runs is asked for itself, and what a dead one left open is in nobody's way.
    if (isRehearsalSale(sale)) continue;
    const state = saleStateAt(sale, nowMs, firstOpensAt(sale));
    if (state === "open" || state === "paused") {
      return `The sale ${sale.id} is ${state}. A rehearsal takes all that the deployment has: close the sale first, or say "force".`;
    }
    const untilOpenMs = firstOpensAt(sale) - nowMs;
    if (state === "scheduled" && untilOpenMs < CLEAR_BEFORE_OPENING_MS + durationMs) {
      const minutes = Math.max(0, Math.floor(untilOpenMs / MINUTE_MS));
      return `The sale ${sale.id} opens in ${minutes} min. A rehearsal must end ${CLEAR_BEFORE_OPENING_MS / MINUTE_MS} min before an opening: do it afterwards, or say "force".`;
    }
  }
  return null;
}

/** The sales of a rehearsal: in the first everybody is served, in the second everybody but one is refused. */
export type RehearsalSaleKind = "accept" | "refuse";

/** The id of a rehearsal. `randomId`: 22 characters of the Random port. */
export function rehearsalId(randomId: string): string {
  return `${PREFIX}${randomId}`;
}

/** The id of a sale that the rehearsal makes. */
export function rehearsalSaleId(rehearsal: string, kind: RehearsalSaleKind): string {
  return `${rehearsal}-${kind}`;
}

/** True for the sales that rehearsals make: not for buyers' lists. A sale that merely has a name like theirs is none. */
export function isRehearsalSale({ id }: { readonly id: string }): boolean {
  return REHEARSAL_SALE.test(id);
}

/** Where a node can be reached, and from where a load would be seen to come. */
export interface TargetQuestion {
  /** What was asked for; empty = this node's own port, or else PUBLIC_URL. */
  readonly urls: readonly string[];
  /** This node's own port for buyers as a URL; null = it has none. */
  readonly ownUrl: string | null;
  readonly publicUrl: string | null;
}

export type TargetAnswer =
  | { readonly kind: "targets"; readonly urls: readonly string[] }
  | { readonly kind: "refused"; readonly why: string };

const LOOPBACK = /^(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|\[::1\])$/;

/** True for the names of this machine, as a URL has them. */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK.test(hostname);
}

/** Whom a rehearsal may load: this machine, this node's own address, and PUBLIC_URL; nobody else, whoever asks. */
export function chooseTargets({ urls, ownUrl, publicUrl }: TargetQuestion): TargetAnswer {
  const own = [ownUrl, publicUrl].filter((url) => url !== null).map((url) => new URL(url).origin);
  const wanted = urls.length > 0 ? urls : own.slice(0, 1);
  if (wanted.length === 0) {
    return refuse("This node answers no buyers and PUBLIC_URL is not set: nobody knows where they are answered.");
  }
  const origins: string[] = [];
  for (const text of wanted) {
    const url = URL.canParse(text) ? new URL(text) : null;
    if (url === null || url.protocol !== "http:") {
      return refuse(
        `${JSON.stringify(text)} is no http:// address. A rehearsal goes to the nodes, behind what ends TLS.`,
      );
    }
    if (!isLoopback(url.hostname) && !own.includes(url.origin)) {
      return refuse(`${url.origin} is neither this machine nor PUBLIC_URL. A rehearsal loads its own deployment only.`);
    }
    origins.push(url.origin);
  }
  return { kind: "targets", urls: origins };
}

function refuse(why: string): TargetAnswer {
  return { kind: "refused", why };
}
