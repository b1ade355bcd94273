/**
 * A client that is asked for a challenge solves it by itself, keeps what that is worth, and gives up where it must.
 */
import { describe, expect, test } from "bun:test";
import { waitUntil } from "../test/support/waiting.ts";
import { type ChallengeSolver, challengeIn, solveInSlices } from "./challenge.ts";
import type { Challenge, Problem } from "./contract.ts";
import { Doorbuster, type DoorbusterOptions } from "./doorbuster.ts";
import { DoorbusterError } from "./problem.ts";

const NOW_MS = 1_800_000_000_000;
const SESSION = { token: "s2.token", signingKey: "A".repeat(43), buyerId: "b", expiresAt: 2e12 };
const ACCEPTED = { rid: "r", saleId: "demo", sku: "one", quantity: 1, status: "held", holdUntil: 5, receipt: "r1.x" };
const REQUEST = { saleId: "demo", sku: "one", quantity: 1, patienceMs: 0 };
const CLEARANCE = { saleId: "demo", clearance: "k1.demo", expiresAt: NOW_MS + 600_000 };

function work(token: string): Challenge {
  return { kind: "pow", token, expiresAt: NOW_MS + 60_000, alternatives: [], difficulty: 4, puzzles: 16 };
}

function refusal(reason: string, status: number, members: object = {}): Response {
  const problem: Problem = { type: "t", title: "No.", status, reason, ...members };
  return new Response(JSON.stringify(problem), { status, headers: { "content-type": "application/problem+json" } });
}

interface Sent {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Record<string, unknown>;
}

/** A server of three routes. `attempt`, `handIn` and `offer` answer the n-th request of theirs. */
async function shop(
  script: {
    attempt?: (sent: Sent, index: number) => Response;
    handIn?: (sent: Sent, index: number) => Response;
    offer?: (sent: Sent) => Response;
  },
  options: DoorbusterOptions = {},
) {
  const sent: Sent[] = [];
  const doorbuster = new Doorbuster({
    baseUrl: "http://shop.example",
    now: () => NOW_MS,
    random: () => 0,
    ...options,
    fetch: async (url, init) => {
      const each: Sent = {
        path: url.slice("http://shop.example".length),
        headers: init.headers as Record<string, string>,
        body: typeof init.body === "string" ? (JSON.parse(init.body) as Record<string, unknown>) : {},
      };
      sent.push(each);
      const isOf = (part: (path: string) => boolean) => sent.filter(({ path }) => part(path)).length - 1;
      if (each.path === "/v1/challenges") {
        const answer = script.handIn?.(
          each,
          isOf((path) => path === "/v1/challenges"),
        );
        return answer ?? Response.json(CLEARANCE, { status: 201 });
      }
      if (each.path.startsWith("/v1/challenges/new")) {
        return script.offer?.(each) ?? Response.json({ saleId: "demo", challenge: work("c1.ahead") });
      }
      const answer = script.attempt?.(
        each,
        isOf((path) => path.endsWith("/reservations")),
      );
      return answer ?? Response.json(ACCEPTED, { status: 201 });
    },
  });
  await doorbuster.resumeSession(SESSION);
  return { doorbuster, sent, paths: () => sent.map(({ path }) => path) };
}

const ASKED = (token = "c1.first") => refusal("challenge_required", 428, { challenge: work(token) });

