/**
 * THE table of the Lua scripts: what each is called with, in which order, and how its refusals read.
 *
 * Callers name keys and arguments; positions are built from this table only, and a test holds it equal to the header of
 * every script. `rows` are the names of what follows the arguments any number of times.
 */
interface ScriptSpec {
  readonly file: string;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  readonly rows: readonly string[];
  /** First words of the error replies it may give of its own. */
  readonly errors: readonly ScriptError[];
}

/** First words of the scripts' own error replies, each with the fault it means. */
export const SCRIPT_ERRORS = {
  BUCKET_MISSING: "LEDGER_BUCKET_MISSING",
  FENCED: "LEDGER_FENCED",
  FOREIGN: "LEDGER_FENCED",
  GATE_CLOSED: "LEDGER_FENCED",
  GATE_OPEN: "LEDGER_FENCED",
} as const;

export type ScriptError = keyof typeof SCRIPT_ERRORS;

const SETTINGS = ["revision", "opensAt", "closesAt", "isPaused", "perBuyerMax", "holdMs"] as const;
const EVERY_KEY = ["meta", "buyers", "reservations", "leases", "credits", "stream", "previousStream"] as const;

export const SCRIPTS = {
  reserve: {
    file: "reserve.lua",
    keys: ["meta", "buyers", "reservations", "leases", "stream"],
    args: ["epoch", "leaseId", "attempts"],
    rows: ["rid", "buyerId", "quantity"],
    errors: ["BUCKET_MISSING", "FENCED", "FOREIGN", "GATE_CLOSED"],
  },
  credit: {
    file: "credit.lua",
    keys: ["meta", "buyers", "reservations", "leases", "credits"],
    args: ["epoch", "creditId", "units", "notes"],
    rows: ["kind", "rid", "buyerId"],
    errors: ["BUCKET_MISSING", "FENCED", "FOREIGN"],
  },
  lease: {
    file: "lease.lua",
    keys: ["meta", "leases"],
    args: ["epoch", "op", "leaseId", "nodeId", "units", "ttlMs"],
    rows: [],
    errors: ["BUCKET_MISSING", "FENCED", "FOREIGN", "GATE_CLOSED"],
  },
  audit: { file: "audit.lua", keys: ["meta", "leases"], args: [], rows: [], errors: [] },
  prepare: {
    file: "prepare.lua",
    keys: EVERY_KEY,
    args: ["epoch", "previousEpoch", "group", "retainMs", "saleId", ...SETTINGS],
    rows: [],
    errors: [],
  },
  load: {
    file: "load.lua",
    keys: ["meta", "buyers", "reservations"],
    args: ["epoch", "kind"],
    rows: ["id", "value"],
    errors: ["BUCKET_MISSING", "FENCED", "FOREIGN", "GATE_OPEN"],
  },
  gate: {
    file: "gate.lua",
    keys: ["meta"],
    args: ["epoch", "isOpen"],
    rows: [],
    errors: ["BUCKET_MISSING", "FENCED", "FOREIGN"],
  },
  settings: {
    file: "settings.lua",
    keys: ["meta"],
    args: ["epoch", ...SETTINGS],
    rows: [],
    errors: ["BUCKET_MISSING", "FENCED", "FOREIGN"],
  },
  committed: {
    file: "committed.lua",
    keys: ["meta"],
    args: ["epoch", "seq"],
    rows: [],
    errors: ["BUCKET_MISSING", "FENCED", "FOREIGN"],
  },
  remove: { file: "remove.lua", keys: EVERY_KEY, args: ["epoch", "previousEpoch"], rows: [], errors: [] },
} as const satisfies Record<string, ScriptSpec>;

export type ScriptName = keyof typeof SCRIPTS;
type KeysOf<Name extends ScriptName> = Readonly<Record<(typeof SCRIPTS)[Name]["keys"][number], string>>;
type ArgsOf<Name extends ScriptName> = Readonly<Record<(typeof SCRIPTS)[Name]["args"][number], string>>;

/**
 * The command of a call: two places for EVALSHA and the digest, keys and arguments in the order of the table. The
 * caller appends the rows.
 */
export function commandOf<Name extends ScriptName>(name: Name, keys: KeysOf<Name>, args: ArgsOf<Name>): string[] {
  const spec: ScriptSpec = SCRIPTS[name];
  const command = ["", "", String(spec.keys.length)];
  for (const key of spec.keys) command.push((keys as Readonly<Record<string, string>>)[key] ?? "");
  for (const arg of spec.args) command.push((args as Readonly<Record<string, string>>)[arg] ?? "");
  return command;
}
