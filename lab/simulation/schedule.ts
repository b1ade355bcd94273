/**
 * A schedule: everything that will happen to a small deployment, drawn from one seed before it begins.
 *
 * The one thing to know: events are plain data with times of their own, so a failing schedule can be made smaller by
 * leaving events out. What is drawn while it runs (the fate of a call, a buyer's patience) comes from streams that belong
 * to one process or buyer, so that leaving something out changes as little as possible elsewhere.
 */
import { createSeededRandom, type SeededRandom } from "../swarm/seeded-random.ts";
import type { Trap, Weather } from "./link.ts";

/** The size and the climate of the deployment. */
export interface SimConfig {
  readonly stock: number;
  readonly perBuyerMax: number;
  readonly buckets: number;
  readonly nodes: number;
  readonly workers: number;
  readonly holdMs: number;
  readonly ackWaitMs: number;
  /** In the end the sale is closed. */
  readonly closes: boolean;
  readonly redis: Weather;
  readonly postgres: Weather;
  readonly provider: Weather;
}

/** What a buyer does with what he got. */
export type Habit = "pay" | "pay_late" | "cancel" | "leave" | "open_payment" | "ask_again";

export type SimEvent = { readonly atMs: number } & (
  | { readonly kind: "arrive"; readonly buyer: number; readonly quantity: number; readonly habit: Habit }
  /** Redis is killed and comes back as it was `lagMs` ago, after `forMs`. */
  | { readonly kind: "redis_crash"; readonly lagMs: number; readonly forMs: number }
  /** A replica that is `lagMs` behind is promoted; the old primary goes on serving some processes for `forMs`. */
  | { readonly kind: "failover"; readonly lagMs: number; readonly forMs: number; readonly stayers: number }
  | { readonly kind: "redis_outage"; readonly forMs: number }
  /** Postgres is restored from a backup that is `lagMs` old: the one thing that needs an operator afterwards. */
  | { readonly kind: "postgres_restore"; readonly lagMs: number }
  /** The operator takes units out of the sale, those that lie in buckets included. */
  | { readonly kind: "take_stock"; readonly units: number }
  | { readonly kind: "postgres_outage"; readonly forMs: number }
  | { readonly kind: "provider_outage"; readonly forMs: number }
  | { readonly kind: "cut"; readonly process: string; readonly from: "redis" | "postgres"; readonly forMs: number }
  | { readonly kind: "crash"; readonly process: string; readonly forMs: number }
  | { readonly kind: "pause"; readonly process: string; readonly forMs: number }
  | { readonly kind: "trap"; readonly trap: Trap }
  | { readonly kind: "skew"; readonly who: string; readonly byMs: number; readonly forMs: number }
  | { readonly kind: "delete_entries"; readonly entries: number }
  | { readonly kind: "storm"; readonly forMs: number }
  /** Every worker believes that it conducts. */
  | { readonly kind: "many_leaders"; readonly forMs: number }
  /** A payment that the provider had cancelled succeeds all the same. */
  | { readonly kind: "late_money" }
  | { readonly kind: "adjust"; readonly units: number }
  | { readonly kind: "pause_sale"; readonly forMs: number }
);

export interface Schedule {
  readonly seed: number;
  readonly config: SimConfig;
  readonly events: readonly SimEvent[];
}

/** When buyers begin to come: some before the sale is in redis mode. */
const OPENING_MS = 30;
/** Buyers come and faults begin until then. */
const CLOSING_MS = 2_400;

/** Who can be hit by name. */
export function processNames(config: Pick<SimConfig, "nodes" | "workers">): {
  nodes: readonly string[];
  workers: readonly string[];
} {
  const nodes = Array.from({ length: config.nodes }, (_, index) => `node-${index + 1}`);
  const workers = Array.from({ length: config.workers }, (_, index) => `worker-${index + 1}`);
  return { nodes, workers };
}

