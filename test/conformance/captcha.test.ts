/**
 * Challenges of other providers: what counts as solved, and that an outage of theirs opens nothing and delays nobody.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { CaptchaChallenge, type CaptchaProvider } from "../../src/adapters/captcha/captcha-challenge.ts";
import { BREAKER_LIMITS, IN_FLIGHT_MAX, VERIFY_MS_MAX } from "../../src/adapters/captcha/site-verifier.ts";
import type { SaleId, SessionId } from "../../src/domain/ids.ts";
import type { PuzzleRequest, PuzzleVerdict } from "../../src/ports/challenge.ts";
import {
  type GivenResponse,
  PROVIDER_SECRET,
  type ProviderMood,
  ScriptedCaptchaProvider,
} from "../support/captcha-provider.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { RecordingLog } from "../support/recording-log.ts";
import { range, waitUntil } from "../support/waiting.ts";

const TTL_MS = 120_000;
const SEED = "abcdefghijklmnopqrstuA";
const HOST = "shop.example";

let provider: ScriptedCaptchaProvider;
before(async () => {
  provider = await ScriptedCaptchaProvider.start();
});
afterEach(() => {
  provider.mood = "well";
  provider.asked.length = 0;
});
after(async () => await provider.stop());

function open(name: CaptchaProvider = "turnstile", secret = PROVIDER_SECRET) {
  const clock = new ManualClock();
  const log = new RecordingLog();
  const hostnames = new Set([HOST]);
  const verifyUrl = provider.url;
  const siteKey = "0x4AAAAAAA-site";
  const kind = new CaptchaChallenge({
    provider: name,
    siteKey,
    secret,
    hostnames,
    ttlMs: TTL_MS,
    verifyUrl,
    clock,
    log,
  });
  const request: PuzzleRequest = {
    saleId: "drop" as SaleId,
    sessionId: "session" as SessionId,
    seed: SEED,
    difficulty: 14,
    nowMs: clock.nowMs(),
    expiresAt: clock.nowMs() + TTL_MS,
  };
  const ours = (): GivenResponse => ({ hostname: HOST, madeAt: clock.nowMs(), action: "reserve", cdata: SEED });
  const judge = async (solution: string): Promise<PuzzleVerdict> =>
    await kind.verify({ ...request, nowMs: clock.nowMs(), token: "", sealed: null, solution });
  return { clock, log, kind, request, ours, judge };
}

/** Fails so often that the breaker opens. */
async function breakIt(judge: (solution: string) => Promise<PuzzleVerdict>): Promise<void> {
  provider.mood = "hung-up";
  for (const _ of range(BREAKER_LIMITS.failuresInRowMax)) assert.equal(await judge("x".repeat(30)), "unavailable");
}

