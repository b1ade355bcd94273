/**
 * Challenges other than proof of work on real nodes: pictures with their words, a sliding puzzle, and a provider's widget
 * whose provider goes away and comes back.
 *
 * Nobody here looks at a picture. The words of a calculation are unlocked as a page does it; where the piece of a slide
 * belongs is read from the token with the deployment's secret, which only a test has.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { LockedWords, type LockedWordsTask } from "../../client/locked-words.ts";
import { numberInWords } from "../../src/adapters/drawing-thread/calculation.ts";
import { PICTURES_AT_ONCE } from "../../src/challenges/picture-allowance.ts";
import { AnswerSeal } from "../../src/challenges/sealed-answer.ts";
import type { SaleId, SessionId } from "../../src/domain/ids.ts";
import { deriveKeys } from "../../src/funnel/3-identity/keys.ts";
import { type Answer, expectAccepted, expectRefusal } from "../support/answers.ts";
import type { Buyer } from "../support/buyer-client.ts";
import { PROVIDER_SECRET, ScriptedCaptchaProvider } from "../support/captcha-provider.ts";
import { solve } from "../support/challenges.ts";
import { Deployment } from "../support/deployment.ts";
import { OPEN_LIMITS } from "../support/open-limits.ts";
import { seat } from "../support/operator-client.ts";
import { decodePng } from "../support/png-decoder.ts";
import { mapBounded, range, waitUntil } from "../support/waiting.ts";

setDefaultTimeout(60_000);

const BITS = 4;
/** Of work in another kind's place; a busy machine asks for more. */
const BITS_IN_PLACE = BITS + 2;
/** Failures in a row after which a node leaves the provider alone. */
const FAILURES = 5;
const COMMON = { ...OPEN_LIMITS, CHALLENGE_BITS: String(BITS), CHALLENGE_BITS_MAX: "8" };

let drawn: Deployment;
let provider: ScriptedCaptchaProvider;
let provided: Deployment;

beforeAll(async () => {
  provider = await ScriptedCaptchaProvider.start();
  drawn = await Deployment.start({ database: "pglite", runtime: "node" }, { ...COMMON, CHALLENGE_KIND: "slide" });
  provided = await Deployment.start(
    { database: "pglite", runtime: "bun" },
    {
      ...COMMON,
      CHALLENGE_KIND: "turnstile",
      CAPTCHA_SITE_KEY: "0x4AAAAAAA-site",
      CAPTCHA_SECRET: PROVIDER_SECRET,
      CAPTCHA_HOSTNAMES: "shop.example",
      CAPTCHA_VERIFY_URL: provider.url,
    },
  );
}, 60_000);

afterAll(async () => {
  await Promise.all([drawn?.stop(), provided?.stop()]);
  await provider?.stop();
});

async function open(deployment: Deployment): Promise<{ sale: { saleId: string; sku: string }; buyer: Buyer }> {
  const sale = await deployment.sale({ challenge: "always", items: [seat({ stock: 50 })], perBuyerMax: 50 });
  return { sale, buyer: await deployment.guest() };
}

// biome-ignore lint/suspicious/noExplicitAny: what the server answered, as it came
async function ask(buyer: Buyer, saleId: string, kind?: string): Promise<any> {
  const query = kind === undefined ? "" : `&kind=${kind}`;
  const answer = await buyer.send({ method: "GET", path: `/v1/challenges/new?saleId=${saleId}${query}` });
  expect(answer.status).toBe(200);
  return answer.json.challenge;
}

/** A drawing, once one is ready: just after the start there is none. */
async function askDrawn(buyer: Buyer, saleId: string, kind: string) {
  return await waitUntil(`a drawn ${kind}`, async () => {
    const challenge = await ask(buyer, saleId, kind);
    return challenge.kind === kind ? challenge : null;
  });
}

async function handIn(buyer: Buyer, saleId: string, token: string, solution: string): Promise<Answer> {
  return await buyer.send({ path: "/v1/challenges", body: JSON.stringify({ saleId, token, solution }) });
}

const NUMBERS = new Map(range(200).map((number) => [numberInWords(number), number]));

/** Reads the words and does the sum. */
function resultOf(task: LockedWordsTask): string {
  const words = new LockedWords(task);
  let text: string | null = null;
  while (text === null) text = words.work(10_000);
  const [, first = "", sign = "", second = ""] = /^What is (.+) (plus|minus) (.+)\?$/.exec(text) ?? [];
  const [left = Number.NaN, right = Number.NaN] = [NUMBERS.get(first), NUMBERS.get(second)];
  return String(sign === "plus" ? left + right : left - right);
}

