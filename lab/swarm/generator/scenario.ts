/**
 * What a swarm does, as a file says it: who comes, how many, when, and how each of them behaves.
 *
 * YAML, because an operator writes it by hand and wants to comment it. Everything is bounded here, so that no file can ask
 * for more than one machine should do; every error names the path and says what is accepted. What the words mean at run
 * time is plan.ts and behaviours.ts.
 */
import { type Document, parseDocument } from "yaml";
import { z } from "zod";

export const REQUESTS_MAX = 5_000_000;
export const DURATION_MS_MAX = 900_000;
export const LEAD_MS_MAX = 60_000;
export const CONNECTIONS_MAX = 20_000;
export const POPULATIONS_MAX = 32;
export const RATE_PER_S_MAX = 1_000_000;
export const STOCK_MAX = 10_000_000;
const SEED_MAX = 2 ** 31 - 1;
const FILE_CHARACTERS_MAX = 1_000_000;
const TRIES_MAX = 20;
const PATIENCE_MS_MAX = 120_000;
const HOLD_MS_MAX = 86_400_000;
const HOLD_MS_MIN = 1_000;
const PER_BUYER_MAX_MAX = 1_000;

type Issue = { readonly input?: unknown };

function expected(accepted: string): { error: (issue: Issue) => string } {
  return {
    error: (issue) => (issue.input === undefined ? `is missing; accepted: ${accepted}` : `must be ${accepted}`),
  };
}

function whole(range: { min: number; max: number }, what: string): z.ZodNumber {
  const text = expected(`a whole number from ${range.min} to ${range.max} (${what})`);
  return z.number(text).int(text).min(range.min, text).max(range.max, text);
}

function part(what: string): z.ZodNumber {
  const text = expected(`a number from 0 to 1 (${what})`);
  return z.number(text).min(0, text).max(1, text);
}

function weight(what: string): z.ZodNumber {
  const text = expected(`a number from 0 to ${RATE_PER_S_MAX} (${what})`);
  return z.number(text).min(0, text).max(RATE_PER_S_MAX, text);
}

/** An object without unknown members. */
function members<Shape extends z.ZodRawShape>(shape: Shape, what: string): z.ZodObject<Shape, z.core.$strict> {
  const known = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `has no ${issue.keys.map((key) => JSON.stringify(key)).join(", ")}; accepted: ${known}`
        : `must be ${what}: an object with ${known}`,
  });
}

const durationMs = whole({ min: 1, max: DURATION_MS_MAX }, "milliseconds");
const startMs = whole({ min: -LEAD_MS_MAX, max: DURATION_MS_MAX }, "milliseconds after the opening").default(0);
const name = z
  .string(expected("a name"))
  .regex(/^[a-z][a-z0-9_-]{0,31}$/, expected("a name of 1 to 32 of a-z 0-9 _ -, a letter first"));
const file = z.string(expected("a path")).min(1, expected("a path")).max(1_024, expected("a path"));

const CURVES = [
  members(
    {
      curve: z.literal("spike"),
      startMs,
      durationMs,
      halfLifeMs: whole({ min: 1, max: DURATION_MS_MAX }, "milliseconds in which the rate halves"),
      riseMs: whole({ min: 0, max: DURATION_MS_MAX }, "milliseconds until the peak").default(0),
    },
    "a spike",
  ),
  members({ curve: z.literal("poisson"), startMs, durationMs }, "a Poisson process"),
  members({ curve: z.literal("steady"), startMs, durationMs }, "an even stream"),
  members(
    {
      curve: z.literal("ramp"),
      startMs,
      durationMs,
      from: weight("the rate at the beginning, beside `to`"),
      to: weight("the rate at the end, beside `from`"),
    },
    "a ramp",
  ),
  members({ curve: z.literal("replay"), startMs, file, durationMs: durationMs.optional() }, "a recorded curve"),
] as const;

const arrivals = z.discriminatedUnion("curve", CURVES, {
  error: (issue) =>
    issue.code === "invalid_union"
      ? "must be spike, poisson, steady, ramp or replay"
      : "must say when they come: an object with `curve` and what that curve needs",
});
export type Arrivals = z.infer<typeof arrivals>;

const range = z
  .tuple(
    [
      whole({ min: 0, max: DURATION_MS_MAX }, "milliseconds at least"),
      whole({ min: 0, max: DURATION_MS_MAX }, "milliseconds at most"),
    ],
    expected("two numbers of milliseconds, such as [500, 3000]"),
  )
  .refine(([low, high]) => low <= high, expected("two numbers, the smaller one first"));
export type RangeMs = z.infer<typeof range>;

/** What sums of decimal fractions may be off. */
const SHARES_ROUNDING = 1e-9;

/** Members of every population; exactly one of count, share and ratePerS. */
const AMOUNT = {
  count: whole({ min: 1, max: REQUESTS_MAX }, "buyers, or requests of a hostile population").optional(),
  share: part("of `requests`").optional(),
  ratePerS: whole({ min: 1, max: RATE_PER_S_MAX }, "arrivals per second").optional(),
  arrivals,
};
const actors = whole({ min: 1, max: REQUESTS_MAX }, "how many identities share the requests").optional();

