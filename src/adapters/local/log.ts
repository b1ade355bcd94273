/**
 * Structured logs of this process through pino: one JSON line an event, implements Log.
 *
 * Whatever is logged passes through here and comes out harmless: fields whose name speaks of a secret are replaced,
 * secrets inside texts (bearer tokens, session tokens, passwords in addresses) are cut out, and control
 * characters, also those a terminal would obey and JSON leaves alone, are made visible. Depth, width and length are
 * bounded, so that no caller can log a whole request by accident. Never used on the hot path.
 */
import { type DestinationStream, destination, pino } from "pino";
import { isFault } from "../../domain/faults.ts";
import type { Log } from "../../ports/telemetry.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const DEPTH_MAX = 6;
const MEMBERS_MAX = 50;
const TEXT_LENGTH_MAX = 2_048;
const CAUSES_MAX = 4;
const STDERR = 2;
const HIDDEN = "[hidden]";

/** Names of fields whose values are secrets, wherever they stand. */
const SECRET_NAME =
  /authorization|cookie|signature|signingkey|token|receipt|secret|passw|credential|apikey|privatekey|ticket|mac$|jwt/i;
/** Secrets inside texts, each with what is left of it. */
const SECRET_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic)\s+[^\s"',;]{8,}/gi, `$1 ${HIDDEN}`],
  [/\b[ckps][0-9]\.[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+/g, HIDDEN],
  [/\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g, HIDDEN],
  [/([?&](?:ticket|token|access_token|signature)=)[^&\s"']+/gi, `$1${HIDDEN}`],
  [/\b([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@]+@/gi, `$1:${HIDDEN}@`],
];
/** C0 without nothing, DEL, C1, line and paragraph separators, and marks that turn the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export interface ProcessLog extends Log {
  /** Resolves when everything logged so far is written. For the end of the process. */
  flush(): Promise<void>;
}

/** `stream` is for tests; by default lines go to standard error, so that standard output stays the command's own. */
export function createLog(options: {
  level: LogLevel;
  /** Said in every line: which process this is. */
  base?: Readonly<Record<string, string | number>>;
  stream?: DestinationStream;
}): ProcessLog {
  const file = options.stream === undefined ? destination({ fd: STDERR, sync: false }) : null;
  const logger = pino(
    {
      level: options.level,
      base: options.base ?? {},
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    options.stream ?? file ?? destination(STDERR),
  );
  const write =
    (level: "debug" | "info" | "warn" | "error"): Log["info"] =>
    (fields, message) => {
      if (logger.isLevelEnabled(level)) logger[level](harmlessFields(fields), harmlessText(message));
    };
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    flush: () =>
      new Promise((resolve) => {
        if (file === null) resolve();
        else file.flush(() => resolve());
      }),
  };
}

function harmlessFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return harmlessObject(fields, 0);
}

function harmless(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
      return harmlessText(value);
    case "number":
    case "boolean":
    case "undefined":
      return value;
    case "bigint":
      return value.toString();
    case "object":
      return value === null ? null : harmlessComposite(value, depth);
    default:
      return `[${typeof value}]`;
  }
}

function harmlessComposite(value: object, depth: number): unknown {
  if (value instanceof Error) return describeError(value, 0);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "[no date]" : value.toISOString();
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (depth >= DEPTH_MAX) return "[too deep]";
  if (Array.isArray(value)) {
    const kept = value.slice(0, MEMBERS_MAX).map((entry) => harmless(entry, depth + 1));
    return value.length > MEMBERS_MAX ? [...kept, `[${value.length - MEMBERS_MAX} more]`] : kept;
  }
  if (value instanceof Map || value instanceof Set) return `[${value.constructor.name} of ${value.size}]`;
  return harmlessObject(value, depth);
}

function harmlessObject(value: object, depth: number): Record<string, unknown> {
  const entries = Object.entries(value).slice(0, MEMBERS_MAX);
  // A null prototype, so that a key named __proto__ stays a key.
  const kept: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, member] of entries) {
    kept[harmlessText(name)] = SECRET_NAME.test(name) ? HIDDEN : harmless(member, depth + 1);
  }
  return kept;
}

function harmlessText(text: string): string {
  const short = text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX)}[cut]` : text;
  const silent = SECRET_TEXTS.reduce((rest, [pattern, replacement]) => rest.replace(pattern, replacement), short);
  return silent.replace(CONTROL, visible);
}

function visible(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Name, code, text, stack and causes; never the other members, which may hold a whole query with its values. */
function describeError(error: Error, causes: number): Record<string, unknown> {
  const described: Record<string, unknown> = { name: harmlessText(error.name), message: harmlessText(error.message) };
  if (isFault(error)) described["code"] = error.code;
  else if ("code" in error && typeof error.code === "string") described["code"] = harmlessText(error.code);
  if (error.stack !== undefined)
    described["stack"] = error.stack
      .split("\n")
      .slice(1, 12)
      .map((line) => harmlessText(line.trim()));
  if (error.cause !== undefined && causes < CAUSES_MAX) {
    described["cause"] =
      error.cause instanceof Error ? describeError(error.cause, causes + 1) : harmless(error.cause, DEPTH_MAX - 1);
  }
  return described;
}
