/**
 * Who comes to a mixed run, how many of each, and what each can do: the honest, and nine kinds of the others.
 *
 * Pure. All numbers follow from how many honest buyers there are, so that a small run has the same mixture as a large one.
 * Accounts are the shop's: fresh ones cost nothing and there are as many as anybody likes; old ones were bought, and are the
 * only ones that the sale's rule lets in. What each kind does is in honest.ts, scalpers.ts and deaf-senders.ts.
 */

/** Whom a population consists of, in the words of the report. */
export const POPULATIONS = {
  honest: "people: a page, an account of their own, a hand that needs a moment",
  account_farm: "many accounts on each computer and address, at the opening to the millisecond, deaf to advice",
  ip_rotator: "programs, each request from another address, one account each",
  captcha_farm: "real browsers with old accounts; paid people solve, slowly",
  hold_cartel: "old accounts that hold and never pay, and come back",
  replayer: "own requests and passes again and again, under other keys, from other addresses",
  forger: "tokens, passes and signatures that are none",
  early_opener: "attempts before the opening, with clocks that are ahead",
  scraper: "the sale's page, hundreds of times a second",
  header_flood: "heads of 20 to 60 KB",
  body_flood: "a megabyte announced, bodies beyond the limit, nested and endless JSON",
  slowloris: "half of a request, and then nothing",
} as const;

export type Population = keyof typeof POPULATIONS;
export const POPULATION_NAMES = Object.keys(POPULATIONS) as readonly Population[];
/** Those who come with accounts and want units. */
export const SCALPERS = ["account_farm", "ip_rotator", "captcha_farm", "hold_cartel"] as const;
export type Scalper = (typeof SCALPERS)[number];
/** Those who send, whatever is answered. */
export const FLOODS = ["replayer", "forger", "early_opener", "scraper", "header_flood", "body_flood"] as const;
export type Flood = (typeof FLOODS)[number];

/** How many accounts a population has, and how many of them are old enough to buy. */
export interface Accounts {
  readonly count: number;
  readonly oldCount: number;
}

/**
 * Of the honest count. With 5,000 honest buyers and 1,000 units the hostile have 135 old accounts, the replayers' five
 * included: 13.5 % of the units, one each, is what the rule alone would leave them, because they are faster than people.
 */
const SCALPER_SHARES: Readonly<Record<Scalper, { readonly accounts: number; readonly old: number }>> = {
  account_farm: { accounts: 0.4, old: 0.015 },
  ip_rotator: { accounts: 0.3, old: 0.004 },
  captcha_farm: { accounts: 0.003, old: 0.003 },
  hold_cartel: { accounts: 0.01, old: 0.004 },
};
/** Of all that the floods send. */
const FLOOD_SHARES: Readonly<Record<Flood, number>> = {
  replayer: 0.15,
  forger: 0.4,
  early_opener: 0.08,
  scraper: 0.29,
  header_flood: 0.03,
  body_flood: 0.05,
};
/** What an honest buyer asks for, on average: page, session, challenge, pass, attempts, looking again, checkout. */
const REQUESTS_PER_HONEST = 10;
/** Of all requests, so that ninety of a hundred are hostile even when some floods fall behind. */
const HOSTILE_SHARE_AIMED_AT = 0.92;

export interface Mixture {
  readonly honestCount: number;
  readonly scalpers: Readonly<Record<Scalper, Accounts>>;
  /** Requests of each flood, over the whole run. */
  readonly floods: Readonly<Record<Flood, number>>;
  readonly halfOpenSockets: number;
  /** Accounts on each of the farm's computers, at least. */
  readonly farmSize: number;
}

/** So that they have something worth replaying. */
export const OLD_ACCOUNTS_OF_REPLAYERS = 5;
const HALF_OPEN_SHARE = 0.1;
const HALF_OPEN_MAX = 1_000;

/** As large as it takes to make two thousand accounts on a dozen machines. */
export const FARM_SIZE = 150;

/** The mixture around so many honest buyers. */
export function mixtureFor(honestCount: number, farmSize: number = FARM_SIZE): Mixture {
  const part = (share: number): number => Math.max(1, Math.round(honestCount * share));
  const hostileRequests = (honestCount * REQUESTS_PER_HONEST * HOSTILE_SHARE_AIMED_AT) / (1 - HOSTILE_SHARE_AIMED_AT);
  const accountsOf = (scalper: Scalper): Accounts => {
    const { accounts, old } = SCALPER_SHARES[scalper];
    return { count: part(accounts), oldCount: part(old) };
  };
  const requestsOf = (flood: Flood): number => Math.round(hostileRequests * FLOOD_SHARES[flood]);
  return {
    honestCount,
    scalpers: {
      account_farm: accountsOf("account_farm"),
      ip_rotator: accountsOf("ip_rotator"),
      captcha_farm: accountsOf("captcha_farm"),
      hold_cartel: accountsOf("hold_cartel"),
    },
    floods: {
      replayer: requestsOf("replayer"),
      forger: requestsOf("forger"),
      early_opener: requestsOf("early_opener"),
      scraper: requestsOf("scraper"),
      header_flood: requestsOf("header_flood"),
      body_flood: requestsOf("body_flood"),
    },
    farmSize,
    halfOpenSockets: Math.min(HALF_OPEN_MAX, part(HALF_OPEN_SHARE)),
  };
}

/** Accounts of the hostile that the rule lets in: the most units they could have, at one each. */
export function hostileOldAccounts(mixture: Mixture): number {
  return SCALPERS.reduce((sum, scalper) => sum + mixture.scalpers[scalper].oldCount, OLD_ACCOUNTS_OF_REPLAYERS);
}

/** The second number of a population's addresses: 127.<here>.x.y. Half-open sockets come from 127.1. */
const NETWORKS: Readonly<Record<Population, number>> = {
  honest: 16,
  account_farm: 64,
  ip_rotator: 96,
  captcha_farm: 160,
  hold_cartel: 168,
  replayer: 176,
  forger: 184,
  early_opener: 192,
  scraper: 200,
  header_flood: 208,
  body_flood: 216,
  slowloris: 1,
};

const HOSTS = 250;

/** The n-th address of a population, none of which is anybody else's. */
export function addressOf(population: Population, index: number): string {
  const host = index % HOSTS;
  const network = Math.floor(index / HOSTS) % 256;
  const block = NETWORKS[population] + (Math.floor(index / (HOSTS * 256)) % 8);
  return `127.${block}.${network}.${1 + host}`;
}