describe("reserve", () => {
  test("solves what it is asked for and sends the same attempt again with the clearance", async () => {
    const { doorbuster, sent } = await shop({
      attempt: (_, index) => (index === 0 ? ASKED() : Response.json(ACCEPTED)),
    });
    const fractions: number[] = [];
    const result = await doorbuster.reserve({ ...REQUEST, onChallenge: ({ fraction }) => fractions.push(fraction) });
    expect(result.kind).toBe("accepted");
    expect(sent.map(({ path }) => path.replace(/^.*\//, ""))).toEqual(["reservations", "challenges", "reservations"]);
    expect(sent[1]?.body).toMatchObject({ saleId: "demo", token: "c1.first" });
    expect(String(sent[1]?.body["solution"]).split(".").length).toBe(16);
    expect(sent[1]?.headers["x-signature"]).toBeString();
    expect(sent[0]?.headers["x-clearance"]).toBeUndefined();
    expect(sent[2]?.headers["x-clearance"]).toBe("k1.demo");
    expect(sent[2]?.headers["idempotency-key"]).toBe(sent[0]?.headers["idempotency-key"] ?? "");
    expect(fractions).toEqual([...fractions].sort((left, right) => left - right));
    expect([fractions[0], fractions.at(-1)]).toEqual([0, 1]);
  });

  test("keeps the clearance for the next attempt, and forgets it with the session and before its end", async () => {
    let nowMs = NOW_MS;
    const { doorbuster, sent } = await shop(
      { attempt: (_, index) => (index === 0 ? ASKED() : Response.json(ACCEPTED)) },
      { now: () => nowMs },
    );
    await doorbuster.reserve(REQUEST);
    await doorbuster.reserve(REQUEST);
    expect(sent.at(-1)?.headers["x-clearance"]).toBe("k1.demo");
    await doorbuster.reserve({ ...REQUEST, saleId: "another" });
    expect(sent.at(-1)?.headers["x-clearance"]).toBeUndefined();
    await doorbuster.resumeSession({ ...SESSION });
    nowMs = CLEARANCE.expiresAt - 4_000;
    await doorbuster.reserve(REQUEST);
    expect(sent.at(-1)?.headers["x-clearance"]).toBeUndefined();
    nowMs = NOW_MS;
    await doorbuster.reserve(REQUEST);
    expect(sent.at(-1)?.headers["x-clearance"]).toBe("k1.demo");
    await doorbuster.resumeSession({ ...SESSION, token: "s2.another" });
    await doorbuster.reserve(REQUEST);
    expect(sent.at(-1)?.headers["x-clearance"]).toBeUndefined();
  });

  test("solves the fresh challenge of a failure, and believes a server that is never content", async () => {
    const failed = () => refusal("challenge_failed", 403, { challenge: work("c1.fresh"), cause: "expired" });
    const once = await shop({
      attempt: (_, index) => (index === 0 ? ASKED() : Response.json(ACCEPTED)),
      handIn: (_, index) => (index === 0 ? failed() : Response.json(CLEARANCE, { status: 201 })),
    });
    expect((await once.doorbuster.reserve(REQUEST)).kind).toBe("accepted");
    const tokens = once.sent.filter(({ path }) => path === "/v1/challenges").map(({ body }) => body["token"]);
    expect(tokens).toEqual(["c1.first", "c1.fresh"]);

    const never = await shop({ attempt: () => ASKED(), handIn: failed });
    expect(await never.doorbuster.reserve(REQUEST)).toMatchObject({ problem: { reason: "challenge_required" } });
    expect(never.paths().filter((path) => path === "/v1/challenges").length).toBe(3);

    const always = await shop({ attempt: () => ASKED() });
    expect(await always.doorbuster.reserve(REQUEST)).toMatchObject({ problem: { reason: "challenge_required" } });
    expect(always.paths().filter((path) => path === "/v1/challenges").length).toBe(3);
  });

  test("hands the same solution in again after busy and after a broken line", async () => {
    const { doorbuster, sent } = await shop({
      attempt: (_, index) => (index === 0 ? ASKED() : Response.json(ACCEPTED)),
      handIn: (_, index) => {
        if (index === 0) return refusal("busy", 503, { retryAfterMs: 1 });
        if (index === 1) throw new TypeError("connection reset");
        return Response.json(CLEARANCE, { status: 201 });
      },
    });
    expect((await doorbuster.reserve(REQUEST)).kind).toBe("accepted");
    const handIns = sent.filter(({ path }) => path === "/v1/challenges");
    expect(handIns.length).toBe(3);
    expect(new Set(handIns.map(({ body }) => body["solution"])).size).toBe(1);
  });

  test("takes work in the place of a kind it cannot solve, where that is offered", async () => {
    const puzzle = { ...work("c1.slide"), kind: "slide", alternatives: ["arithmetic", "pow"] };
    const asked = () => refusal("challenge_required", 428, { challenge: puzzle });
    const { doorbuster, paths } = await shop({
      attempt: (_, index) => (index === 0 ? asked() : Response.json(ACCEPTED)),
    });
    expect((await doorbuster.reserve(REQUEST)).kind).toBe("accepted");
    expect(paths()).toContain("/v1/challenges/new?saleId=demo&kind=pow");

    const alone = { ...puzzle, alternatives: ["arithmetic"] };
    const stuck = await shop({ attempt: () => refusal("challenge_required", 428, { challenge: alone }) });
    expect(await stuck.doorbuster.reserve(REQUEST)).toMatchObject({ kind: "refused" });
    expect(stuck.paths().length).toBe(1);
  });

  test("solves one challenge for all who need it: the one that is prepared, and attempts meanwhile", async () => {
    let answer: (solution: string) => void = () => undefined;
    let refused = 0;
    const solved: string[] = [];
    const solveChallenge: ChallengeSolver = async ({ token }) => {
      solved.push(token);
      return await new Promise((resolve) => {
        answer = resolve;
      });
    };
    const { doorbuster, paths } = await shop(
      {
        attempt: ({ headers }) => {
          if (headers["x-clearance"] !== undefined) return Response.json(ACCEPTED);
          refused += 1;
          return ASKED();
        },
        offer: () => Response.json({ saleId: "demo", challenge: work("c1.ahead") }),
      },
      { solveChallenge },
    );
    const prepared = doorbuster.prepare({ saleId: "demo" });
    await waitUntil("the challenge to be shown", () => solved.length === 1);
    const attempts = [doorbuster.reserve(REQUEST), doorbuster.reserve(REQUEST)];
    await waitUntil("both attempts to be asked for one", () => refused === 2);
    // Their answers are read and understood before anything new begins.
    await new Promise((resolve) => setTimeout(resolve, 0));
    answer("s");
    expect(await prepared).toEqual(CLEARANCE);
    for (const attempt of attempts) expect((await attempt).kind).toBe("accepted");
    expect(solved).toEqual(["c1.ahead"]);
    expect(paths().filter((path) => path === "/v1/challenges").length).toBe(1);
  });

  test("asks for the kind that the solver wants instead, as often as a person may change his mind", async () => {
    const named = { ...work("c1.work"), alternatives: ["slide", "arithmetic"], preferred: "slide" };
    const drawn = { ...work("c1.drawn"), kind: "slide", alternatives: ["pow", "arithmetic"] };
    const wishes = [{ instead: "slide" }, { instead: "slide" }, "0,0;1,1"];
    const solved: string[] = [];
    const solveChallenge: ChallengeSolver = async ({ token }) => {
      solved.push(token);
      return wishes.shift() ?? null;
    };
    const { doorbuster, paths, sent } = await shop(
      {
        attempt: (_, index) =>
          index === 0 ? refusal("challenge_required", 428, { challenge: named }) : Response.json(ACCEPTED),
        offer: () => Response.json({ saleId: "demo", challenge: drawn }),
      },
      { solveChallenge },
    );
    expect((await doorbuster.reserve(REQUEST)).kind).toBe("accepted");
    expect(solved).toEqual(["c1.work", "c1.drawn", "c1.drawn"]);
    expect(paths().filter((path) => path === "/v1/challenges/new?saleId=demo&kind=slide").length).toBe(2);
    expect(sent.find(({ path }) => path === "/v1/challenges")?.body["solution"]).toBe("0,0;1,1");

    const fickle = await shop(
      {
        attempt: () => refusal("challenge_required", 428, { challenge: named }),
        offer: () => Response.json({ saleId: "demo", challenge: drawn }),
      },
      { solveChallenge: async () => ({ instead: "slide" }) },
    );
    expect(await fickle.doorbuster.reserve(REQUEST)).toMatchObject({ kind: "refused" });
    expect(fickle.paths().length).toBeLessThan(30);
  });

  test("a solver that fails, or is stopped, leaves the refusal as it was", async () => {
    const failing: ChallengeSolver = async () => {
      throw new Error("no worker");
    };
    const { doorbuster, paths } = await shop({ attempt: () => ASKED() }, { solveChallenge: failing });
    expect(await doorbuster.reserve(REQUEST)).toMatchObject({ problem: { reason: "challenge_required" } });
    expect(paths().length).toBe(1);
  });

  test("a refusal without a challenge is a refusal", async () => {
    const { doorbuster, paths } = await shop({ attempt: () => refusal("challenge_required", 428) });
    expect(await doorbuster.reserve(REQUEST)).toMatchObject({ problem: { reason: "challenge_required" } });
    expect(paths().length).toBe(1);
  });
});

describe("prepare", () => {
  test("earns the clearance before anybody asks, and the attempt is one request", async () => {
    const { doorbuster, paths, sent } = await shop({});
    expect(await doorbuster.prepare({ saleId: "demo" })).toEqual(CLEARANCE);
    await doorbuster.reserve(REQUEST);
    expect(paths()).toEqual([
      "/v1/challenges/new?saleId=demo",
      "/v1/challenges",
      "/v1/sales/demo/items/one/reservations",
    ]);
    expect(sent[2]?.headers["x-clearance"]).toBe("k1.demo");
  });

  test("answers null where the sale never asks, and throws where the server refuses", async () => {
    const none = await shop({ offer: () => Response.json({ saleId: "demo", challenge: "none" }) });
    expect(await none.doorbuster.prepare({ saleId: "demo" })).toBeNull();
    const gone = await shop({ offer: () => refusal("no_such_sale", 404) });
    await expect(gone.doorbuster.prepare({ saleId: "demo" })).rejects.toBeInstanceOf(DoorbusterError);
    const banned = await shop({ handIn: () => refusal("banned", 403) });
    await expect(banned.doorbuster.prepare({ saleId: "demo" })).rejects.toMatchObject({
      problem: { reason: "banned" },
    });
  });

  test("a clearance that was kept is used", async () => {
    const { doorbuster, sent } = await shop({});
    doorbuster.useClearance(CLEARANCE);
    await doorbuster.reserve(REQUEST);
    expect(sent[0]?.headers["x-clearance"]).toBe("k1.demo");
  });
});

describe("solving", () => {
  test("stops when it is told to", async () => {
    const stopping = new AbortController();
    const hard = { ...work("c1.hard"), difficulty: 24 };
    const solving = solveInSlices(hard, { signal: stopping.signal, onProgress: () => stopping.abort() });
    await expect(solving).rejects.toThrow();
  });

  test("does not begin what would never end", async () => {
    const quiet = { signal: undefined, onProgress: () => undefined };
    expect(await solveInSlices({ ...work("c1.x"), difficulty: 40 }, quiet)).toBeNull();
    expect(await solveInSlices({ ...work("c1.x"), puzzles: 1e9 }, quiet)).toBeNull();
    expect(await solveInSlices({ ...work("c1.x"), kind: "slide" }, quiet)).toBeNull();
  });

  test("sees a challenge only in the refusals that carry one, and only in its form", () => {
    const problem = (reason: string, challenge: unknown): Problem => ({
      type: "t",
      title: "t",
      status: 1,
      reason,
      challenge,
    });
    expect(challengeIn(problem("challenge_failed", work("c1.x")))?.token).toBe("c1.x");
    expect(challengeIn(problem("sold_out", work("c1.x")))).toBeNull();
    for (const other of [null, 1, "c1.x", {}, { kind: "pow" }, { kind: "pow", token: 1, difficulty: 1 }]) {
      expect(challengeIn(problem("challenge_required", other))).toBeNull();
    }
  });
});