/** The schedule of a seed; always the same one. */
export function createSchedule(seed: number): Schedule {
  const random = createSeededRandom(seed, 0);
  const config = drawConfig(random);
  const buyers = 8 + random.below(15);
  const events: SimEvent[] = [];
  for (let buyer = 1; buyer <= buyers; buyer += 1) events.push(drawArrival(random, buyer, config));
  const faults = random.fraction() < 0.12 ? 0 : 1 + random.below(6);
  for (let fault = 0; fault < faults; fault += 1) {
    const drawn = drawFault(random, config);
    events.push(drawn);
    if (drawn.kind === "redis_crash" || drawn.kind === "failover") events.push(...drawSleeper(random, config, drawn));
  }
  return { seed, config, events: events.sort((left, right) => left.atMs - right.atMs) };
}

function drawConfig(random: SeededRandom): SimConfig {
  return {
    stock: 5 + random.below(9),
    perBuyerMax: 1 + random.below(3),
    buckets: random.fraction() < 0.65 ? 1 : 2 + random.below(2),
    nodes: random.fraction() < 0.7 ? 2 : 3,
    workers: 2,
    holdMs: 1_000 + random.below(5) * 400,
    ackWaitMs: random.fraction() < 0.2 ? 0 : 250,
    closes: random.fraction() < 0.2,
    redis: drawWeather(random),
    postgres: drawWeather(random),
    provider: drawWeather(random),
  };
}

/** Three climates: calm, slow, and rough. */
function drawWeather(random: SeededRandom): Weather {
  const drawn = random.fraction();
  if (drawn < 0.2) return CALM;
  if (drawn < 0.65) return { ...CALM, slow: 0.25, delayMsMax: 8 };
  return ROUGH;
}

/** Every call is answered at once. */
export const CALM: Weather = { slow: 0, delayMsMax: 0, late: 0, lateMsMax: 0, lostCall: 0, lostAnswer: 0, twice: 0 };

const ROUGH: Weather = {
  slow: 0.3,
  delayMsMax: 30,
  late: 0.02,
  lateMsMax: 1_500,
  lostCall: 0.01,
  lostAnswer: 0.02,
  twice: 0.01,
};

/** What every link is like during a storm. */
export const STORM: Weather = {
  slow: 0.4,
  delayMsMax: 80,
  late: 0.08,
  lateMsMax: 2_500,
  lostCall: 0.06,
  lostAnswer: 0.1,
  twice: 0.05,
};

const HABITS: readonly Habit[] = ["pay", "pay", "pay_late", "cancel", "leave", "leave", "open_payment", "ask_again"];

function drawArrival(random: SeededRandom, buyer: number, config: SimConfig): SimEvent {
  const atMs = OPENING_MS + random.below(CLOSING_MS - OPENING_MS);
  const quantity = random.fraction() < 0.75 ? 1 : 1 + random.below(config.perBuyerMax);
  return { kind: "arrive", atMs, buyer, quantity, habit: pick(random, HABITS) };
}

type FaultKind = Exclude<SimEvent["kind"], "arrive">;

/** How often each fault is drawn. */
const FAULTS: readonly (readonly [FaultKind, number])[] = [
  ["redis_crash", 14],
  ["failover", 10],
  ["redis_outage", 9],
  ["postgres_outage", 8],
  ["provider_outage", 4],
  ["cut", 8],
  ["crash", 8],
  ["pause", 9],
  ["trap", 16],
  ["skew", 6],
  ["delete_entries", 4],
  ["storm", 5],
  ["many_leaders", 7],
  ["late_money", 4],
  ["adjust", 3],
  ["take_stock", 3],
  ["postgres_restore", 4],
  ["pause_sale", 2],
];

const TRAPPED_METHODS = [
  "reserve",
  "commitBatch",
  "acknowledge",
  "credit",
  "placeGrant",
  "askBack",
  "settleGrant",
  "deleteNotes",
  "fence",
  "changeMode",
  "prepare",
  "load",
  "setGate",
  "beginExpiry",
  "finishEnding",
  "settlePayment",
  "recordLost",
  "readNew",
  "readNewOfEach",
];

