/**
 * A solution counts once, over all nodes, however many hand it in at the same moment and whatever is away.
 */
import { describe, expect, test } from "bun:test";
import { solve, TEST_CLEARANCE_MS, TEST_TTL_MS } from "../../../../test/support/challenges.ts";
import { ManualClock } from "../../../../test/support/manual-clock.ts";
import { MemoryEdge } from "../../../../test/support/memory-edge.ts";
import type { SaleId, SessionId } from "../../../domain/ids.ts";
import type { ChallengeDocument, ChallengeKind, PuzzleVerdict } from "../../../ports/challenge.ts";
import { deriveKeys } from "../../3-identity/keys.ts";
import { ChallengeDesk, type ChallengeDeskParts, type HandedIn } from "./challenge-desk.ts";
import { openClearance } from "./clearance.ts";

const NOW_MS = 1_800_000_000_000;
const KEYS = deriveKeys("a secret of the tests");
const WHO = { saleId: "sale" as SaleId, sessionId: "session" as SessionId };

let drawn = 0;
const random = {
  id: () => {
    drawn += 1;
    return `${drawn}`.padStart(22, "s");
  },
  fraction: () => 0.25,
};

function desk(parts: Partial<ChallengeDeskParts> = {}): ChallengeDesk {
  return new ChallengeDesk({ keys: KEYS, random, ttlMs: TEST_TTL_MS, clearanceMs: TEST_CLEARANCE_MS, ...parts });
}

function give(from: ChallengeDesk): ChallengeDocument {
  return from.give({ ...WHO, difficulty: 4, nowMs: NOW_MS });
}

function handIn(challenge: ChallengeDocument, changes: Partial<HandedIn> = {}): HandedIn {
  const solution = challenge.kind === "pow" ? solve(challenge) : "s";
  return { ...WHO, token: challenge.token, solution, strengthMin: 4, purpose: "", nowMs: NOW_MS, ...changes };
}

async function causeOf(redemption: ReturnType<ChallengeDesk["redeem"]>): Promise<string> {
  const answer = await redemption;
  return answer.kind === "failed" ? answer.cause : answer.kind;
}

/** A kind whose answers the test gives. */
function scripted(verify: () => PuzzleVerdict | Promise<PuzzleVerdict>, canMint = true): ChallengeKind {
  return {
    name: "slide",
    triesMax: 2,
    mint: () => (canMint ? { sealed: "sealed-answer", parameters: { image: "data:" } } : null),
    verify,
  };
}

describe("giving out", () => {
  test("says what the client needs, and another seed each time", () => {
    const from = desk();
    const challenge = give(from);
    expect(challenge).toMatchObject({ kind: "pow", difficulty: 4, puzzles: 16, expiresAt: NOW_MS + TEST_TTL_MS });
    expect(challenge.alternatives).toEqual([]);
    expect(give(from).token).not.toBe(challenge.token);
  });

  test("gives the kind that is asked for, offers the others, and steps down to work where it cannot draw", () => {
    const both = desk({ kinds: [scripted(() => "solved")], primary: "slide" });
    expect(give(both)).toMatchObject({ kind: "slide", image: "data:", alternatives: ["pow"] });
    expect(both.give({ ...WHO, difficulty: 4, nowMs: NOW_MS, kind: "pow" })).toMatchObject({
      kind: "pow",
      alternatives: ["slide"],
    });
    expect(give(desk({ kinds: [scripted(() => "solved", false)], primary: "slide" })).kind).toBe("pow");
    expect([both.offers("slide"), both.offers("turnstile"), both.offers("constructor")]).toEqual([true, false, false]);
  });
});

describe("a kind that is given on request only", () => {
  const kind: ChallengeKind = { ...scripted(() => "solved"), isOnRequest: true };
  const from = desk({ kinds: [kind], primary: "slide" });
  const asked = { ...WHO, difficulty: 4, nowMs: NOW_MS };

  test("does not go with a refusal, which names it and carries a harder proof of work in its place", () => {
    expect(from.give({ ...asked, isRefusal: true })).toMatchObject({
      kind: "pow",
      preferred: "slide",
      difficulty: 6,
    });
    expect(from.give(asked)).toMatchObject({ kind: "slide", difficulty: 4 });
    expect(from.give({ ...asked, isRefusal: true, kind: "pow" })).not.toHaveProperty("preferred");
  });

  test("is never cheaper to go round: work in its place is harder, asked for or forced, but not beyond the hardest", () => {
    expect(from.give({ ...asked, kind: "pow" }).difficulty).toBe(6);
    const empty = desk({ kinds: [scripted(() => "solved", false)], primary: "slide" });
    expect(empty.give(asked)).toMatchObject({ kind: "pow", difficulty: 6 });
    expect(from.give({ ...asked, difficulty: 24, kind: "pow" }).difficulty).toBe(24);
    expect(desk({ kinds: [kind] }).give(asked).difficulty).toBe(4);
  });
});