/** Where the piece belongs, with the deployment's secret. */
function placeOf(challenge: { token: string }, buyer: Buyer): number {
  const [, kind = "", saleId = "", , , seed = "", sealed = ""] = challenge.token.split(".");
  const [, sessionId = ""] = buyer.session.token.split(".");
  const { puzzleSeal } = deriveKeys(drawn.node.secret);
  const seal = new AnswerSeal({ keys: { current: puzzleSeal, previous: null }, kind });
  const opened = seal.open({ saleId: saleId as SaleId, sessionId: sessionId as SessionId, seed }, sealed);
  if (opened === null) throw new Error("the seal does not open");
  return opened.answer;
}

/** How long {@link wayTo} takes. */
const WAY_MS = 637;

/** The way of a hand to a place. */
function wayTo(place: number): string {
  const parts = [0, 0.03, 0.2, 0.45, 0.7, 0.9, 1.02, 1];
  return parts.map((part, at) => `${at * 90 + ((at * at) % 7)},${Math.round(part * place)}`).join(";");
}

describe("a deployment with sliding puzzles", () => {
  test("refuses with work to do, names what it would rather see solved, and gives that to whoever asks", async () => {
    const { sale, buyer } = await open(drawn);
    const refused = await buyer.reserve(sale);
    expectRefusal(refused, "challenge_required");
    expect(refused.json.challenge).toMatchObject({ kind: "pow", preferred: "slide" });
    expect(refused.json.challenge.difficulty).toBeGreaterThanOrEqual(BITS_IN_PLACE);
    expect(refused.text.length).toBeLessThan(2_000);
    const challenge = await askDrawn(buyer, sale.saleId, "slide");
    expect(challenge.alternatives).toEqual(["pow", "arithmetic"]);
    expect(decodePng(challenge.image).widthPx).toBe(challenge.widthPx);
    expect(decodePng(challenge.piece).widthPx).toBe(challenge.piecePx);
  });

  test("clears whoever slides the piece to its place, after a moment, and nobody else with that", async () => {
    const { sale, buyer } = await open(drawn);
    const challenge = await askDrawn(buyer, sale.saleId, "slide");
    const solution = wayTo(placeOf(challenge, buyer));
    const hasty = await handIn(buyer, sale.saleId, challenge.token, solution);
    expect([hasty.status, hasty.json.cause]).toEqual([403, "wrong"]);
    const other = await askDrawn(buyer, sale.saleId, "slide");
    const askedAt = performance.now();
    await waitUntil("as much time to pass as the way takes", () => performance.now() - askedAt > WAY_MS);
    const answer = await handIn(buyer, sale.saleId, other.token, wayTo(placeOf(other, buyer)));
    expect([answer.status, answer.json.cause]).toEqual([201, undefined]);
    const again = await handIn(buyer, sale.saleId, other.token, wayTo(placeOf(other, buyer)));
    expect(again.json.cause).toBe("used");
    expectAccepted(await buyer.reserve(sale, { headers: { "X-Clearance": answer.json.clearance } }));
    const stranger = await drawn.guest();
    const stolen = await stranger.reserve(sale, { headers: { "X-Clearance": answer.json.clearance } });
    expectRefusal(stolen, "challenge_failed");
  });

  test("lets two guesses at a place be wrong, and then the right one comes too late", async () => {
    const { sale, buyer } = await open(drawn);
    const challenge = await askDrawn(buyer, sale.saleId, "slide");
    const place = placeOf(challenge, buyer);
    for (const cause of ["wrong", "wrong", "used"]) {
      const answer = await handIn(buyer, sale.saleId, challenge.token, wayTo(place - 40));
      expect([answer.status, answer.json.cause]).toEqual([403, cause]);
    }
    expect((await handIn(buyer, sale.saleId, challenge.token, wayTo(place))).json.cause).toBe("used");
  });

  test("clears whoever cannot see pictures and reads the words of a calculation", async () => {
    const { sale, buyer } = await open(drawn);
    const challenge = await askDrawn(buyer, sale.saleId, "arithmetic");
    expect(challenge.alternatives).toEqual(["pow", "slide"]);
    const result = resultOf({ seed: challenge.seed, ...challenge.words });
    const answer = await handIn(buyer, sale.saleId, challenge.token, result);
    expect([answer.status, answer.json.cause]).toEqual([201, undefined]);
    expectAccepted(await buyer.reserve(sale, { headers: { "X-Clearance": answer.json.clearance } }));
  });

  test("gives one session some pictures and then work, and never lets anybody by", async () => {
    const { sale, buyer } = await open(drawn);
    await askDrawn(buyer, sale.saleId, "slide");
    const kinds = await mapBounded(range(40), 10, async () => (await ask(buyer, sale.saleId, "slide")).kind);
    expect(kinds.filter((kind) => kind === "slide").length).toBeLessThan(PICTURES_AT_ONCE + 3);
    expect(new Set(kinds)).toEqual(new Set(["slide", "pow"]));
    const other = await drawn.guest();
    await askDrawn(other, sale.saleId, "slide");
    const work = await ask(buyer, sale.saleId, "pow");
    expect(work.difficulty).toBeGreaterThanOrEqual(BITS_IN_PLACE);
    expect((await handIn(buyer, sale.saleId, work.token, solve(work))).status).toBe(201);
  });
});

