/**
 * A challenge that somebody else draws and judges: Turnstile or hCaptcha, `implements ChallengeKind`.
 *
 * The provider's "genuine" is not enough: the response must come from one of our hosts, have been made after this challenge
 * was given out and lately, and, where the provider carries that along, for this action and this very challenge. So a
 * response that was farmed elsewhere, or for another session, solves nothing. While the provider is away no such challenge
 * is given out, and one that was already shown is answered "unavailable": a proof of work takes its place.
 */
import type { ChallengeKind, Puzzle, PuzzleAnswer, PuzzleRequest, PuzzleVerdict } from "../../ports/challenge.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/telemetry.ts";
import { type SiteVerdict, SiteVerifier } from "./site-verifier.ts";

export type CaptchaProvider = "turnstile" | "hcaptcha";

export interface CaptchaOptions {
  readonly provider: CaptchaProvider;
  /** Public: names our site to the provider. */
  readonly siteKey: string;
  readonly secret: string;
  /** Hosts on which our page is shown, in lower case. */
  readonly hostnames: ReadonlySet<string>;
  /** How long a challenge can be solved: from its end follows its beginning. */
  readonly ttlMs: number;
  /** Null = the provider's own address. */
  readonly verifyUrl: string | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** The purpose that the page names to the provider. */
const ACTION = "reserve";
/** No response is older; both providers promise less. */
const AGE_MS_MAX = 300_000;
/** Our clock and the provider's may differ by this much; theirs also cuts off parts of a second. */
const CLOCK_SLACK_MS = 5_000;
const RESPONSE_PATTERN = /^[A-Za-z0-9_.-]{20,4096}$/;

/** Where a widget comes from and talks to. */
interface CaptchaSources {
  readonly scripts: readonly string[];
  readonly frames: readonly string[];
  readonly styles: readonly string[];
  readonly connections: readonly string[];
}

interface Peculiarities {
  readonly url: string;
  /** The widget's script, told to render only where it is asked to. */
  readonly script: string;
  readonly sources: CaptchaSources;
  readonly askersFaults: ReadonlySet<string>;
  /** Whether it tells the action and what the response was tied to. */
  readonly isTied: boolean;
  /** Whether the site's key is checked against the secret. */
  readonly wantsSiteKey: boolean;
}

const CLOUDFLARE = ["https://challenges.cloudflare.com"];
const HCAPTCHA = ["https://hcaptcha.com", "https://*.hcaptcha.com"];

const PECULIARITIES: Readonly<Record<CaptchaProvider, Peculiarities>> = {
  turnstile: {
    url: "https://challenges.cloudflare.com/turnstile/v0/siteverify",
    script: "https://challenges.cloudflare.com/turnstile/v0/api.js?render=explicit",
    sources: { scripts: CLOUDFLARE, frames: CLOUDFLARE, styles: [], connections: [] },
    askersFaults: new Set(["missing-input-secret", "invalid-input-secret", "bad-request", "internal-error"]),
    isTied: true,
    wantsSiteKey: false,
  },
  hcaptcha: {
    url: "https://api.hcaptcha.com/siteverify",
    script: "https://js.hcaptcha.com/1/api.js?render=explicit&recaptchacompat=off",
    sources: { scripts: HCAPTCHA, frames: HCAPTCHA, styles: HCAPTCHA, connections: HCAPTCHA },
    askersFaults: new Set([
      "missing-input-secret",
      "invalid-input-secret",
      "bad-request",
      "sitekey-secret-mismatch",
      "not-using-dummy-secret",
      "not-using-dummy-passcode",
    ]),
    isTied: false,
    wantsSiteKey: true,
  },
};

/** What a page with the provider's widget must be allowed to load. */
export function captchaSources(provider: CaptchaProvider): CaptchaSources {
  return PECULIARITIES[provider].sources;
}

/** One per process. */
export class CaptchaChallenge implements ChallengeKind {
  readonly name: CaptchaProvider;
  /** A response that was wrong once is wrong for ever; the page gets a fresh challenge. */
  readonly triesMax = 1;
  readonly #options: CaptchaOptions;
  readonly #verifier: SiteVerifier;

  constructor(options: CaptchaOptions) {
    const { url, askersFaults } = PECULIARITIES[options.provider];
    const { provider, secret, clock, log } = options;
    this.name = provider;
    this.#options = options;
    this.#verifier = new SiteVerifier({ provider, url: options.verifyUrl ?? url, secret, askersFaults, clock, log });
  }

  mint({ seed }: PuzzleRequest): Puzzle | null {
    if (!this.#verifier.invites()) return null;
    const { siteKey, provider } = this.#options;
    const { script } = PECULIARITIES[provider];
    return { sealed: null, parameters: { siteKey, script, action: ACTION, boundTo: seed } };
  }

  async verify(answer: PuzzleAnswer): Promise<PuzzleVerdict> {
    if (!RESPONSE_PATTERN.test(answer.solution)) return "wrong";
    const { siteKey, provider } = this.#options;
    const sitekey = PECULIARITIES[provider].wantsSiteKey ? { sitekey: siteKey } : {};
    const verdict = await this.#verifier.verify({ response: answer.solution, ...sitekey });
    if (verdict === null) return "unavailable";
    return this.#isOurs(verdict, answer) ? "solved" : "wrong";
  }

  #isOurs({ isGenuine, hostname, madeAt, action, boundTo }: SiteVerdict, answer: PuzzleAnswer): boolean {
    const { hostnames, provider, ttlMs } = this.#options;
    if (!isGenuine || hostname === null || !hostnames.has(hostname) || madeAt === null) return false;
    const mintedAt = answer.expiresAt - ttlMs;
    const isLate = madeAt < answer.nowMs - AGE_MS_MAX || madeAt < mintedAt - CLOCK_SLACK_MS;
    if (isLate || madeAt > answer.nowMs + CLOCK_SLACK_MS) return false;
    return !PECULIARITIES[provider].isTied || (action === ACTION && boundTo === answer.seed);
  }
}
