/**
 * How many times a deployment can carry an expected crowd, from the two rates that a rehearsal measures.
 *
 * What counts is the crowd's busiest second. Of those who come in it, as many as there are units are served and all others are
 * refused; each costs the deployment its share of a second. The headroom is a second divided by the sum. Without the stock
 * everybody counts as what costs more, which as a rule is being served.
 */
import type { CrowdReading } from "./certificate.ts";

/** A crowd that halves every eight seconds after the opening: eight in a hundred come in its busiest second. */
export const BUSIEST_SECOND_SHARE = 0.08;

export interface ExpectedCrowd {
  readonly saleId: string | null;
  readonly buyers: number;
  readonly stock: number | null;
  readonly busiestSecondShare: number;
}

/** The crowd, its headroom in hundredths, rounded down, and the arithmetic in words. */
export function readCrowd(crowd: ExpectedCrowd, rates: { acceptsPerS: number; decidesPerS: number }): CrowdReading {
  const { buyers, stock, busiestSecondShare } = crowd;
  const { acceptsPerS, decidesPerS } = rates;
  const busiest = Math.max(1, Math.ceil(buyers * busiestSecondShare));
  const isServingDearer = acceptsPerS <= decidesPerS;
  const served = Math.min(busiest, stock ?? (isServingDearer ? busiest : 0));
  const refused = busiest - served;
  const busyS = served / acceptsPerS + refused / decidesPerS;
  const headroom = Math.floor(100 / busyS) / 100;
  const who = `${busiest} of ${buyers} buyers come in the busiest second (${percent(busiestSecondShare)} %)`;
  const what = `${served} served at ${acceptsPerS}/s and ${refused} refused at ${decidesPerS}/s`;
  const unknown =
    stock === null ? `; the stock is not known, so all count as ${isServingDearer ? "served" : "refused"}` : "";
  return { ...crowd, headroom, how: `${who}: ${what} take ${busyS.toFixed(3)} s${unknown}` };
}

function percent(share: number): string {
  return String(Math.round(share * 10_000) / 100);
}
