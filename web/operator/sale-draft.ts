/**
 * A sale as it is being typed, and what is wrong with it: every field's text to a body, or to a helpful error.
 *
 * Errors carry the same paths as the server's (`items[0].price.amount`), so both land at the same fields. The server
 * checks everything again; this only spares a round trip and knows what was typed.
 */
import { PRICE_AMOUNT_MAX } from "../../src/domain/money.ts";
import { BUCKETS_MAX, type ChallengeRule } from "../../src/domain/sale.ts";
import { formatMoney, parseAmount } from "../shared/money.ts";
import { formatCount } from "./words.ts";

/** All members are the text of their fields; times are local, as `datetime-local` has them. */
export interface SaleDraft {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly opensAt: string;
  readonly closesAt: string;
  readonly holdMinutes: string;
  readonly currency: string;
  readonly perBuyerMax: string;
  readonly buckets: string;
  readonly challenge: ChallengeRule;
  readonly signature: "required" | "optional";
  readonly isAllowlisted: boolean;
  readonly levelMin: string;
  readonly accountAgeDays: string;
  readonly tiers: readonly TierDraft[];
  readonly items: readonly ItemDraft[];
}

/** Who may come before the others. */
export interface TierDraft {
  readonly name: string;
  readonly opensAt: string;
  readonly levelMin: string;
  readonly accountAgeDays: string;
}

export interface ItemDraft {
  readonly sku: string;
  readonly name: string;
  readonly price: string;
  readonly stock: string;
}

export type FieldErrors = ReadonlyMap<string, string>;
export type DraftCheck =
  | { readonly kind: "valid"; readonly body: Readonly<Record<string, unknown>> }
  | { readonly kind: "wrong"; readonly errors: FieldErrors };

const ID = /^[A-Za-z0-9_-]{1,64}$/;
const STOCK_MAX = 10_000_000;
const PER_BUYER_MAX_MAX = 1_000;
const HOLD_MINUTES_MAX = 1_440;
const LEVEL_MAX = 1_000_000;
const ACCOUNT_AGE_DAYS_MAX = 36_500;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const SALE_STARTS_IN_MS = 15 * MINUTE_MS;

export const EMPTY_ITEM: ItemDraft = { sku: "", name: "", price: "", stock: "" };

export const EMPTY_TIER: TierDraft = { name: "", opensAt: "", levelMin: "", accountAgeDays: "" };

/** A draft with sensible times and nothing else. */
export function newDraft(nowMs: number): SaleDraft {
  const opensAtMs = Math.ceil((nowMs + SALE_STARTS_IN_MS) / (5 * MINUTE_MS)) * 5 * MINUTE_MS;
  return {
    id: "",
    name: "",
    description: "",
    opensAt: toLocalText(opensAtMs),
    closesAt: toLocalText(opensAtMs + DAY_MS),
    holdMinutes: "10",
    currency: "EUR",
    perBuyerMax: "2",
    buckets: "1",
    challenge: "adaptive",
    signature: "required",
    isAllowlisted: false,
    levelMin: "",
    accountAgeDays: "",
    tiers: [],
    items: [EMPTY_ITEM],
  };
}

/** "2026-11-22T10:00" in the reader's own time zone: the form of a `datetime-local` field. */
export function toLocalText(at: number): string {
  const local = new Date(at - new Date(at).getTimezoneOffset() * MINUTE_MS);
  return local.toISOString().slice(0, "2026-11-22T10:00".length);
}

