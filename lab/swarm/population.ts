/**
 * Who is in the crowd and what each buyer intends: pure, seeded, the same in every process.
 *
 * A plan depends only on the seed, the buyer's number and the sale, so a run can be repeated and any buyer's story be
 * told again from its number. What buyers do with their plan is in behaviours.ts.
 */
import { createSeededRandom } from "./seeded-random.ts";

/** Each population with its share of the crowd. The shares add up to 1. */
export const POPULATION_SHARES = {
  normal: 0.66,
  double_clicker: 0.1,
  retrier: 0.07,
  early_bird: 0.05,
  forger: 0.04,
  replayer: 0.03,
  greedy: 0.04,
  impatient: 0.01,
} as const;

export type Population = keyof typeof POPULATION_SHARES;
export const POPULATIONS = Object.keys(POPULATION_SHARES) as readonly Population[];

/** What a buyer does with a hold. */
export type Payment = "pays" | "declines_then_pays" | "abandons" | "abandons_checkout";

/** The forgeries, and the only answers that stage 3 may give to each. */
export const FORGERIES = [
  "random_signature",
  "other_key",
  "altered_path",
  "altered_key",
  "altered_body",
  "altered_token",
  "missing_signature",
  "stale_timestamp",
] as const;
export type Forgery = (typeof FORGERIES)[number];

/** One buyer's intentions. Times in milliseconds. */
export interface BuyerPlan {
  readonly index: number;
  readonly population: Population;
  readonly itemIndex: number;
  readonly quantity: number;
  /** When the buyer presses, counted from the opening; negative for early birds. */
  readonly arrivalMs: number;
  /** Keeps asking while everything is taken but not yet sold. */
  readonly isPatient: boolean;
  readonly payment: Payment;
  /** From winning a hold to the first step of paying. */
  readonly thinkMs: number;
}

/** What the plans need to know about the sale. */
export interface CrowdShape {
  readonly seed: number;
  readonly items: readonly { readonly stock: number; readonly perBuyerMax: number }[];
  /** The last arrival after the opening. */
  readonly rushMs: number;
  /** "rush": most at the opening, none at the end. "even": as many in every second, for a sale that shall last. */
  readonly arrivals: "rush" | "even";
  /** The longest a buyer thinks before paying. */
  readonly thinkMsMax: number;
}

const EARLY_MS_MAX = 1_500;
const PATIENT_SHARE = 0.04;
const PATIENT_THINK_SHARE = 0.2;
const ABANDON_SHARE = 0.06;
const ABANDON_CHECKOUT_SHARE = 0.01;
const DECLINE_SHARE = 0.03;
const QUANTITY_ONE_SHARE = 0.4;
/** Half of the demand is drawn to items by their stock, half evenly, so that the scarce item is the most wanted. */
const EVEN_DEMAND_SHARE = 0.5;
/** Streams of the seed: plans use the buyer's number, the buyer's other draws start far away from them. */
const BEHAVIOUR_STREAM_OFFSET = 1_000_000_007;
const PREPARATION_STREAM_OFFSET = 500_000_003;

/** The plan of a buyer. */
export function planBuyer(shape: CrowdShape, index: number): BuyerPlan {
  const random = createSeededRandom(shape.seed, index);
  const population = pickPopulation(random.fraction());
  const itemIndex = pickItem(shape, random.fraction(), random.fraction());
  const perBuyerMax = shape.items[itemIndex]?.perBuyerMax ?? 1;
  const wantsOne = random.fraction() < QUANTITY_ONE_SHARE;
  const wanted = 1 + random.below(perBuyerMax);
  const arrival = random.fraction();
  const payment = pickPayment(random.fraction());
  const thinkMs = random.fraction() * shape.thinkMsMax;
  const isEarly = population === "early_bird";
  // A rush is a triangle: most at the opening, none at its end. Half have arrived after 30 % of it.
  const lateness = shape.arrivals === "rush" ? 1 - Math.sqrt(1 - arrival) : arrival;
  const isPatient = random.fraction() < PATIENT_SHARE;
  return {
    index,
    population,
    itemIndex,
    // Who waits for returned units takes any single one, so that an odd last unit finds a buyer.
    quantity: population === "greedy" ? perBuyerMax : wantsOne || isPatient ? 1 : wanted,
    arrivalMs: isEarly ? -arrival * EARLY_MS_MAX : shape.rushMs * lateness,
    isPatient,
    // Who waited so long for a unit does not let it go again.
    payment: isPatient ? "pays" : payment,
    thinkMs: isPatient ? thinkMs * PATIENT_THINK_SHARE : thinkMs,
  };
}

/** The generator for what a buyer draws while acting: jitter, nonces, the moment of hanging up. */
export function behaviourRandom(seed: number, index: number): ReturnType<typeof createSeededRandom> {
  return createSeededRandom(seed, index + BEHAVIOUR_STREAM_OFFSET);
}

/** The generator for what is drawn on a buyer's behalf before the opening: the first request's nonce. */
export function preparationRandom(seed: number, index: number): ReturnType<typeof createSeededRandom> {
  return createSeededRandom(seed, index + PREPARATION_STREAM_OFFSET);
}

/** The address a buyer comes from: one each, out of 10.0.0.0/8. */
export function addressOf(index: number): string {
  const host = index + 1;
  return `10.${(host >> 16) & 255}.${(host >> 8) & 255}.${host & 255}`;
}

function pickPopulation(draw: number): Population {
  let edge = 0;
  for (const population of POPULATIONS) {
    edge += POPULATION_SHARES[population];
    if (draw < edge) return population;
  }
  return "normal";
}

function pickItem(shape: CrowdShape, coin: number, draw: number): number {
  const count = shape.items.length;
  if (coin < EVEN_DEMAND_SHARE) return Math.min(count - 1, Math.floor(draw * count));
  const stockTotal = shape.items.reduce((sum, item) => sum + item.stock, 0);
  let edge = 0;
  for (const [index, item] of shape.items.entries()) {
    edge += item.stock / stockTotal;
    if (draw < edge) return index;
  }
  return count - 1;
}

function pickPayment(draw: number): Payment {
  if (draw < ABANDON_SHARE) return "abandons";
  if (draw < ABANDON_SHARE + ABANDON_CHECKOUT_SHARE) return "abandons_checkout";
  if (draw < ABANDON_SHARE + ABANDON_CHECKOUT_SHARE + DECLINE_SHARE) return "declines_then_pays";
  return "pays";
}
