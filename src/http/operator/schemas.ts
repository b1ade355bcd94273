/**
 * What operators may send: strict schemas with bounds, defaults, and errors that say what is accepted.
 *
 * Rules between fields are checked here as far as one body can tell; rules against a sale that already made promises are
 * the store's (SALE_CONFLICT).
 */
import { z } from "zod";
import { isId } from "../../domain/ids.ts";
import { PRICE_AMOUNT_MAX } from "../../domain/money.ts";
import { BUCKETS_MAX, TIERS_MAX } from "../../domain/sale.ts";

/** Holds shorter than this end before a buyer can pay; longer ones strand stock. */
export const HOLD_MS_MIN = 1_000;
export const HOLD_MS_MAX = 86_400_000;
export const HOLD_MS_DEFAULT = 600_000;
export const ITEMS_MAX = 64;
export const STOCK_MAX = 10_000_000;
export const PER_BUYER_MAX_MAX = 1_000;
export const BLOCKLIST_MAX = 10_000;
const NAME_LENGTH_MAX = 200;
const DESCRIPTION_LENGTH_MAX = 2_000;
const REASON_LENGTH_MAX = 200;
const URL_LENGTH_MAX = 2_048;
const LEVEL_MAX = 1_000_000;
/** September 2001: anything smaller is a time in seconds. */
const INSTANT_MS_MIN = 1_000_000_000_000;
/** The end of the year 9999. */
const INSTANT_MS_MAX = 253_402_300_799_999;
const DURATION_MS_MAX = 100 * 365 * 86_400_000;
const SALE_MS_DEFAULT = 86_400_000;

const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf("currency"));
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

type Issue = { readonly input?: unknown };

/** One error text for every way a field can be wrong. */
export function expected(accepted: string): { error: (issue: Issue) => string } {
  return { error: (issue) => (issue.input === undefined ? `is missing: ${accepted}` : `must be ${accepted}`) };
}

export function integer(range: { min: number; max: number }, what: string): z.ZodNumber {
  const text = expected(`a whole number from ${range.min} to ${range.max} (${what})`);
  return z.number(text).int(text).min(range.min, text).max(range.max, text);
}

export function line(lengthMax: number): z.ZodString {
  const text = expected(`text of 1 to ${lengthMax} characters without line breaks or control characters`);
  return z
    .string(text)
    .max(lengthMax, text)
    .refine((value) => value.trim() !== "" && !CONTROL_CHARACTERS.test(value), text);
}

function id(what: string): z.ZodType<string> {
  return z.custom<string>(isId, expected(`${what}: 1 to 64 of A-Z a-z 0-9 _ -`));
}

function boolean(): z.ZodBoolean {
  return z.boolean(expected("true or false"));
}

/** An object without unknown members; the error lists the members there are. */
export function members<Shape extends z.ZodRawShape>(shape: Shape, what: string): z.ZodObject<Shape, z.core.$strict> {
  const known = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `has unknown fields: ${issue.keys.map((key) => JSON.stringify(key)).join(", ")}; accepted are ${known}`
        : `must be ${what}, an object with ${known}`,
  });
}

const instant = integer(
  { min: INSTANT_MS_MIN, max: INSTANT_MS_MAX },
  "an instant in milliseconds (not seconds) since the epoch",
);
const holdMs = integer({ min: HOLD_MS_MIN, max: HOLD_MS_MAX }, "how long units wait for payment in milliseconds");
const perBuyerMax = integer({ min: 1, max: PER_BUYER_MAX_MAX }, "units a buyer may own");
const description = z
  .string(expected(`text of at most ${DESCRIPTION_LENGTH_MAX} characters, or null`))
  .max(DESCRIPTION_LENGTH_MAX, expected(`text of at most ${DESCRIPTION_LENGTH_MAX} characters, or null`))
  .nullable();
const imageText = expected("an https:// address or a path on this server that begins with /, or null");
const imageUrl = z.string(imageText).max(URL_LENGTH_MAX, imageText).refine(isImageUrl, imageText).nullable();
const signature = z.enum(["required", "optional"], expected('"required" or "optional"'));
const challenge = z.enum(["none", "adaptive", "always"], expected('"none", "adaptive" or "always"'));
const buckets = integer({ min: 1, max: BUCKETS_MAX }, "into how many parts the redis ledger splits each item's stock");

const price = members(
  {
    amount: integer({ min: 0, max: PRICE_AMOUNT_MAX }, "the price in minor units (cents)"),
    currency: z
      .string(expected("an ISO 4217 code such as EUR"))
      .refine((code) => CURRENCIES.has(code), expected("an ISO 4217 code such as EUR")),
  },
  "a price",
);

const item = members(
  {
    sku: id("a sku"),
    name: line(NAME_LENGTH_MAX).optional(),
    price,
    stock: integer({ min: 1, max: STOCK_MAX }, "how many units are for sale"),
    perBuyerMax: perBuyerMax.optional(),
  },
  "an item",
);

const tier = members(
  {
    name: id("a name"),
    opensAt: instant,
    levelMin: integer({ min: 0, max: LEVEL_MAX }, "a minimum level").optional(),
    accountAgeMsMin: integer({ min: 0, max: DURATION_MS_MAX }, "a minimum account age in milliseconds").optional(),
  },
  "a tier",
);
const tiers = z
  .array(tier, expected(`a list of at most ${TIERS_MAX} tiers`))
  .max(TIERS_MAX, expected(`a list of at most ${TIERS_MAX} tiers`))
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, expected("tiers with different names"));

