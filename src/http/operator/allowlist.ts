/**
 * Reads an allowlist: JSON with buyer ids and shop logins, or lines with a buyer id and perhaps a tier.
 *
 * Only the form is judged here, entry by entry; duplicates, tiers and the size of a list are its writer's
 * (allowlist-upload.ts). Shop logins are turned into buyer ids, so that an operator never has to know how those are derived.
 */
import { z } from "zod";
import { type BuyerId, deriveBuyerId, isId } from "../../domain/ids.ts";
import { parseStrictJson } from "../../domain/strict-json.ts";
import type { AllowlistEntry } from "../../ports/allowlist-store.ts";
import { type Checked, checkValue } from "./body.ts";

/** Entries of a list as JSON; longer lists come as lines. */
export const JSON_ENTRIES_MAX = 200_000;
/** Bytes of a list as JSON. */
export const JSON_LIST_BYTES_MAX = 16 * 1_048_576;
const CLAIM_LENGTH_MAX = 1_024;
/** Two ids, a comma and quotes, with room for blanks. */
const LINE_LENGTH_MAX = 256;

const ID_TEXT = "must be a buyer id: 1 to 64 of A-Z a-z 0-9 _ -";
const TIER_TEXT = "must name its tier after one comma: 1 to 64 of A-Z a-z 0-9 _ -";

const claim = (name: string) => {
  const text = { error: `must be the login's ${name}, text of 1 to ${CLAIM_LENGTH_MAX} characters in one line` };
  return z
    .string(text)
    .min(1, text)
    .max(CLAIM_LENGTH_MAX, text)
    .refine((value) => !value.includes("\n"), text);
};
const list = <Entry extends z.ZodType>(entry: Entry, what: string) => {
  const text = { error: `must be a list of at most ${JSON_ENTRIES_MAX} ${what}; send longer lists as text/plain` };
  return z.array(entry, text).max(JSON_ENTRIES_MAX, text).default([]);
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
  return { kind: "value", value: [...(buyerIds as BuyerId[]), ...subjects.map(deriveBuyerId)] };
}

/** An entry with the number of its line, counted from 1; or what is wrong with the line. */
export type ReadLine = { readonly line: number } & (AllowlistEntry | { readonly error: string });

/**
 * Cuts text that comes in pieces into lines and reads them. Blank lines and lines that begin with # are skipped, and so is
 * the heading of a CSV file. Holds at most the piece and one unfinished line.
 */
export class AllowlistLines {
  readonly #isCsv: boolean;
  #unfinished = "";
  #line = 0;
  #mayBeHeading: boolean;

  constructor({ isCsv }: { isCsv: boolean }) {
    this.#isCsv = isCsv;
    this.#mayBeHeading = isCsv;
  }

  /** What the lines say that end in this piece. */
  read(piece: string): readonly ReadLine[] {
    const text = this.#unfinished + piece;
    // A carriage return at the end may be half of a line's end.
    const end = text.endsWith("\r") ? text.length - 1 : text.length;
    const lines = text.slice(0, end).split(/\r\n|\n|\r/);
    this.#unfinished = (lines.pop() ?? "") + text.slice(end);
    const read = lines.flatMap((line) => this.#readLine(line));
    if (this.#unfinished.length <= LINE_LENGTH_MAX) return read;
    // Nothing that follows could make it right, and holding it would cost without a bound.
    const tooLong = this.#readLine(this.#unfinished.slice(0, LINE_LENGTH_MAX + 1));
    this.#line -= 1;
    this.#unfinished = "#";
    return [...read, ...tooLong];
  }

  /** What the last line says, which may lack its end. */
  end(): readonly ReadLine[] {
    const last = this.#unfinished;
    this.#unfinished = "";
    return this.#readLine(last);
  }

  #readLine(text: string): readonly ReadLine[] {
    this.#line += 1;
    const trimmed = text.trim();
    if (trimmed === "" || trimmed.startsWith("#")) return [];
    const fields = trimmed.split(",").map((field) => (this.#isCsv ? unquoted(field.trim()) : field.trim()));
    const [buyerId = "", tier] = fields;
    const isHeading = this.#mayBeHeading && /^buyer[ _-]?id$/i.test(buyerId);
    this.#mayBeHeading = false;
    if (isHeading) return [];
    const line = this.#line;
    if (text.length > LINE_LENGTH_MAX || !isId(buyerId)) return [{ line, error: ID_TEXT }];
    if (fields.length > 2 || (tier !== undefined && tier !== "" && !isId(tier))) return [{ line, error: TIER_TEXT }];
    return [{ line, buyerId: buyerId as BuyerId, tier: tier === undefined || tier === "" ? null : tier }];
  }
}

/** Ids and tiers contain no quotes, so quotes can only stand around them. */
function unquoted(field: string): string {
  return field.length >= 2 && field.startsWith('"') && field.endsWith('"') ? field.slice(1, -1) : field;
}