describe("a deployment with a provider's widget", () => {
  /** What the widget gives somebody who solved it on the shop's page. */
  const response = (challenge: { boundTo: string }, changes: { hostname?: string } = {}): string =>
    provider.solve({
      hostname: "shop.example",
      madeAt: Date.now(),
      action: "reserve",
      cdata: challenge.boundTo,
      ...changes,
    });

  test("gives the widget's key with the refusal, and clears a response that is made for this very challenge", async () => {
    const { sale, buyer } = await open(provided);
    const refused = await buyer.reserve(sale);
    expectRefusal(refused, "challenge_required");
    const { challenge } = refused.json;
    expect(challenge).toMatchObject({ kind: "turnstile", siteKey: "0x4AAAAAAA-site", alternatives: ["pow"] });
    const stranger = await provided.guest();
    const theirs = await ask(stranger, sale.saleId);
    const farmed = await handIn(buyer, sale.saleId, challenge.token, response(theirs));
    expect([farmed.status, farmed.json.cause]).toEqual([403, "wrong"]);
    const own = farmed.json.challenge;
    const answer = await handIn(buyer, sale.saleId, own.token, response(own));
    expect([answer.status, answer.json.cause]).toEqual([201, undefined]);
    expectAccepted(await buyer.reserve(sale, { headers: { "X-Clearance": answer.json.clearance } }));
  });

  test("of one response handed in by twenty at once, counts one", async () => {
    const { sale, buyer } = await open(provided);
    const challenge = await ask(buyer, sale.saleId);
    const text = response(challenge);
    const answers = await mapBounded(
      range(20),
      20,
      async () => await handIn(buyer, sale.saleId, challenge.token, text),
    );
    expect(answers.filter(({ status }) => status === 201).length).toBe(1);
  });

  test("steps down to work while the provider is away, and is never open", async () => {
    const { sale, buyer } = await open(provided);
    const shown = await ask(buyer, sale.saleId);
    provider.mood = "hung-up";
    const failed = await handIn(buyer, sale.saleId, shown.token, response(shown));
    expect([failed.status, failed.json.cause, failed.json.challenge.kind]).toEqual([403, "unavailable", "pow"]);
    for (const _ of range(FAILURES)) {
      const one = await ask(buyer, sale.saleId);
      if (one.kind === "pow") break;
      expect((await handIn(buyer, sale.saleId, one.token, response(one))).status).toBe(403);
    }
    const refused = await buyer.reserve(sale);
    expectRefusal(refused, "challenge_required");
    const { challenge } = refused.json;
    expect(challenge).toMatchObject({ kind: "pow" });
    expect(challenge.difficulty).toBeGreaterThanOrEqual(BITS_IN_PLACE);
    expectRefusal(await buyer.reserve(sale, { headers: { "X-Clearance": "k1.none" } }), "challenge_failed");
    const answer = await handIn(buyer, sale.saleId, challenge.token, solve(challenge));
    expect(answer.status).toBe(201);
    expectAccepted(await buyer.reserve(sale, { headers: { "X-Clearance": answer.json.clearance } }));
    provider.mood = "well";
  });

  test("lets the buyer's page load the widget, and nothing else of anybody", async () => {
    const page = await fetch(provided.buyerUrl);
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("script-src 'self' https://challenges.cloudflare.com;");
    expect(policy.match(/https:\/\/[^ ;]+/g)).toEqual([
      "https://challenges.cloudflare.com",
      "https://challenges.cloudflare.com",
    ]);
    const drawnPage = await fetch(drawn.buyerUrl);
    expect(drawnPage.headers.get("content-security-policy")).not.toContain("https:");
  });
});
