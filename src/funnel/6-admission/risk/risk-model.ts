/**
 * The risk model: which causes there are, what each weighs, and where the bands begin. All of it can be read aloud.
 *
 * A cause has a figure (accounts on one device, challenges failed, or 1 for "yes") and up to three steps; the highest step
 * that the figure reaches counts, and the score is the sum over all causes. Numbers are the operator's to change
 * (RISK_WEIGHTS); what they cost honest buyers is in docs/operating/risk.md. Counting is the other files' work.
 */
import type { FadingKind } from "./fading-counts.ts";
import { RISK_SCORE_MAX, type RiskBand } from "./risk.ts";

/** Why an operator may believe it. Those marked "start" are known when a session begins and travel in its token. */
export const RISK_CAUSES = {
  automation: { known: "start", text: "The browser says that a program drives it." },
  tool_agent: { known: "start", text: "The client is a command-line tool or a library, or does not say what it is." },
  no_signals: { known: "start", text: "The session began without the page: nothing is known of the device." },
  implausible: { known: "start", text: "What the page told of the device contradicts itself." },
  time_zone: { known: "start", text: "The device's clock is not that of where its address is." },
  accounts_on_device: {
    known: "attempt",
    text: "Accounts on one device (the same signals, agent and network); a sixteenth of them for telephones.",
  },
  accounts_on_agent: { known: "attempt", text: "Accounts on one network with the same agent." },
  accounts_on_network: { known: "attempt", text: "Accounts on one network." },
  accounts_on_system: { known: "attempt", text: "Accounts in one autonomous system with the same agent." },
  young_account: { known: "attempt", text: "The shop's account is younger than a day." },
  rhythm: { known: "attempt", text: "Attempts in a row, as even as no hand makes them." },
  hammering: { known: "attempt", text: "Attempts that the limits refused, lately, of the account or its device." },
  failed_challenges: { known: "attempt", text: "Challenges failed lately, by the account or its device." },
  dropped_holds: { known: "attempt", text: "Holds lately left unpaid, by the account or its device." },
} as const satisfies Record<string, { known: "start" | "attempt"; text: string }>;

export type RiskCause = keyof typeof RISK_CAUSES;
export const RISK_CAUSE_NAMES = Object.keys(RISK_CAUSES) as readonly RiskCause[];
/** Found out at each attempt; the others are summed up in the session's suspicion. */
export const ATTEMPT_CAUSES = RISK_CAUSE_NAMES.filter((cause) => RISK_CAUSES[cause].known === "attempt");
/** What a score calls everything that was known when the session began. */
export const SUSPICION_CAUSE = "session";

/** From which figure on a cause weighs how much. */
export interface RiskStep {
  readonly from: number;
  readonly weight: number;
}

/** More would not fit into the name under which equal scores are remembered. */
export const RISK_STEPS_MAX = 3;

export interface RiskModel {
  /** The score at which each band begins; above {@link RISK_SCORE_MAX} = never. */
  readonly bands: { readonly challenge: number; readonly slow_down: number; readonly refuse: number };
  /** Ascending; an empty list switches the cause off. */
  readonly causes: { readonly [Cause in RiskCause]: readonly RiskStep[] };
  /** From which figure on an account is banned for a while; a device from four times as many. 0 = never. */
  readonly bans: { readonly [Kind in FadingKind]: number };
  /** For how long accounts are counted together at least; twice as long at most. */
  readonly windowMs: number;
  /** After this long, half of what was held against an account or device is forgotten. */
  readonly halfLifeMs: number;
  /** How far apart attempts of a slowed-down account or device are let through. */
  readonly slowDownMs: number;
}

const MINUTE_MS = 60_000;
const yes = (weight: number): readonly RiskStep[] => [{ from: 1, weight }];
const steps = (...pairs: readonly (readonly [number, number])[]): readonly RiskStep[] =>
  pairs.map(([from, weight]) => ({ from, weight }));

/**
 * Chosen so that sharing a network, however many do, never does more than ask for a challenge, and so that honest crowds pass
 * as honest-crowds.test.ts says.
 */
export const DEFAULT_RISK_MODEL: RiskModel = {
  bands: { challenge: 30, slow_down: 60, refuse: 90 },
  causes: {
    automation: yes(45),
    tool_agent: yes(15),
    no_signals: yes(15),
    implausible: yes(25),
    time_zone: yes(15),
    accounts_on_device: steps([5, 15], [20, 30], [80, 60]),
    accounts_on_agent: steps([20, 10], [60, 20], [200, 30]),
    accounts_on_network: steps([100, 5], [500, 10], [2_000, 15]),
    accounts_on_system: steps([1_000, 5], [5_000, 10]),
    young_account: yes(10),
    rhythm: steps([12, 20], [40, 35]),
    hammering: steps([20, 15], [100, 35], [500, 60]),
    failed_challenges: steps([3, 20], [8, 40], [20, 70]),
    dropped_holds: steps([2, 15], [4, 35], [8, 60]),
  },
  // Holds left unpaid have a cool-down of their own, which is no ban: see migrations/0013_bans.sql.
  bans: { hammering: 1_000, failed_challenges: 30, dropped_holds: 0 },
  windowMs: 15 * MINUTE_MS,
  halfLifeMs: 10 * MINUTE_MS,
  slowDownMs: 3_000,
};

/** What a figure of a cause weighs: which step it reached (0 = none) and the weight. */
export function stepOf(model: RiskModel, cause: RiskCause, figure: number): number {
  const known = model.causes[cause];
  let reached = 0;
  while (reached < known.length && figure >= (known[reached]?.from ?? Number.POSITIVE_INFINITY)) reached += 1;
  return reached;
}

/** The weight of a step as {@link stepOf} numbers them. */
export function weightOf(model: RiskModel, cause: RiskCause, step: number): number {
  return model.causes[cause][step - 1]?.weight ?? 0;
}

/** The band a score stands in. */
export function bandOf(model: RiskModel, score: number): RiskBand {
  const { bands } = model;
  if (score >= bands.refuse) return "refuse";
  if (score >= bands.slow_down) return "slow_down";
  return score >= bands.challenge ? "challenge" : "pass";
}

/** A sum of weights as a score. */
export function clampScore(sum: number): number {
  return Math.min(Math.max(Math.round(sum), 0), RISK_SCORE_MAX);
}
