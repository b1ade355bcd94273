/**
 * Whether a sale was rehearsed, in one line for the last look before it opens: "rehearsed: 4000/s, 2.1 x headroom, when".
 *
 * A certificate that was made for the sale comes first; one of the deployment alone says what it can do and nothing of this crowd.
 * A rehearsal under other settings was one of another deployment, and is said to be.
 */
import type { CapacityCertificate } from "./certificate.ts";
import { isRehearsalSale } from "./rehearsal-rules.ts";

/** What is known of rehearsals; only what is looked at here is named. The newest first. */
export interface KnownRehearsals {
  /** Stands for the settings as they are now. */
  readonly settings: string;
  readonly rehearsals: readonly {
    readonly saleId: string | null;
    readonly signed: { readonly certificate: CapacityCertificate } | null;
  }[];
}

/**
 * What a line about a sale is made from: the sale's own rehearsals first, however many others there were since, then the latest
 * of the deployment. `read` asks the operator API for the path under /v1/admin.
 */
export async function findRehearsals(
  read: (path: string) => Promise<KnownRehearsals>,
  saleId: string,
): Promise<KnownRehearsals> {
  const own = await read(`/rehearsals?saleId=${encodeURIComponent(saleId)}`);
  const latest = await read("/rehearsals");
  return { ...latest, rehearsals: [...own.rehearsals, ...latest.rehearsals] };
}

/** The line; null for a sale that is a rehearsal itself. `showInstant`: how a moment is written. */
export function rehearsedLine(
  { settings, rehearsals }: KnownRehearsals,
  { saleId, showInstant }: { readonly saleId: string; readonly showInstant: (ms: number) => string },
): string | null {
  if (isRehearsalSale({ id: saleId })) return null;
  const certified = rehearsals.filter(({ signed }) => signed !== null);
  const chosen = certified.find((one) => one.saleId === saleId) ?? certified[0];
  if (chosen === undefined || chosen.signed === null) return "not rehearsed";
  const { acceptsPerS, crowd, issuedAt, limitedBy, settings: settingsThen } = chosen.signed.certificate;
  const rate = limitedBy === "time" ? `${acceptsPerS}/s and no time to find more` : `${acceptsPerS}/s`;
  const stale = settingsThen === settings ? "" : "; the settings have changed since";
  const when = `${showInstant(issuedAt)}${stale}`;
  if (chosen.saleId !== saleId) return `rehearsed, though not for this sale: ${rate}, ${when}`;
  const headroom = crowd === null ? "no crowd was given" : `${crowd.headroom} x headroom for ${crowd.buyers} buyers`;
  return `rehearsed: ${rate}, ${headroom}, ${when}`;
}
