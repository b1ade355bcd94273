/**
 * Asks a provider whether a response to its challenge is genuine: the "siteverify" call that Turnstile and hCaptcha share.
 *
 * Two answers are told apart: the provider's word about the response, and none. None is a time-out, a broken connection, an
 * answer that cannot be read, and an answer that says that we asked wrongly (a bad secret): it is never taken for a word.
 * Calls have a deadline, a bound on how many are out, a bound on what is read, and a breaker. The buyer's address is not sent.
 */
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/telemetry.ts";
import { Breaker, type BreakerLimits } from "./breaker.ts";

/** The provider's word. */
export interface SiteVerdict {
  readonly isGenuine: boolean;
  /** Where the response was made; null = not said. */
  readonly hostname: string | null;
  /** When it was made, in milliseconds since the epoch; null = not said. */
  readonly madeAt: number | null;
  /** What the page named as the purpose; null = not said. */
  readonly action: string | null;
  /** What the page tied it to; null = not said. */
  readonly boundTo: string | null;
}

export interface SiteVerifierOptions {
  readonly provider: string;
  readonly url: string;
  readonly secret: string;
  /** Codes by which the provider says that the asker is at fault and not the response. */
  readonly askersFaults: ReadonlySet<string>;
  readonly clock: Clock;
  readonly log: Log;
}

export const BREAKER_LIMITS: BreakerLimits = { failuresInRowMax: 5, breakMs: 15_000, inviteIntervalMs: 1_000 };
export const VERIFY_MS_MAX = 3_000;
/** Beyond this the provider is too slow for us, whatever it would say. */
export const IN_FLIGHT_MAX = 64;
const ANSWER_BYTES_MAX = 16_384;

/** One per provider. */
export class SiteVerifier {
  readonly #options: SiteVerifierOptions;
  readonly #breaker: Breaker;
  #inFlight = 0;

  constructor(options: SiteVerifierOptions) {
    this.#options = options;
    this.#breaker = new Breaker({ limits: BREAKER_LIMITS, clock: options.clock });
  }

  /** Whether a challenge is worth showing: somebody will be there to judge its solution. */
  invites(): boolean {
    return this.#inFlight < IN_FLIGHT_MAX && this.#breaker.invites();
  }

  /** The provider's word about a response, or null when there is none. Never rejects. */
  async verify(fields: Readonly<Record<string, string>>): Promise<SiteVerdict | null> {
    if (this.#inFlight >= IN_FLIGHT_MAX || !this.#breaker.admits()) return null;
    this.#inFlight += 1;
    let verdict: SiteVerdict | null = null;
    try {
      verdict = await this.#ask(fields);
    } catch (error) {
      this.#warn({ error }, "the provider of challenges gave no usable answer");
    } finally {
      this.#inFlight -= 1;
    }
    this.#settle(verdict !== null);
    return verdict;
  }

  async #ask(fields: Readonly<Record<string, string>>): Promise<SiteVerdict | null> {
    const { url, secret, clock } = this.#options;
    const abort = new AbortController();
    const cancelTimer = clock.setTimer(VERIFY_MS_MAX, () => abort.abort());
    try {
      const response = await fetch(url, {
        method: "POST",
        body: new URLSearchParams({ ...fields, secret }),
        redirect: "error",
        signal: abort.signal,
      });
      const text = await readBounded(response);
      if (!response.ok && response.status !== BAD_REQUEST) throw new Error(`status ${response.status}`);
      return this.#read(JSON.parse(text));
    } finally {
      cancelTimer();
    }
  }

  #read(answer: unknown): SiteVerdict | null {
    if (!isRecord(answer) || typeof answer["success"] !== "boolean") throw new Error("not an answer of siteverify");
    const codes = Array.isArray(answer["error-codes"]) ? answer["error-codes"].map(String) : [];
    const faults = codes.filter((code) => this.#options.askersFaults.has(code));
    if (!answer["success"] && faults.length > 0) {
      this.#warn({ codes: faults }, "the provider of challenges does not accept how it is asked; check CAPTCHA_SECRET");
      return null;
    }
    const madeAt = Date.parse(textOf(answer["challenge_ts"]) ?? "");
    return {
      isGenuine: answer["success"],
      hostname: textOf(answer["hostname"])?.toLowerCase() ?? null,
      madeAt: Number.isNaN(madeAt) ? null : madeAt,
      action: textOf(answer["action"]),
      boundTo: textOf(answer["cdata"]),
    };
  }

  #settle(isAnswered: boolean): void {
    const { provider, log } = this.#options;
    const before = this.#breaker.state;
    this.#breaker.settle(isAnswered);
    const after = this.#breaker.state;
    if (before !== "closed" && after === "closed") log.info({ provider }, "the provider of challenges answers again");
    if (before === "closed" && after === "open") {
      log.error({ provider }, "the provider of challenges does not answer; proof of work takes its place");
    }
  }

  /** Once the breaker is open the rest is silence. */
  #warn(fields: Readonly<Record<string, unknown>>, message: string): void {
    if (this.#breaker.state === "closed")
      this.#options.log.warn({ ...fields, provider: this.#options.provider }, message);
  }
}

/** With this status too the providers say what is wrong with a response. */
const BAD_REQUEST = 400;

async function readBounded(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`an answer of more than ${ANSWER_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
