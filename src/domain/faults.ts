/**
 * THE table of faults: every way the world can fail us, whose problem it is and whether trying again can help.
 *
 * A fault is thrown; nobody extends the class, a new failure is a new row. What a buyer reads is the refusal that the
 * edge translates a fault into (almost always `unavailable`), never the internal text.
 */

interface FaultRow {
  readonly whose: "buyer" | "capacity" | "dependency" | "config" | "bug";
  readonly retryable: boolean;
  /** What happened and what an operator can do about it. */
  readonly text: string;
}

export const FAULTS = {
  LEDGER_UNAVAILABLE: {
    whose: "dependency",
    retryable: true,
    text: "The ledger gave no answer; the outcome is unknown. Check that PostgreSQL (and Redis, where it is used) runs and is reachable.",
  },
  LEDGER_FENCED: {
    whose: "dependency",
    retryable: true,
    text: "This node acted on an old epoch of the sale's ledger; it refreshes its catalogue and tries again.",
  },
  LEDGER_BUCKET_MISSING: {
    whose: "dependency",
    retryable: true,
    text: "Redis does not have the bucket: it lost its memory or was never prepared. The conductor moves the sale to PostgreSQL and back.",
  },
  LEDGER_UNSAFE: {
    whose: "config",
    retryable: false,
    text: "Redis may forget what it promised. Set appendonly yes, appendfsync always and maxmemory-policy noeviction, or accept less with LEDGER_DURABILITY=everysec.",
  },
  LEDGER_OVERLOADED: {
    whose: "capacity",
    retryable: true,
    text: "The batcher's queue is full; attempts are refused as busy until it drains.",
  },
  DATABASE_UNAVAILABLE: {
    whose: "dependency",
    retryable: true,
    text: "The database gave no answer or broke the connection. Check DATABASE_URL and the server; the embedded one (no DATABASE_URL) is too busy.",
  },
  DATABASE_CONFLICT: {
    whose: "dependency",
    retryable: true,
    text: "A transaction lost against another one and was rolled back; the same call can be made again.",
  },
  DATABASE_UNSAFE: {
    whose: "dependency",
    retryable: true,
    text: "PostgreSQL may forget what it confirmed when the power fails. Set fsync = on and full_page_writes = on in postgresql.conf and reload it, or accept less with LEDGER_DURABILITY=everysec.",
  },
  DATABASE_REFUSED: {
    whose: "bug",
    retryable: false,
    text: "PostgreSQL refused a statement. On a CHECK of stock this means the invariant held against a bug.",
  },
  DATA_DIRECTORY_LOCKED: {
    whose: "config",
    retryable: false,
    text: "Another process holds the data directory. Stop it, or choose another DATA_DIR.",
  },
  DATA_DIRECTORY_UNUSABLE: {
    whose: "config",
    retryable: false,
    text: "The data directory cannot be written. Check its permissions and the free space, or choose another DATA_DIR.",
  },
  MIGRATION_MISMATCH: {
    whose: "config",
    retryable: false,
    text: "A migration that was applied differs from the file of the same number. Deploy the matching version.",
  },
  SECRET_MISMATCH: {
    whose: "config",
    retryable: false,
    text: "This node's SECRET is not the one that its deployment signs with, so the other nodes would refuse what it signs.",
  },
  CONFIG_INVALID: { whose: "config", retryable: false, text: "The configuration is not valid." },
  EDGE_UNAVAILABLE: {
    whose: "dependency",
    retryable: true,
    text: "The edge Redis gave no answer. Limits hold per process until it does. Check EDGE_REDIS_URL and the server.",
  },
  PROVIDER_UNAVAILABLE: {
    whose: "dependency",
    retryable: true,
    text: "The payment provider gave no usable answer. Nothing is released until it does.",
  },
  SHOP_LOGIN_UNAVAILABLE: {
    whose: "dependency",
    retryable: true,
    text: "The keys of the shop's login could not be fetched. Check SESSION_JWKS_URL and the server behind it.",
  },
  IDENTITY_PROVIDER_UNAVAILABLE: {
    whose: "dependency",
    retryable: true,
    text: "The operators' identity provider gave no usable answer. Check OIDC_ISSUER and the server; ADMIN_TOKEN works without it.",
  },
  NOTIFICATION_FORGED: {
    whose: "buyer",
    retryable: false,
    text: "A payment notification was not signed by the provider, or is too old.",
  },
  SALE_CONFLICT: { whose: "buyer", retryable: false, text: "The change would break a promise already made." },
} as const satisfies Record<string, FaultRow>;

export type FaultCode = keyof typeof FAULTS;

/** The one exception class for a world that failed. `internal` is for logs only. */
export class Fault extends Error {
  readonly code: FaultCode;
  readonly internal: string | undefined;

  constructor(code: FaultCode, context: { cause?: unknown; internal?: string } = {}) {
    const text = FAULTS[code].text;
    super(context.internal === undefined ? text : `${text} (${context.internal})`, { cause: context.cause });
    this.name = "Fault";
    this.code = code;
    this.internal = context.internal;
  }

  get retryable(): boolean {
    return FAULTS[this.code].retryable;
  }
}

/** Narrows an unknown error to a fault, optionally of one code. */
export function isFault(error: unknown, code?: FaultCode): error is Fault {
  return error instanceof Fault && (code === undefined || error.code === code);
}
