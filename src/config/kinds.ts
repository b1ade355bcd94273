/**
 * The kinds of value a setting can have: each turns text into a checked value and says in words what it accepts.
 *
 * A kind never shows the value it refused; load.ts decides whether it may be shown. Bounds are part of the kind, so that
 * the generated documentation and the error message can never disagree with the check.
 */
import { isIP } from "node:net";
import { z } from "zod";

/** What a setting is: its check, its documentation, and how it is shown. */
export interface Setting<Value> {
  readonly schema: z.ZodType<Value, string>;
  /** What is accepted, as the end of the sentence "accepted: …". */
  readonly accepted: string;
  /** The default as it would be written in the environment; null = not set. */
  readonly byDefault: string | null;
  readonly unit: string | null;
  readonly text: string;
  /** "whole": never shown. "password": a URL whose password is never shown. */
  readonly secret: "no" | "whole" | "password";
}

interface Description<Default> {
  readonly byDefault: Default;
  readonly text: string;
}

/** A whole number within bounds, in decimal digits. */
export function integer(
  options: Description<number> & { readonly min: number; readonly max: number; readonly unit: string },
): Setting<number> {
  const { min, max, byDefault, unit, text } = options;
  return {
    schema: z
      .string()
      .regex(/^\d{1,15}$/)
      .transform(Number)
      .pipe(z.number().min(min).max(max)),
    accepted: `a whole number from ${min} to ${max}`,
    byDefault: String(byDefault),
    unit,
    text,
    secret: "no",
  };
}

/** One word of a list. */
export function oneOf<const Word extends string>(
  words: readonly [Word, ...Word[]],
  options: Description<Word>,
): Setting<Word> {
  return {
    schema: z.string().pipe(z.enum(words)),
    accepted: words.join(", "),
    byDefault: options.byDefault,
    unit: null,
    text: options.text,
    secret: "no",
  };
}

/** Text that matches a pattern. */
export function pattern<Default extends string | null>(
  expression: RegExp,
  accepted: string,
  options: Description<Default>,
): Setting<string | Extract<Default, null>> {
  return {
    schema: z.string().regex(expression),
    accepted,
    byDefault: options.byDefault,
    unit: null,
    text: options.text,
    secret: "no",
  };
}

/** A secret of at least so many bytes, without spaces. Never shown. */
export function secret(options: { readonly bytesMin: number; readonly text: string }): Setting<string | null> {
  return {
    schema: z.string().refine((value) => Buffer.byteLength(value) >= options.bytesMin && /^\S+$/.test(value)),
    accepted: `at least ${options.bytesMin} bytes without spaces; "doorbuster keys new" makes one`,
    byDefault: null,
    unit: null,
    text: options.text,
    secret: "whole",
  };
}

/** A URL with one of the protocols and one host: a comma would be a list, and hide what follows it from masking. */
function isUrl(value: string, protocols: readonly string[]): boolean {
  const parsed = URL.canParse(value) ? new URL(value) : null;
  return parsed !== null && protocols.includes(parsed.protocol) && parsed.host !== "" && !parsed.host.includes(",");
}

/** A URL with one of the protocols and a host. */
export function url(
  protocols: readonly string[],
  options: { readonly text: string; readonly secret: "no" | "password" },
): Setting<string | null> {
  return {
    schema: z.string().refine((value) => isUrl(value, protocols)),
    accepted: `a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`,
    byDefault: null,
    unit: null,
    text: options.text,
    secret: options.secret,
  };
}

/** One URL or several, comma-separated, each with one of the protocols and a host. Null when not set. */
export function urls(
  protocols: readonly string[],
  options: { readonly text: string; readonly secret: "no" | "password" },
): Setting<readonly string[] | null> {
  return {
    schema: z
      .string()
      .transform((value) => value.split(",").map((part) => part.trim()))
      .refine((parts) => parts.every((part) => isUrl(part, protocols))),
    accepted: `URLs that start with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}, comma-separated`,
    byDefault: null,
    unit: null,
    text: options.text,
    secret: options.secret,
  };
}

/** A comma-separated list that may be empty, each part of one kind. */
function listOf(options: {
  readonly isPart: (value: string) => boolean;
  readonly accepted: string;
  readonly text: string;
}): Setting<readonly string[]> {
  return {
    schema: z
      .string()
      .transform((value) =>
        value
          .split(",")
          .map((part) => part.trim())
          .filter((part) => part !== ""),
      )
      .refine((parts) => parts.every(options.isPart)),
    accepted: options.accepted,
    byDefault: "",
    unit: null,
    text: options.text,
    secret: "no",
  };
}

/** Networks in CIDR notation or single addresses, comma-separated. */
export function networks({ text }: { readonly text: string }): Setting<readonly string[]> {
  const accepted = "addresses or CIDR networks, comma-separated, such as 10.0.0.0/8,fd00::/8";
  return listOf({ isPart: isNetwork, accepted, text });
}

/** Origins as browsers write them, comma-separated: scheme, host and port, and nothing behind them. */
export function origins({ text }: { readonly text: string }): Setting<readonly string[]> {
  const accepted = "origins, comma-separated, such as https://shop.example,https://www.shop.example:8443";
  return listOf({ isPart: isOrigin, accepted, text });
}

function isOrigin(value: string): boolean {
  return isUrl(value, ["https:", "http:"]) && new URL(value).origin === value;
}

function isNetwork(value: string): boolean {
  const [address = "", prefix, ...rest] = value.split("/");
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  if (prefix === undefined) return true;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128);
}
