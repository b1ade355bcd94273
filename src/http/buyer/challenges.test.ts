/**
 * Challenges over HTTP: taken with a session, solved, turned into a clearance, and told in the schema's form.
 */
import { describe, expect, test } from "bun:test";
import { type BuyerAppUnderTest, makeBuyerApp, makeSale } from "../../../test/support/buyer-app.ts";
import { solve } from "../../../test/support/challenges.ts";
import type { ChallengeRule } from "../../domain/sale.ts";
import type { ChallengeDocument } from "../../ports/challenge.ts";
import { ChallengeOfferSchema, ClearanceSchema, ProblemSchema } from "../contract/schemas.ts";

const PATH = "/v1/challenges";
const NEW = `${PATH}/new?saleId=spring-drop`;

function appOf(challenge: ChallengeRule): BuyerAppUnderTest {
  const app = makeBuyerApp();
  app.world.sales = [makeSale({ challenge })];
  return app;
}

async function take(app: BuyerAppUnderTest, buyerId = "alice"): Promise<ChallengeDocument> {
  const response = await app.fetch(NEW, { headers: app.authorization(buyerId) });
  const { challenge } = ChallengeOfferSchema.parse(await response.json());
  if (challenge === "none") throw new Error("the sale never asks");
  return challenge as ChallengeDocument;
}

async function handIn(app: BuyerAppUnderTest, body: object, buyerId = "alice"): Promise<Response> {
  const headers = { ...app.authorization(buyerId), "content-type": "application/json" };
  return app.fetch(PATH, { method: "POST", headers, body: JSON.stringify(body) });
}

describe("taking a challenge", () => {
  test("where the sale never asks, none is said", async () => {
    const app = appOf("none");
    const response = await app.fetch(NEW, { headers: app.authorization() });
    expect(ChallengeOfferSchema.parse(await response.json())).toEqual({ saleId: "spring-drop", challenge: "none" });
  });

  test("where it may ask, one is given to the session, also while nobody is asked", async () => {
    for (const rule of ["adaptive", "always"] as const) {
      const challenge = await take(appOf(rule));
      expect(challenge).toMatchObject({ kind: "pow", puzzles: 16, alternatives: [] });
      expect(challenge.token).toStartWith("c1.pow.spring-drop.");
    }
  });

  test.each([
    [`${PATH}/new`, 400],
    [`${PATH}/new?saleId=a&saleId=b`, 400],
    [`${PATH}/new?saleId=nothing`, 404],
    [`${NEW}&kind=pow`, 200],
    [`${NEW}&kind=turnstile`, 400],
    [`${NEW}&kind=nonsense`, 400],
  ])("%s answers %d", async (path, status) => {
    const app = appOf("always");
    expect((await app.fetch(path, { headers: app.authorization() })).status).toBe(status);
  });

  test("counts against the reads of the buyer", async () => {
    const app = appOf("always");
    app.world.readRefusal = { reason: "throttled", retryAfterMs: 50 };
    expect((await app.fetch(NEW, { headers: app.authorization() })).status).toBe(429);
  });
});

describe("handing a solution in", () => {
  test("gives a clearance, once", async () => {
    const app = appOf("always");
    const challenge = await take(app);
    const body = { saleId: "spring-drop", token: challenge.token, solution: solve(challenge) };
    const response = await handIn(app, body);
    expect(response.status).toBe(201);
    const cleared = ClearanceSchema.parse(await response.json());
    expect(cleared.clearance).toStartWith("k1.spring-drop.");
    expect(cleared.expiresAt).toBeGreaterThan(challenge.expiresAt);

    const again = await handIn(app, body);
    expect(again.status).toBe(403);
    const problem = ProblemSchema.parse(await again.json());
    expect(problem).toMatchObject({ reason: "challenge_failed", stage: "admission", cause: "used" });
    expect(problem.challenge?.token).not.toBe(challenge.token);
  });

  test("that fails is held against the session", async () => {
    const app = appOf("always");
    const refused: string[] = [];
    app.dependencies.risk.refused = (session, refusal) => refused.push(`${session.buyerId} ${refusal.reason}`);
    const challenge = await take(app);
    await handIn(app, { saleId: "spring-drop", token: challenge.token, solution: "nonsense" });
    expect(refused).toEqual(["alice challenge_failed"]);
  });

  test("of another buyer's session fails", async () => {
    const app = appOf("always");
    const challenge = await take(app);
    const body = { saleId: "spring-drop", token: challenge.token, solution: solve(challenge) };
    expect(ProblemSchema.parse(await (await handIn(app, body, "mallory")).json())).toMatchObject({ cause: "foreign" });
  });

  test("that expired fails", async () => {
    const app = appOf("always");
    const challenge = await take(app);
    app.world.clock.advance(120_000);
    const body = { saleId: "spring-drop", token: challenge.token, solution: solve(challenge) };
    expect(ProblemSchema.parse(await (await handIn(app, body)).json())).toMatchObject({ cause: "expired" });
  });

  test.each([
    [{ saleId: "spring-drop", token: "t" }, 400],
    [{ saleId: "spring-drop", token: "t", solution: "s", kind: "pow" }, 400],
    [{ saleId: "spring-drop", token: "t".repeat(513), solution: "s" }, 400],
    [{ saleId: "spring-drop", token: "t", solution: "s".repeat(8_193) }, 400],
    [{ saleId: "nothing", token: "t", solution: "s" }, 404],
  ])("refuses %o", async (body, status) => {
    expect((await handIn(appOf("always"), body)).status).toBe(status);
  });
});
