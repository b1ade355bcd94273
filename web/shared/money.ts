/**
 * Money as the reader's locale writes it. Amounts stay integers in minor units until this last step, and the number
 * of decimals comes from the currency (JPY has none), so no price is ever shown a hundred times too large.
 */
import type { Money } from "../../client/contract.ts";

/** "€49.00", "¥4,900". `locale` undefined = the reader's own. */
export function formatMoney(money: Money, locale?: string): string {
  const format = new Intl.NumberFormat(locale, { style: "currency", currency: money.currency });
  return format.format(money.amount / 10 ** minorDigits(money.currency));
}

/** Decimals of a currency; two when the browser does not know it. */
export function minorDigits(currency: string): number {
  return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2;
}

/** Minor units of what somebody typed ("49", "49.90", "49,90"), or null when that is no price in the currency. */
export function parseAmount(typed: { text: string; currency: string }): number | null {
  const digits = minorDigits(typed.currency);
  const match = /^(\d{1,9})(?:[.,](\d+))?$/.exec(typed.text.trim());
  const fraction = match?.[2] ?? "";
  if (match === null || fraction.length > digits) return null;
  return Number(match[1] + fraction.padEnd(digits, "0"));
}