describe("a provider's challenge", () => {
  test("is solved by a fresh, genuine response for this host, action and challenge, once", async () => {
    const { kind, request, ours, judge } = open();
    const { script, ...others } = kind.mint(request)?.parameters ?? {};
    assert.deepEqual(others, { siteKey: "0x4AAAAAAA-site", action: "reserve", boundTo: SEED });
    assert.match(String(script), /^https:\/\/challenges\.cloudflare\.com\//);
    const response = provider.solve(ours());
    assert.equal(await judge(response), "solved");
    assert.equal(await judge(response), "wrong");
    assert.equal(await judge("a-response-nobody-handed-out"), "wrong");
    assert.deepEqual([...(provider.asked[0]?.keys() ?? [])].sort(), ["response", "secret"]);
  });

  test("is not solved by a genuine response from another host, for another action or challenge, or of another time", async () => {
    const { clock, ours, judge } = open();
    const others: Record<string, Partial<GivenResponse>> = {
      "another host": { hostname: "farm.example" },
      "a host that only begins like ours": { hostname: `${HOST}.farm.example` },
      "another action": { action: "login" },
      "no action": { action: "" },
      "another challenge": { cdata: "bbbbbbbbbbbbbbbbbbbbbA" },
      "before the challenge was given out": { madeAt: clock.nowMs() - 10_000 },
      "the future": { madeAt: clock.nowMs() + 60_000 },
    };
    for (const [name, other] of Object.entries(others)) {
      assert.deepEqual([name, await judge(provider.solve({ ...ours(), ...other }))], [name, "wrong"]);
    }
    const response = provider.solve(ours());
    clock.jump(300_001);
    assert.equal(await judge(response), "wrong");
  });

  test("of hCaptcha, which knows no action, is tied by time and by the site's key", async () => {
    const { clock, judge } = open("hcaptcha");
    const made = { hostname: HOST, madeAt: clock.nowMs() };
    assert.equal(await judge(provider.solve(made)), "solved");
    assert.equal(provider.asked[0]?.get("sitekey"), "0x4AAAAAAA-site");
    assert.equal(await judge(provider.solve({ ...made, madeAt: clock.nowMs() - 10_000 })), "wrong");
    assert.equal(await judge(provider.solve({ ...made, hostname: "farm.example" })), "wrong");
  });

  test("asks nobody about what cannot be a response", async () => {
    const { judge } = open();
    for (const text of ["", "short", "with spaces in it and more", `${"x".repeat(40)}&secret=1`, "x".repeat(5_000)]) {
      assert.equal(await judge(text), "wrong");
    }
    assert.equal(provider.asked.length, 0);
  });
});

describe("a provider that is away", () => {
  const moods: readonly ProviderMood[] = ["broken", "garbage", "endless", "elsewhere", "hung-up"];
  for (const mood of moods) {
    test(`decides nothing when it is ${mood}`, async () => {
      const { ours, judge } = open();
      provider.mood = mood;
      assert.equal(await judge(provider.solve(ours())), "unavailable");
    });
  }

  test("is waited for no longer than its deadline", async () => {
    const { clock, ours, judge } = open();
    provider.mood = "silent";
    const verdict = judge(provider.solve(ours()));
    await waitUntil("the question to arrive", () => provider.asked.length === 1);
    await clock.advance(VERIFY_MS_MAX);
    assert.equal(await verdict, "unavailable");
    assert.equal(clock.timerCount, 0);
  });

  test("decides nothing when our secret is wrong, and the operator is told without being shown it", async () => {
    const { log, ours, judge } = open("turnstile", "0x4AAAAAAA-another-secret");
    assert.equal(await judge(provider.solve(ours())), "unavailable");
    assert.match(log.lines[0]?.message ?? "", /CAPTCHA_SECRET/);
    assert.ok(!JSON.stringify(log.lines).includes("another-secret"));
  });

  test("is left alone after failures in a row: no challenge of its is shown, and no solution is sent to it", async () => {
    const { log, kind, request, ours, judge } = open();
    await breakIt(judge);
    assert.equal(kind.mint(request), null);
    const asked = provider.asked.length;
    provider.mood = "well";
    assert.equal(await judge(provider.solve(ours())), "unavailable");
    assert.equal(provider.asked.length, asked);
    assert.equal(log.count("error"), 1);
  });

  test("is tried again after a while: a challenge now and then, one question at a time, and all of it once one succeeds", async () => {
    const { clock, log, kind, request, ours, judge } = open();
    await breakIt(judge);
    clock.jump(BREAKER_LIMITS.breakMs);
    assert.notEqual(kind.mint(request), null);
    assert.equal(kind.mint(request), null);
    clock.jump(BREAKER_LIMITS.inviteIntervalMs);
    assert.notEqual(kind.mint(request), null);

    // The trial fails: left alone for as long again.
    assert.equal(await judge("x".repeat(30)), "unavailable");
    assert.equal(kind.mint(request), null);
    clock.jump(BREAKER_LIMITS.breakMs);

    provider.mood = "silent";
    const asked = provider.asked.length;
    const trial = judge(provider.solve(ours()));
    await waitUntil("the trial to arrive", () => provider.asked.length === asked + 1);
    assert.equal(await judge(provider.solve(ours())), "unavailable");
    assert.equal(provider.asked.length, asked + 1);
    await clock.advance(VERIFY_MS_MAX);
    assert.equal(await trial, "unavailable");

    clock.jump(BREAKER_LIMITS.breakMs);
    provider.mood = "well";
    assert.equal(await judge(provider.solve({ ...ours(), madeAt: clock.nowMs() })), "solved");
    assert.equal(log.count("info"), 1);
    assert.notEqual(kind.mint(request), null);
    assert.notEqual(kind.mint(request), null);
  });

  test("has a bounded number of questions out, however many solutions come", async () => {
    const { clock, kind, request, judge } = open();
    provider.mood = "silent";
    const verdicts = range(IN_FLIGHT_MAX + 20).map((index) =>
      judge(`response-number-${String(index).padStart(8, "0")}`),
    );
    await waitUntil("the questions to arrive", () => provider.asked.length === IN_FLIGHT_MAX);
    assert.equal(kind.mint(request), null);
    await clock.advance(VERIFY_MS_MAX);
    assert.ok((await Promise.all(verdicts)).every((verdict) => verdict === "unavailable"));
    assert.equal(provider.asked.length, IN_FLIGHT_MAX);
  });
});