/** The body to send, or every error there is. */
export function checkDraft(draft: SaleDraft, nowMs: number): DraftCheck {
  const errors = new Map<string, string>();
  const fail = (field: string, text: string) => void errors.set(field, text);
  const integer = (field: string, text: string, range: { min: number; max: number }): number => {
    const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (!(value >= range.min && value <= range.max))
      fail(field, `A whole number from ${formatCount(range.min)} to ${formatCount(range.max)}.`);
    return value;
  };
  if (draft.name.trim() === "") fail("name", "Buyers read this name, so the sale needs one.");
  if (draft.id !== "" && !ID.test(draft.id)) fail("id", "1 to 64 letters, digits, - or _. Leave it empty to get one.");
  const window = checkWindow(draft, nowMs, fail);
  const isCurrency = Intl.supportedValuesOf("currency").includes(draft.currency);
  if (!isCurrency) fail("items[0].price.currency", "Three capital letters, such as EUR.");
  const body = {
    ...(draft.id === "" ? {} : { id: draft.id }),
    name: draft.name.trim(),
    ...(draft.description.trim() === "" ? {} : { description: draft.description.trim() }),
    ...window,
    holdMs: integer("holdMs", draft.holdMinutes, { min: 1, max: HOLD_MINUTES_MAX }) * MINUTE_MS,
    perBuyerMax: integer("perBuyerMax", draft.perBuyerMax, { min: 1, max: PER_BUYER_MAX_MAX }),
    buckets: integer("buckets", draft.buckets, { min: 1, max: BUCKETS_MAX }),
    challenge: draft.challenge,
    signature: draft.signature,
    eligibility: { ...checkRules(draft, "eligibility", integer), ...checkTiers(draft, fail, integer) },
    items: draft.items.map((item, index) => ({
      sku: item.sku,
      name: item.name.trim() === "" ? item.sku : item.name.trim(),
      price: { amount: isCurrency ? checkPrice(item, index, draft.currency, fail) : 0, currency: draft.currency },
      stock: integer(`items[${index}].stock`, item.stock, { min: 1, max: STOCK_MAX }),
    })),
  };
  draft.items.forEach((item, index) => {
    const first = draft.items.findIndex(({ sku }) => sku === item.sku);
    if (!ID.test(item.sku)) fail(`items[${index}].sku`, "1 to 64 letters, digits, - or _.");
    else if (first < index) fail(`items[${index}].sku`, `Item ${first + 1} already has this sku.`);
  });
  return errors.size > 0 ? { kind: "wrong", errors } : { kind: "valid", body };
}

type Fail = (field: string, text: string) => void;
type CheckInteger = (field: string, text: string, range: { min: number; max: number }) => number;

function checkWindow(draft: SaleDraft, nowMs: number, fail: Fail): { opensAt: number; closesAt: number } {
  // A datetime-local text without a zone is read in the reader's own, as it was typed.
  const opensAt = Date.parse(draft.opensAt);
  const closesAt = Date.parse(draft.closesAt);
  if (Number.isNaN(opensAt)) fail("opensAt", "Please choose a date and a time.");
  if (Number.isNaN(closesAt)) fail("closesAt", "Please choose a date and a time.");
  if (closesAt <= opensAt) fail("closesAt", "Must be later than the opening.");
  else if (closesAt <= nowMs) fail("closesAt", "This is in the past, so the sale would be over at once.");
  return { opensAt, closesAt };
}

function checkPrice(item: ItemDraft, index: number, currency: string, fail: Fail): number {
  const amount = parseAmount({ text: item.price, currency });
  if (amount !== null && amount <= PRICE_AMOUNT_MAX) return amount;
  fail(
    `items[${index}].price.amount`,
    `A price such as ${formatMoney({ amount: 4_900, currency })}, without thousands.`,
  );
  return 0;
}

/** Rules about accounts, of the sale or of one tier; those that are empty are none. */
function checkRules(
  typed: { readonly isAllowlisted?: boolean; readonly levelMin: string; readonly accountAgeDays: string },
  path: string,
  integer: CheckInteger,
): Readonly<Record<string, unknown>> {
  const days = typed.accountAgeDays.trim();
  const level = typed.levelMin.trim();
  const daysRange = { min: 0, max: ACCOUNT_AGE_DAYS_MAX };
  return {
    ...(typed.isAllowlisted === true ? { allowlist: true } : {}),
    ...(days === "" ? {} : { accountAgeMsMin: integer(`${path}.accountAgeMsMin`, days, daysRange) * DAY_MS }),
    ...(level === "" ? {} : { levelMin: integer(`${path}.levelMin`, level, { min: 0, max: LEVEL_MAX }) }),
  };
}

function checkTiers(draft: SaleDraft, fail: Fail, integer: CheckInteger): Readonly<Record<string, unknown>> {
  if (draft.tiers.length === 0) return {};
  const saleOpensAt = Date.parse(draft.opensAt);
  const tiers = draft.tiers.map((tier, index) => {
    const path = `eligibility.tiers[${index}]`;
    const name = tier.name.trim();
    const opensAt = Date.parse(tier.opensAt);
    const first = draft.tiers.findIndex((other) => other.name.trim() === name);
    if (!ID.test(name)) fail(`${path}.name`, "1 to 64 letters, digits, - or _.");
    else if (first < index) fail(`${path}.name`, `Tier ${first + 1} already has this name.`);
    if (Number.isNaN(opensAt)) fail(`${path}.opensAt`, "Please choose a date and a time.");
    else if (opensAt >= saleOpensAt) fail(`${path}.opensAt`, "Must be earlier than the sale's own opening.");
    return { name, opensAt, ...checkRules(tier, path, integer) };
  });
  return { tiers };
}
