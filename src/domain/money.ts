/**
 * Money in minor units with its currency; integers only, so that comparing amounts is exact.
 *
 * Rounding, conversion and formatting for people are left to the pages, which know the reader's locale.
 */

/** An amount in minor units (cents) of an ISO 4217 currency. */
export interface Money {
  readonly amount: number;
  readonly currency: string;
}

/** The largest price in minor units: keeps every product of price and quantity an exact integer. */
export const PRICE_AMOUNT_MAX = 1_000_000_000;

/** Equal in amount and in currency. */
export function isSameMoney(left: Money, right: Money): boolean {
  return left.amount === right.amount && left.currency === right.currency;
}
