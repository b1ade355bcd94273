/**
 * Reads an allowlist: JSON with buyer ids and shop logins, or plain text with one buyer id a line.
 *
 * The whole list is refused when one entry is wrong, and the errors name lines or indexes: a list that was loaded
 * in part would turn buyers away on sale day. Shop logins are turned into buyer ids here, so that an operator never
 * has to know how those are derived.
 */
import { z } from "zod";
import { type BuyerId, deriveBuyerId, isId } from "../../domain/ids.ts";
import { parseStrictJson } from "../../domain/strict-json.ts";
import { type Checked, checkValue } from "./body.ts";
import { type FieldError, invalidFields } from "./problem.ts";

/** Entries of one list. */
export const ALLOWLIST_MAX = 200_000;
/** Bytes of one upload: 200,000 ids of 64 characters with JSON around them. The listener must let this much through. */
export const ALLOWLIST_BYTES_MAX = 16 * 1_048_576;
const CLAIM_LENGTH_MAX = 1_024;

const ID_TEXT = "must be a buyer id: 1 to 64 of A-Z a-z 0-9 _ -";

const claim = (name: string) => {
  const text = { error: `must be the login's ${name}, text of 1 to ${CLAIM_LENGTH_MAX} characters in one line` };
  return z
    .string(text)
    .min(1, text)
    .max(CLAIM_LENGTH_MAX, text)
    .refine((value) => !value.includes("\n"), text);
};
const list = <Entry extends z.ZodType>(entry: Entry, what: string) => {
  const text = { error: `must be a list of at most ${ALLOWLIST_MAX} ${what}` };
  return z.array(entry, text).max(ALLOWLIST_MAX, text).default([]);
};
const AllowlistSchema = z.strictObject(
  {
    buyerIds: list(z.custom<string>(isId, { error: ID_TEXT }), "buyer ids"),
    subjects: list(
      z.strictObject(
        { issuer: claim("issuer"), subject: claim("subject") },
        { error: "must be an object with issuer and subject" },
      ),
      "logins",
    ),
  },
  { error: "must be an object with buyerIds, subjects or both, and nothing else" },
);

/** Reads the JSON form. */
export function parseAllowlistJson(text: string): Checked<readonly BuyerId[]> {
  const json = parseStrictJson(text);
  if (json.kind === "bad") return { kind: "problem", problem: { reason: "malformed", detail: json.detail } };
  const checked = checkValue(AllowlistSchema, json.value);
  if (checked.kind === "problem") return checked;
  const { buyerIds, subjects } = checked.value;
  return withinBound([...(buyerIds as BuyerId[]), ...subjects.map(deriveBuyerId)]);
}

/** Reads the text form. Blank lines and lines that begin with # are skipped; a byte order mark is ignored. */
export function parseAllowlistText(text: string): Checked<readonly BuyerId[]> {
  const buyerIds: BuyerId[] = [];
  const errors: FieldError[] = [];
  for (const [index, line] of text
    .replace(/^\ufeff/, "")
    .split(/\r\n|\n|\r/)
    .entries()) {
    const entry = line.trim();
    if (entry === "" || entry.startsWith("#")) continue;
    if (isId(entry)) buyerIds.push(entry as BuyerId);
    else errors.push({ field: `line ${index + 1}`, text: ID_TEXT });
  }
  return errors.length > 0 ? { kind: "problem", problem: invalidFields(errors) } : withinBound(buyerIds);
}

function withinBound(buyerIds: readonly BuyerId[]): Checked<readonly BuyerId[]> {
  const unique = [...new Set(buyerIds)];
  if (unique.length <= ALLOWLIST_MAX) return { kind: "value", value: unique };
  const detail = `The list has ${unique.length} buyers; at most ${ALLOWLIST_MAX} are possible.`;
  return { kind: "problem", problem: { reason: "payload_too_large", detail } };
}
