/**
 * Challenges as the contract has them, solved by a program that shares no line with the product: bound to session and
 * sale, good once, before the opening or with the attempt.
 */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { type Answer, call, expectAccepted, expectRefusal } from "../../support/answers.ts";
import { type Buyer, freshKey } from "../../support/buyer-client.ts";
import type { GetDeployment } from "../../support/deployment.ts";
import { seat, waitForState } from "../../support/operator-client.ts";
import { mapBounded, range } from "../../support/waiting.ts";

interface Challenge {
  readonly kind: string;
  readonly token: string;
  readonly difficulty: number;
  readonly puzzles: number;
  readonly expiresAt: number;
}
type Item = { saleId: string; sku: string };

/** For each i the first n for which sha256("<token>.<i>.<n in base 36>") begins with enough zero bits. */
function solve({ token, difficulty, puzzles }: Challenge): string {
  return range(puzzles)
    .map((index) => {
      for (let number = 0; ; number += 1) {
        const text = number.toString(36);
        const digest = createHash("sha256").update(`${token}.${index}.${text}`).digest();
        if (digest.readUInt32BE(0) >>> (32 - difficulty) === 0) return text;
      }
    })
    .join(".");
}

function challengeOf(answer: Answer): Challenge {
  const challenge = answer.json.challenge;
  expect(challenge).toMatchObject({ kind: "pow", puzzles: 16 });
  expect(challenge.token).toStartWith("c1.pow.");
  expect(challenge.expiresAt).toBeGreaterThan(Date.now());
  return challenge;
}

async function ask(buyer: Buyer, saleId: string): Promise<Challenge> {
  return challengeOf(await buyer.send({ method: "GET", path: `/v1/challenges/new?saleId=${saleId}` }));
}

async function handIn(buyer: Buyer, saleId: string, solved: { token: string; solution: string }): Promise<Answer> {
  return await buyer.send({ path: "/v1/challenges", body: JSON.stringify({ saleId, ...solved }) });
}

async function clear(buyer: Buyer, saleId: string): Promise<string> {
  const challenge = await ask(buyer, saleId);
  const answer = await handIn(buyer, saleId, { token: challenge.token, solution: solve(challenge) });
  expect(answer.status).toBe(201);
  expect(answer.json.expiresAt).toBeGreaterThan(challenge.expiresAt);
  return answer.json.clearance;
}

function withSolution(challenge: Challenge): string {
  return JSON.stringify({ quantity: 1, challenge: { token: challenge.token, solution: solve(challenge) } });
}

