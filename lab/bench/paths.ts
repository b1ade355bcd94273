/**
 * What is measured: each way an attempt can end, with the sale it needs, the requests, and the answer that proves it.
 *
 * A measurement in which other answers than the expected one exceed OTHER_ANSWERS_FRACTION_MAX is reported as failed,
 * because a fast wrong answer is no speed.
 */
import type { RequestShape } from "./request-book.ts";

export const OTHER_ANSWERS_FRACTION_MAX = 0.01;

/** A sale of the measurement; the operator API makes it. */
export interface SaleSetup {
  readonly id: string;
  readonly signature: "required" | "optional";
  readonly stock: number;
  readonly opensInMs: number;
  readonly eligibility?: Readonly<Record<string, unknown>>;
  /** Items, each with that stock; 1 when absent. */
  readonly items?: number;
  /** The whole stock is taken before the measurement starts. */
  readonly isTaken: boolean;
}

export interface BenchPath {
  /** Of the row in the ladder; it never changes. */
  readonly id: string;
  readonly name: string;
  /** Null = a sale that does not exist. */
  readonly sale: SaleSetup | null;
  readonly shape: RequestShape;
  readonly expected: string;
  /** Requests in the book; a path that repeats sends it again and again. */
  readonly count: number;
  readonly repeat: boolean;
}

const HOUR_MS = 3_600_000;
const MANY = 40_000;
const OPEN = { opensInMs: -1_000, isTaken: false } as const;
const GONE = { opensInMs: -1_000, stock: 1, isTaken: true } as const;
const UNSIGNED = { session: "genuine", signature: "none", buyers: MANY } as const;
const SIGNED = { session: "genuine", signature: "right", buyers: MANY } as const;

/** Every refusal that a stage can give from the headers alone, and one from the ledger. */
export const REFUSED_PATHS: readonly BenchPath[] = [
  path("no-such-sale", "window: no such sale", null, { ...UNSIGNED, session: "none", buyers: 1 }, "no_such_sale"),
  path(
    "not-open",
    "window: not open",
    sale("later", { opensInMs: HOUR_MS }),
    { ...UNSIGNED, buyers: 1_000 },
    "not_open",
  ),
  path(
    "no-session",
    "identity: no session",
    sale("open"),
    { ...UNSIGNED, session: "none", buyers: 1 },
    "session_missing",
  ),
  path(
    "forged-session",
    "identity: forged session",
    sale("open"),
    { ...UNSIGNED, session: "forged" },
    "session_invalid",
  ),
  path(
    "forged-signature",
    "identity: forged signature",
    sale("open"),
    { ...SIGNED, signature: "wrong" },
    "signature_invalid",
  ),
  path("throttled", "throttle: too fast", sale("open"), { ...UNSIGNED, buyers: 1 }, "throttled"),
  path(
    "throttled-signed",
    "throttle: too fast, signed",
    sale("open-signed", { signature: "required" }),
    { ...SIGNED, buyers: 1 },
    "throttled",
  ),
  path("latch", "sold-out: latch, unsigned", sale("gone", GONE), UNSIGNED, "empty"),
  path(
    "latch-signed",
    "sold-out: latch, signed",
    sale("gone-signed", { ...GONE, signature: "required" }),
    SIGNED,
    "empty",
  ),
  path(
    "not-eligible",
    "admission: not eligible",
    sale("listed", { eligibility: { levelMin: 1 } }),
    UNSIGNED,
    "not_eligible",
  ),
];

/** Reservations: every request another buyer, signed as by default, or with the session token alone. */
export function acceptedPath(run: string, signature: "required" | "optional", count: number): BenchPath {
  const isSigned = signature === "required";
  return {
    id: isSigned ? "signed" : "unsigned",
    name: `accepted, ${isSigned ? "signed" : "unsigned"}`,
    sale: { id: `accept-${run}`, signature, stock: 10_000_000, ...OPEN },
    shape: { session: "genuine", signature: isSigned ? "right" : "none", buyers: count },
    expected: "accepted",
    count,
    repeat: false,
  };
}

function sale(id: string, setup: Partial<SaleSetup> = {}): SaleSetup {
  return { id, signature: "optional", stock: 1_000_000, ...OPEN, ...setup };
}

function path(id: string, name: string, setup: SaleSetup | null, shape: RequestShape, expected: string): BenchPath {
  return { id, name, sale: setup, shape, expected, count: MANY, repeat: true };
}