const eligibility = members(
  {
    allowlist: boolean().optional(),
    accountAgeMsMin: integer({ min: 0, max: DURATION_MS_MAX }, "a minimum account age in milliseconds").optional(),
    levelMin: integer({ min: 0, max: LEVEL_MAX }, "a minimum level").optional(),
    tiers: tiers.optional(),
    blocklist: z
      .array(id("a buyer id"), expected("a list of buyer ids"))
      .max(BLOCKLIST_MAX, expected(`a list of at most ${BLOCKLIST_MAX} buyer ids`))
      .optional(),
  },
  "who may buy",
);

const itemsText = expected(`a list of 1 to ${ITEMS_MAX} items`);

/** Body of `POST /sales`. Defaults: a day of selling, ten minutes to pay, one unit a buyer, one bucket. */
export const NewSaleSchema = members(
  {
    id: id("a sale id").optional(),
    name: line(NAME_LENGTH_MAX),
    description: description.optional(),
    imageUrl: imageUrl.optional(),
    opensAt: instant,
    closesAt: instant.optional(),
    holdMs: holdMs.default(HOLD_MS_DEFAULT),
    perBuyerMax: perBuyerMax.default(1),
    challenge: challenge.default("none"),
    signature: signature.default("required"),
    eligibility: eligibility.default({}),
    items: z.array(item, itemsText).min(1, itemsText).max(ITEMS_MAX, itemsText),
    buckets: buckets.default(1),
  },
  "a sale",
)
  .transform((sale) => ({ ...sale, closesAt: sale.closesAt ?? sale.opensAt + SALE_MS_DEFAULT }))
  .superRefine((sale, context) => {
    const report = (path: (string | number)[], message: string): void => {
      context.addIssue({ code: "custom", path, message });
    };
    if (sale.opensAt >= sale.closesAt) report(["closesAt"], "must be later than opensAt");
    for (const [index, tier] of (sale.eligibility.tiers ?? []).entries()) {
      const path = ["eligibility", "tiers", index, "opensAt"];
      if (tier.opensAt >= sale.opensAt) report(path, "must be earlier than the sale's opensAt");
    }
    const firsts = new Map<string, number>();
    for (const [index, { sku, price: own }] of sale.items.entries()) {
      const first = firsts.get(sku);
      if (first === undefined) firsts.set(sku, index);
      else report(["items", index, "sku"], `must be unique; items[${first}] has the same sku`);
      const currency = sale.items[0]?.price.currency;
      if (own.currency !== currency) {
        report(["items", index, "price", "currency"], `must be ${currency} like that of items[0]: one currency a sale`);
      }
    }
  });

export type NewSaleBody = z.output<typeof NewSaleSchema>;

/** Body of `PATCH /sales/{id}`. Stock is changed with adjust, so that every change has a reason. */
export const SalePatchSchema = members(
  {
    name: line(NAME_LENGTH_MAX).optional(),
    description: description.optional(),
    imageUrl: imageUrl.optional(),
    opensAt: instant.optional(),
    closesAt: instant.optional(),
    holdMs: holdMs.optional(),
    perBuyerMax: perBuyerMax.optional(),
    challenge: challenge.optional(),
    signature: signature.optional(),
    eligibility: eligibility.optional(),
  },
  "a change",
).superRefine((patch, context) => {
  if (Object.keys(patch).length === 0) context.addIssue({ code: "custom", message: "changes nothing: name a field" });
  if (patch.opensAt !== undefined && patch.closesAt !== undefined && patch.opensAt >= patch.closesAt) {
    context.addIssue({ code: "custom", path: ["closesAt"], message: "must be later than opensAt" });
  }
});

/** Body of commands that take none. */
export const NoBodySchema = members({}, "an empty object");

/** Body of `POST …/adjust`. */
export const AdjustSchema = members(
  {
    delta: integer({ min: -STOCK_MAX, max: STOCK_MAX }, "units to add, or with a minus to take away").refine(
      (delta) => delta !== 0,
      { error: "must not be 0" },
    ),
    reason: line(REASON_LENGTH_MAX),
  },
  "an adjustment",
);

/** Body of `POST …/recover`. */
export const RecoverySchema = members(
  { from: z.literal("stream", expected('"stream"')) },
  "from where a sale's orders are recovered",
);

/** Body of `POST /bans`. Until when: `expiresAt`, or `durationMs` from now, or neither for a ban until it is lifted. */
/** Body of `POST /webhooks`. Whether the address may be used is the sender's question. */
export const WebhookSchema = members({ url: line(URL_LENGTH_MAX) }, "an address of the shop");

export const BanSchema = members(
  {
    kind: z.enum(["buyer", "ip", "device"], expected('"buyer", "ip" or "device"')),
    effect: z.enum(["refuse", "exempt"], expected('"refuse" or "exempt"')).optional(),
    subject: line(REASON_LENGTH_MAX),
    reason: line(REASON_LENGTH_MAX),
    expiresAt: instant.nullable().optional(),
    durationMs: integer({ min: 1_000, max: DURATION_MS_MAX }, "how long the ban lasts in milliseconds").optional(),
  },
  "a ban",
).superRefine((ban, context) => {
  if (ban.durationMs !== undefined && ban.expiresAt != null) {
    context.addIssue({ code: "custom", path: ["durationMs"], message: "and expiresAt exclude each other" });
  }
});

function isImageUrl(value: string): boolean {
  if (CONTROL_CHARACTERS.test(value)) return false;
  if (value.startsWith("/")) return !value.startsWith("//") && !value.includes("\\");
  return URL.canParse(value) && new URL(value).protocol === "https:";
}