export function describeChallenges(deployment: GetDeployment): void {
  const guarded = (overrides: Record<string, unknown> = {}): Promise<Item> =>
    deployment().sale({ challenge: "always", items: [seat({ stock: 50 })], perBuyerMax: 5, ...overrides });

  describe("a sale that always asks", () => {
    test("refuses an attempt with a challenge in hand, and takes it with the solution in its body", async () => {
      const sale = await guarded();
      const buyer = await deployment().guest();
      const key = freshKey();
      const asked = await buyer.reserve(sale, { key });
      expectRefusal(asked, "challenge_required", { retryAfter: false });
      const body = withSolution(challengeOf(asked));
      const accepted = await buyer.reserve(sale, { key, body });
      expectAccepted(accepted);
      // The same call again is the same call: its answer is owed.
      expect((await buyer.reserve(sale, { key, body })).json.rid).toBe(accepted.json.rid);
      expectRefusal(await buyer.reserve(sale, { body }), "challenge_failed");
    });

    test("can be solved before it opens, so that the attempts at the opening are as small as ever", async () => {
      const sale = await guarded({ opensAt: Date.now() + 60_000 });
      const buyer = await deployment().guest();
      const headers = { "X-Clearance": await clear(buyer, sale.saleId) };
      expectRefusal(await buyer.reserve(sale, { headers }), "not_open", { retryAfter: true });
      await deployment().operator.command(sale.saleId, "open");
      await waitForState(deployment().buyerUrl, sale.saleId, "open");
      const answers = await mapBounded(range(3), 1, async () => await buyer.reserve(sale, { headers }));
      for (const answer of answers) expectAccepted(answer);
    });

    test("counts a solution once, of twenty at the same moment as well", async () => {
      const sale = await guarded();
      const buyer = await deployment().guest();
      const challenge = await ask(buyer, sale.saleId);
      const solved = { token: challenge.token, solution: solve(challenge) };
      const answers = await mapBounded(range(20), 20, async () => await handIn(buyer, sale.saleId, solved));
      expect(answers.filter(({ status }) => status === 201).length).toBe(1);
      for (const answer of answers.filter(({ status }) => status !== 201)) {
        expectRefusal(answer, "challenge_failed");
        expect(answer.json.cause).toBe("used");
        expect(challengeOf(answer).token).not.toBe(challenge.token);
      }
      const body = JSON.stringify({ quantity: 1, challenge: solved });
      expectRefusal(await buyer.reserve(sale, { body }), "challenge_failed");
    });

    test("believes no challenge and no clearance of another session or another sale", async () => {
      const [sale, other] = [await guarded(), await guarded()];
      const [alice, mallory] = [await deployment().guest(), await deployment().guest()];
      const challenge = await ask(alice, sale.saleId);
      const solved = { token: challenge.token, solution: solve(challenge) };
      for (const answer of [
        await handIn(mallory, sale.saleId, solved),
        await handIn(alice, other.saleId, solved),
        await mallory.reserve(sale, { body: JSON.stringify({ quantity: 1, challenge: solved }) }),
        await alice.reserve(other, { body: JSON.stringify({ quantity: 1, challenge: solved }) }),
      ]) {
        expectRefusal(answer, "challenge_failed");
        expect(answer.json.cause).toBe("foreign");
      }
      const headers = { "X-Clearance": await clear(alice, sale.saleId) };
      expectRefusal(await mallory.reserve(sale, { headers }), "challenge_failed");
      expectRefusal(await alice.reserve(other, { headers }), "challenge_failed");
      expectAccepted(await alice.reserve(sale, { headers }));
    });

    test("believes no changed letter of a token, and ends a challenge after three wrong solutions", async () => {
      const sale = await guarded();
      const buyer = await deployment().guest();
      const challenge = await ask(buyer, sale.saleId);
      const solution = solve(challenge);
      for (const at of [3, 8, challenge.token.length - 60, challenge.token.length - 1]) {
        const token = `${challenge.token.slice(0, at)}${challenge.token[at] === "A" ? "B" : "A"}${challenge.token.slice(at + 1)}`;
        const answer = await handIn(buyer, sale.saleId, { token, solution });
        expectRefusal(answer, "challenge_failed");
        expect(["malformed", "foreign"]).toContain(answer.json.cause);
      }
      const wrong = { token: challenge.token, solution: range(16).fill(0).join(".") };
      for (const cause of ["wrong", "wrong", "wrong", "used"]) {
        expect((await handIn(buyer, sale.saleId, wrong)).json.cause).toBe(cause);
      }
      const late = await handIn(buyer, sale.saleId, { token: challenge.token, solution });
      expect(late.json.cause).toBe("used");
    });

    test("gives challenges to sessions only, and none to a sale that is not there", async () => {
      const sale = await guarded();
      const path = `${deployment().buyerUrl}/v1/challenges/new?saleId=`;
      expectRefusal(await call(`${path}${sale.saleId}`), "session_missing");
      expectRefusal(await call(`${path}nowhere`), "no_such_sale");
      const unsigned = await call(`${deployment().buyerUrl}/v1/challenges`, { method: "POST", body: "{}" });
      expectRefusal(unsigned, "session_missing");
    });
  });

  describe("other sales", () => {
    test("that never ask say so, and take attempts as they are", async () => {
      const sale = await deployment().sale();
      const buyer = await deployment().guest();
      const answer = await buyer.send({ method: "GET", path: `/v1/challenges/new?saleId=${sale.saleId}` });
      expect([answer.status, answer.json]).toEqual([200, { saleId: sale.saleId, challenge: "none" }]);
      expectAccepted(await buyer.reserve(sale));
    });

    test("that are adaptive ask nobody while nothing is going on", async () => {
      const sale = await guarded({ challenge: "adaptive" });
      const buyers = await mapBounded(range(5), 1, async () => await deployment().guest());
      for (const buyer of buyers) expectAccepted(await buyer.reserve(sale));
      expect(await clear(buyers[0] as Buyer, sale.saleId)).toStartWith("k1.");
    });
  });
}
