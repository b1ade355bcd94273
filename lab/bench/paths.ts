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
  /** The whole stock is taken before the measurement starts. */
  readonly isTaken: boolean;
}

export interface BenchPath {
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
  path("window: no such sale", null, { ...UNSIGNED, session: "none", buyers: 1 }, "no_such_sale"),
  path("window: not open", sale("later", { opensInMs: HOUR_MS }), { ...UNSIGNED, buyers: 1_000 }, "not_open"),
  path("identity: no session", sale("open"), { ...UNSIGNED, session: "none", buyers: 1 }, "session_missing"),
  path("identity: forged session", sale("open"), { ...UNSIGNED, session: "forged" }, "session_invalid"),
  path("identity: forged signature", sale("open"), { ...SIGNED, signature: "wrong" }, "signature_invalid"),
  path("throttle: too fast", sale("open"), { ...UNSIGNED, buyers: 1 }, "throttled"),
  path("sold-out: latch, unsigned", sale("gone", GONE), UNSIGNED, "empty"),
  path("sold-out: latch, signed", sale("gone-signed", { ...GONE, signature: "required" }), SIGNED, "empty"),
  path("admission: not eligible", sale("listed", { eligibility: { levelMin: 1 } }), UNSIGNED, "not_eligible"),
];

/** Reservations: every request another buyer, signed as by default, or with the session token alone. */
export function acceptedPath(run: string, signature: "required" | "optional", count: number): BenchPath {
  const isSigned = signature === "required";
  return {
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

function path(name: string, setup: SaleSetup | null, shape: RequestShape, expected: string): BenchPath {
  return { name, sale: setup, shape, expected, count: MANY, repeat: true };
}