const KINDS = [
  members(
    {
      kind: z.literal("buyer"),
      ...AMOUNT,
      quantity: whole({ min: 1, max: PER_BUYER_MAX_MAX }, "units each wants").default(1),
      look: members(
        { share: part("of the buyers, who read the sale first"), thinkMs: range },
        "looking at the sale first",
      ).optional(),
      triesMax: whole({ min: 1, max: TRIES_MAX }, "attempts of one buyer who is told to come again").default(4),
      pay: members({ share: part("of those who hold something"), thinkMs: range }, "paying").optional(),
      giveBack: members(
        { share: part("of those who hold something and do not pay"), thinkMs: range },
        "giving back",
      ).optional(),
    },
    "a population of buyers",
  ),
  members({ kind: z.literal("forger"), ...AMOUNT, actors }, "forgers"),
  members({ kind: z.literal("replayer"), ...AMOUNT, actors }, "replayers"),
  members({ kind: z.literal("ip_rotator"), ...AMOUNT, actors }, "rotators of addresses"),
  members({ kind: z.literal("early_opener"), ...AMOUNT, actors }, "early openers"),
  members({ kind: z.literal("scraper"), ...AMOUNT, actors }, "scrapers"),
] as const;

const population = z
  .discriminatedUnion("kind", KINDS, {
    error: (issue) =>
      issue.code === "invalid_union"
        ? "must be buyer, forger, replayer, ip_rotator, early_opener or scraper"
        : "must be a population: an object with `kind`, how many, and `arrivals`",
  })
  .superRefine((one, context) => {
    const given = [one.count, one.share, one.ratePerS].filter((value) => value !== undefined);
    if (given.length !== 1) {
      context.addIssue({ code: "custom", message: "must have exactly one of count, share and ratePerS" });
    }
    if (one.ratePerS !== undefined && one.arrivals.curve !== "poisson" && one.arrivals.curve !== "steady") {
      context.addIssue({ code: "custom", path: ["ratePerS"], message: "goes with the curves poisson and steady only" });
    }
    if (one.arrivals.curve === "ramp" && one.arrivals.from + one.arrivals.to <= 0) {
      context.addIssue({ code: "custom", path: ["arrivals", "to"], message: "must be above 0 when `from` is 0" });
    }
    if (one.arrivals.curve === "spike" && one.arrivals.riseMs >= one.arrivals.durationMs) {
      context.addIssue({ code: "custom", path: ["arrivals", "riseMs"], message: "must be shorter than durationMs" });
    }
  });
export type Population = z.infer<typeof population>;

const scenario = members(
  {
    name,
    description: z.string(expected("text")).max(2_000, expected("at most 2,000 characters")).default(""),
    seed: whole({ min: 0, max: SEED_MAX }, "makes the same arrivals again").default(1),
    sale: members(
      {
        stock: whole({ min: 1, max: STOCK_MAX }, "units of one item").default(1_000),
        perBuyerMax: whole({ min: 1, max: PER_BUYER_MAX_MAX }, "units a buyer may own").default(1),
        holdMs: whole({ min: HOLD_MS_MIN, max: HOLD_MS_MAX }, "how long units wait for payment").default(600_000),
      },
      "the sale that the swarm makes for itself",
    ).prefault({}),
    requests: whole({ min: 1, max: REQUESTS_MAX }, "arrivals in all, for populations with a share").optional(),
    connections: members(
      {
        mode: z
          .enum(["keep-alive", "storm"], expected('"keep-alive" or "storm" (a connection for each request)'))
          .default("keep-alive"),
        max: whole({ min: 1, max: CONNECTIONS_MAX }, "connections at once").default(512),
        ahead: whole({ min: 0, max: CONNECTIONS_MAX }, "connections that wait for the first arrival").default(0),
      },
      "how they connect",
    ).prefault({}),
    patienceMs: whole(
      { min: 0, max: PATIENCE_MS_MAX },
      "how long answers are waited for after the last arrival",
    ).default(10_000),
    populations: z
      .record(name, population, {
        error: "must be a list of populations by name, such as `buyers: { kind: buyer, … }`",
      })
      .refine((all) => Object.keys(all).length > 0, "must have at least one population")
      .refine((all) => Object.keys(all).length <= POPULATIONS_MAX, `must have at most ${POPULATIONS_MAX} populations`),
  },
  "a scenario",
).superRefine((one, context) => {
  const shares = Object.values(one.populations).reduce((sum, { share }) => sum + (share ?? 0), 0);
  if (shares > 1 + SHARES_ROUNDING) {
    const message = `have shares that add up to ${Number(shares.toFixed(6))}, which is more than all requests`;
    context.addIssue({ code: "custom", path: ["populations"], message });
  }
  for (const [who, { share }] of Object.entries(one.populations)) {
    if (share === undefined || one.requests !== undefined) continue;
    context.addIssue({
      code: "custom",
      path: ["populations", who, "share"],
      message: "needs `requests`, of which it is the share",
    });
  }
});
export type Scenario = z.infer<typeof scenario>;

/** A scenario that is none; the text has a line for each thing that is wrong. */
export class ScenarioError extends Error {}

/** Reads a scenario. `source` names it in errors. Throws {@link ScenarioError}. */
export function parseScenario(text: string, source: string): Scenario {
  if (text.length > FILE_CHARACTERS_MAX)
    throw new ScenarioError(`${source} is longer than ${FILE_CHARACTERS_MAX} characters.`);
  const document = parseDocument(text, { prettyErrors: true });
  const [syntax] = document.errors;
  if (syntax !== undefined) throw new ScenarioError(`${source} is not YAML: ${syntax.message.trim()}`);
  const parsed = scenario.safeParse(contentOf(document, source), { reportInput: true });
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "the file"} ${message}`);
  throw new ScenarioError(`${source} is no scenario:\n${lines.map((line) => `  ${line}`).join("\n")}`);
}

function contentOf(document: Document.Parsed, source: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    if (error instanceof ReferenceError) {
      throw new ScenarioError(`${source} has aliases (&name, *name); write what they stand for.`);
    }
    throw error;
  }
}