/** What a process that sleeps does first when it goes on, in another epoch. */
const SLEPT_BEFORE = ["commitBatch", "commitBatch", "reserve", "credit", "settleGrant", "setGate", "recordLost"];

function drawFault(random: SeededRandom, config: SimConfig): SimEvent {
  const atMs = OPENING_MS + random.below(CLOSING_MS + 400 - OPENING_MS);
  const { nodes, workers } = processNames(config);
  const anybody = [...nodes, ...workers];
  const briefMs = 100 + random.below(1_500);
  const longMs = random.fraction() < 0.6 ? briefMs : 2_300 + random.below(2_700);
  const kind = drawKind(random);
  switch (kind) {
    case "redis_crash":
      return { kind, atMs, lagMs: random.fraction() < 0.3 ? 0 : random.below(1_200), forMs: random.below(800) };
    case "failover":
      return { kind, atMs, lagMs: random.below(800), forMs: 200 + random.below(3_000), stayers: random.below(8) };
    case "cut":
      return { kind, atMs, process: pick(random, anybody), from: pick(random, ["redis", "postgres"]), forMs: longMs };
    case "crash":
    case "pause":
      return { kind, atMs, process: pick(random, anybody), forMs: longMs };
    case "trap":
      return { kind, atMs: Math.max(0, atMs - random.below(3_000)), trap: drawTrap(random, briefMs) };
    case "skew":
      return {
        kind,
        atMs,
        who: pick(random, [...anybody, "redis"]),
        byMs: random.below(20_001) - 10_000,
        forMs: longMs,
      };
    case "delete_entries":
      return { kind, atMs, entries: 1 + random.below(3) };
    case "late_money":
      return { kind, atMs };
    case "postgres_restore":
      return { kind, atMs, lagMs: 50 + random.below(1_500) };
    case "adjust":
    case "take_stock":
      return { kind, atMs, units: 1 + random.below(3) };
    case "many_leaders":
      // While sales change their mode, which they all do at the start.
      return { kind, atMs: random.fraction() < 0.5 ? 0 : atMs, forMs: briefMs };
    default:
      return { kind, atMs, forMs: kind === "pause_sale" || kind === "storm" ? briefMs : longMs };
  }
}

/** Somebody sleeps through what follows, or talks to only one side of it, and wakes up in another epoch. */
function drawSleeper(random: SeededRandom, config: SimConfig, fault: SimEvent): readonly SimEvent[] {
  if (random.fraction() < 0.6) return [];
  const { nodes, workers } = processNames(config);
  const process = pick(random, random.fraction() < 0.7 ? workers : nodes);
  const times = { atMs: Math.max(0, fault.atMs - random.below(120)), forMs: 1_500 + random.below(3_500) };
  const drawn = random.fraction();
  if (drawn < 0.3) return [{ kind: "pause", process, ...times }];
  if (drawn < 0.8)
    return [{ kind: "trap", atMs: times.atMs, trap: sleepTrap(pick(random, SLEPT_BEFORE), 0, times.forMs) }];
  return [{ kind: "cut", process, from: "postgres", ...times }];
}

function drawKind(random: SeededRandom): FaultKind {
  let rest = random.below(FAULTS.reduce((sum, [, weight]) => sum + weight, 0));
  for (const [kind, weight] of FAULTS) {
    if (rest < weight) return kind;
    rest -= weight;
  }
  return "crash";
}

function drawTrap(random: SeededRandom, briefMs: number): Trap {
  const method = pick(random, TRAPPED_METHODS);
  const passes = random.below(4);
  if (random.fraction() < 0.4) return sleepTrap(method, passes, 1_000 + random.below(4_000));
  const when = random.fraction() < 0.5 ? "before" : "after";
  return { kind: "die", process: "", method, when, passes, forMs: briefMs };
}

function sleepTrap(method: string, passes: number, forMs: number): Trap {
  return { kind: "sleep", process: "", method, when: "before", passes, forMs };
}

function pick<Value>(random: SeededRandom, values: readonly Value[]): Value {
  const value = values[random.below(values.length)];
  if (value === undefined) throw new Error("nothing to pick from");
  return value;
}
