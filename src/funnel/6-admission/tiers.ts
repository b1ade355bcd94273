/**
 * From when on a buyer may buy: of the sale's own instant and those of the tiers he belongs to, the earliest.
 *
 * A buyer belongs to a tier when the allowlist names it for him, or when the tier has rules and he satisfies all of them.
 * Which tier he is in is never kept anywhere, so moving a sale or a tier moves everybody at once. Whether he may buy at
 * all is admission.ts's question.
 */
import type { Tier } from "../../domain/sale.ts";
import type { CatalogueSale } from "../2-window/catalogue.ts";
import type { Session } from "../3-identity/session-token.ts";

/** Milliseconds since the epoch. */
export function opensAtFor(entry: Pick<CatalogueSale, "sale" | "allowlist">, session: Session): number {
  const { opensAt, eligibility } = entry.sale;
  const { tiers } = eligibility;
  if (tiers === undefined || tiers.length === 0) return opensAt;
  const named = entry.allowlist?.tierOf(session.buyerId) ?? null;
  let earliest = opensAt;
  for (const tier of tiers) {
    if (tier.opensAt < earliest && (tier.name === named || satisfies(session, tier))) earliest = tier.opensAt;
  }
  return earliest;
}

/** By the tier's own rules; an account must be old enough when the tier opens. */
function satisfies(session: Session, { opensAt, levelMin, accountAgeMsMin }: Tier): boolean {
  if (levelMin === undefined && accountAgeMsMin === undefined) return false;
  if (levelMin !== undefined && session.level < levelMin) return false;
  if (accountAgeMsMin === undefined) return true;
  const { accountCreatedAt } = session;
  return accountCreatedAt !== null && opensAt - accountCreatedAt >= accountAgeMsMin;
}
