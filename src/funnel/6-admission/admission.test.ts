/**
 * Each rule of a sale excludes exactly whom it names, and the refusal names the rule.
 */
import { describe, expect, test } from "bun:test";
import { SALE_ID, saleAt } from "../../../test/support/funnel-fixture.ts";
import { evenRandom } from "../../../test/support/recording-log.ts";
import type { BuyerId, SessionId } from "../../domain/ids.ts";
import type { Eligibility } from "../../domain/sale.ts";
import { AllowlistTable } from "../2-window/allowlist-table.ts";
import type { CatalogueSale } from "../2-window/catalogue.ts";
import type { Session } from "../3-identity/session-token.ts";
import { keyedHash } from "../keyed-hash.ts";
import { checkEligibility } from "./admission.ts";
import { noChallengeGate } from "./challenge-gate.ts";
import { UNSUSPECTED } from "./risk/risk.ts";

const NOW_MS = 1_800_000_000_000;
const DAY_MS = 86_400_000;

function entry(eligibility: Eligibility, allowlist: string[] | null = null): CatalogueSale {
  return {
    sale: saleAt(NOW_MS, { eligibility }),
    places: new Map(),
    allowlist: allowlist === null ? null : tableOf(allowlist),
    blocklist: new Set(eligibility.blocklist),
  };
}

/** Lines as in an upload: a buyer's id, or that and the name of a tier. */
function tableOf(lines: readonly string[]): AllowlistTable {
  const table = new AllowlistTable(keyedHash(evenRandom()));
  for (const line of lines) {
    const [buyerId = "", tier = null] = line.split(",");
    table.add(buyerId, tier);
  }
  return table;
}

function session(changes: Partial<Session> = {}): Session {
  return {
    sessionId: "s" as SessionId,
    buyerId: "ann" as BuyerId,
    expiresAt: NOW_MS + DAY_MS,
    level: 0,
    accountCreatedAt: null,
    device: "",
    suspicion: 0,
    ...changes,
  };
}

function rule(of: CatalogueSale, who: Session): unknown {
  return checkEligibility(of, who, NOW_MS)?.extra?.["rule"] ?? null;
}

describe("admission", () => {
  test("admits everybody where there is no rule", () => {
    expect(rule(entry({}), session())).toBeNull();
    expect(rule(entry({ levelMin: 0, accountAgeMsMin: 0 }), session())).toBeNull();
  });

  test("an allowlist admits whom it names; an empty one admits nobody", () => {
    expect(rule(entry({ allowlist: true }, ["ann"]), session())).toBeNull();
    expect(rule(entry({ allowlist: true }, ["bob"]), session())).toBe("allowlist");
    expect(rule(entry({ allowlist: true }, []), session())).toBe("allowlist");
  });

  test("the blocklist wins over the allowlist", () => {
    expect(rule(entry({ allowlist: true, blocklist: ["ann"] }, ["ann"]), session())).toBe("blocklist");
  });

  test("a level is reached or not", () => {
    expect(rule(entry({ levelMin: 3 }), session({ level: 2 }))).toBe("level");
    expect(rule(entry({ levelMin: 3 }), session({ level: 3 }))).toBeNull();
  });

  test("an account is old enough at the millisecond, and an unknown age never is", () => {
    const aged = entry({ accountAgeMsMin: DAY_MS });
    expect(rule(aged, session({ accountCreatedAt: NOW_MS - DAY_MS }))).toBeNull();
    expect(rule(aged, session({ accountCreatedAt: NOW_MS - DAY_MS + 1 }))).toBe("account_age");
    expect(rule(aged, session())).toBe("account_age");
  });

  test("a list that is not there yet admits nobody", () => {
    expect(rule(entry({ allowlist: true }, null), session())).toBe("allowlist");
  });

  test("a list that only names tiers excludes nobody", () => {
    const tiers = [{ name: "gold", opensAt: NOW_MS - 5_000 }];
    expect(rule(entry({ tiers }, ["bob,gold"]), session())).toBeNull();
  });

  test("a sale that demands a challenge is closed to everybody where no gate is composed", async () => {
    const attempt = {
      session: session(),
      risk: UNSUSPECTED,
      request: { header: () => null },
      fullness: 0,
      nowMs: NOW_MS,
    };
    const ask = (challenge: "none" | "adaptive" | "always") =>
      noChallengeGate.check({ ...attempt, sale: saleAt(NOW_MS, { challenge }) });
    expect(ask("none")).toBeNull();
    expect(ask("adaptive")).toMatchObject({ reason: "challenge_required" });
    expect(ask("always")).toMatchObject({ reason: "challenge_required" });
    const demand = { saleId: SALE_ID, sessionId: session().sessionId, strengthMin: 1, difficulty: 1 };
    const handedIn = { solution: { token: "t", solution: "s" }, purpose: "", nowMs: NOW_MS };
    expect(await noChallengeGate.settle(demand, handedIn)).toMatchObject({ reason: "challenge_required" });
  });
});