describe("handing in", () => {
  test("a solution is worth a clearance of its difficulty, once", async () => {
    const from = desk();
    const challenge = give(from);
    const answer = await from.redeem(handIn(challenge));
    if (answer.kind !== "solved") throw new Error(answer.cause);
    expect(answer.expiresAt).toBe(challenge.expiresAt + TEST_CLEARANCE_MS);
    expect(openClearance(KEYS.clearance, answer.clearance, { ...WHO, nowMs: answer.expiresAt - 1 })).toBe(4);
    expect(await causeOf(from.redeem(handIn(challenge)))).toBe("used");
  });

  test("of a hundred at the same moment one counts, whether judging takes time or not", async () => {
    for (const kinds of [[], [scripted(() => Promise.resolve().then(() => "solved" as const))]]) {
      const from = desk({ kinds, primary: kinds[0]?.name ?? "pow" });
      const handedIn = handIn(give(from));
      const causes = await Promise.all(Array.from({ length: 100 }, () => causeOf(from.redeem(handedIn))));
      expect(causes.filter((cause) => cause === "solved").length).toBe(1);
      expect(causes.filter((cause) => cause === "used").length).toBe(99);
    }
  });

  test("over two nodes with one edge it counts once; without the edge once on each", async () => {
    const edge = new MemoryEdge(new ManualClock());
    const nodes = [desk({ edge }), desk({ edge })] as const;
    const handedIn = handIn(give(nodes[0]));
    const causes = await Promise.all([causeOf(nodes[0].redeem(handedIn)), causeOf(nodes[1].redeem(handedIn))]);
    expect(causes.sort()).toEqual(["solved", "used"]);
    edge.isAway = true;
    const second = handIn(give(nodes[0]));
    expect(await causeOf(nodes[0].redeem(second))).toBe("solved");
    expect(await causeOf(nodes[1].redeem(second))).toBe("solved");
    expect(await causeOf(nodes[0].redeem(second))).toBe("used");
  });

  test("for the same purpose it counts again on this node, for another it does not", async () => {
    const from = desk();
    const challenge = give(from);
    expect(await causeOf(from.redeem(handIn(challenge, { purpose: "key-one" })))).toBe("solved");
    expect(await causeOf(from.redeem(handIn(challenge, { purpose: "key-one" })))).toBe("solved");
    expect(await causeOf(from.redeem(handIn(challenge, { purpose: "key-two" })))).toBe("used");
    expect(await causeOf(from.redeem(handIn(challenge)))).toBe("used");
  });

  test("three wrong solutions use a challenge up, and the right one then comes too late", async () => {
    const from = desk();
    const challenge = give(from);
    for (let tries = 0; tries < 3; tries += 1) {
      expect(await causeOf(from.redeem(handIn(challenge, { solution: "wrong" })))).toBe("wrong");
    }
    expect(await causeOf(from.redeem(handIn(challenge)))).toBe("used");
    const kept = give(from);
    expect(await causeOf(from.redeem(handIn(kept, { solution: "wrong" })))).toBe("wrong");
    expect(await causeOf(from.redeem(handIn(kept)))).toBe("solved");
  });

  test("tries at an answer that can be guessed are counted over all nodes, at the same moment as well", async () => {
    const edge = new MemoryEdge(new ManualClock());
    let judged = 0;
    const kind = scripted(async () => {
      judged += 1;
      return "wrong" as const;
    });
    const nodes = Array.from({ length: 5 }, () => desk({ edge, kinds: [kind], primary: "slide" }));
    const [first = desk()] = nodes;
    const handedIn = handIn(give(first));
    const causes = await Promise.all(nodes.map((node) => causeOf(node.redeem(handedIn))));
    expect([causes.filter((cause) => cause === "wrong").length, judged]).toEqual([kind.triesMax, kind.triesMax]);
    const right = desk({ edge, kinds: [scripted(() => "solved")], primary: "slide" });
    expect(await causeOf(right.redeem(handedIn))).toBe("used");
    // Work is no guess: it costs the buyer, not us, and is asked for at every opening.
    const before = edge.callCount;
    expect(await causeOf(first.redeem(handIn(first.give({ ...WHO, difficulty: 4, nowMs: NOW_MS, kind: "pow" }))))).toBe(
      "solved",
    );
    expect(edge.callCount - before).toBe(1);
    edge.isAway = true;
    const alone = handIn(give(first));
    expect(await causeOf(first.redeem(alone))).toBe("wrong");
  });

  test("says why a token counts for nothing", async () => {
    const from = desk();
    const challenge = give(from);
    const because = (changes: Partial<HandedIn>) => causeOf(from.redeem(handIn(challenge, changes)));
    expect(await because({ token: "nonsense" })).toBe("malformed");
    expect(await because({ sessionId: "another" as SessionId })).toBe("foreign");
    expect(await because({ saleId: "another" as SaleId })).toBe("foreign");
    expect(await because({ nowMs: challenge.expiresAt })).toBe("expired");
    expect(await because({ strengthMin: 5 })).toBe("too_easy");
    expect(await because({})).toBe("solved");
  });

  test("a judge who does not answer costs no try and opens no door, and his failure does not use the challenge up", async () => {
    let verdict: PuzzleVerdict = "unavailable";
    const from = desk({ kinds: [scripted(async () => verdict)], primary: "slide" });
    const handedIn = handIn(give(from));
    for (let tries = 0; tries < 5; tries += 1) expect(await causeOf(from.redeem(handedIn))).toBe("unavailable");
    verdict = "solved";
    expect(await causeOf(from.redeem(handedIn))).toBe("solved");
  });

  test("a kind that this node does not have is no free pass", async () => {
    const handedIn = handIn(give(desk({ kinds: [scripted(() => "solved")], primary: "slide" })));
    expect(await causeOf(desk().redeem(handedIn))).toBe("unavailable");
  });
});
