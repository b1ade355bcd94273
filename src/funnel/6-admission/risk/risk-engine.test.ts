/**
 * Scores are the sum of named causes, sharing a network or a model of phone never makes anybody slow, and the operator has
 * the last word.
 */
import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../../../test/support/manual-clock.ts";
import type { BuyerId, SessionId } from "../../../domain/ids.ts";
import { HmacKey } from "../../3-identity/hmac.ts";
import { DEVICE_LENGTH, type Session } from "../../3-identity/session-token.ts";
import type { HotRequest } from "../../request.ts";
import { type BanProposal, RiskEngine, type RiskEngineParts, type RiskSubject } from "./risk-engine.ts";
import { DEFAULT_RISK_MODEL, RISK_CAUSE_NAMES } from "./risk-model.ts";
import type { PageSignals } from "./signals.ts";

const IPHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 Version/26.1 Mobile Safari/604.1";
const DESKTOP = "Mozilla/5.0 (X11; Linux x86_64; rv:148.0) Gecko/20100101 Firefox/148.0";
const SIGNALS: PageSignals = {
  automation: false,
  timeZone: "Europe/Berlin",
  languages: ["de-DE", "en"],
  screen: { width: 1_920, height: 1_080, depth: 24 },
  hardwareConcurrency: 8,
  touch: 0,
};

interface Visit {
  readonly signals?: PageSignals | null;
  readonly agent?: string | null;
  readonly address?: string;
  readonly headers?: Record<string, string>;
}

function setting(changes: Partial<RiskEngineParts> = {}) {
  const clock = new ManualClock();
  const engine = new RiskEngine({
    model: DEFAULT_RISK_MODEL,
    clock,
    deviceKey: new HmacKey(Buffer.alloc(32, 3)),
    sharedHash: { word0: 5, word1: 6 },
    trustedProxies: [],
    countsNetworks: true,
    ...changes,
  });
  const requestOf = (visit: Visit): HotRequest => {
    const agent = visit.agent === undefined ? DESKTOP : visit.agent;
    const headers: Record<string, string | null> = { "user-agent": agent, ...visit.headers };
    return {
      method: "POST",
      saleId: "sale",
      sku: "one",
      pathAndQuery: "/",
      remoteAddress: visit.address ?? "203.0.113.7",
      header: (name) => headers[name] ?? null,
      readBody: async () => new Uint8Array(),
    };
  };
  const begin = (buyerId: string, visit: Visit = {}): Session => {
    const signals = visit.signals === undefined ? SIGNALS : visit.signals;
    const risk = engine.beginSession({ request: requestOf(visit), signals, buyerId });
    return {
      sessionId: `session-${buyerId}` as SessionId,
      buyerId: buyerId as BuyerId,
      expiresAt: clock.nowMs() + 1_000_000,
      level: 0,
      accountCreatedAt: null,
      ...risk,
    };
  };
  const assess = (session: Session, visit: Visit = {}) => engine.assess({ session, request: requestOf(visit) });
  return { clock, engine, begin, assess, requestOf };
}

describe("a session that begins", () => {
  test("in an ordinary browser has nothing held against it, and allocates no score", () => {
    const { begin, assess } = setting();
    const session = begin("ann");
    expect(session.suspicion).toBe(0);
    expect(session.device).toHaveLength(DEVICE_LENGTH);
    expect(assess(session)).toBe(assess(begin("bob")));
    expect(assess(session)).toMatchObject({ score: 0, band: "pass", causes: [] });
  });

  test.each([
    ["automation", { signals: { ...SIGNALS, automation: true } }, 45],
    ["automation by its agent", { agent: `${DESKTOP} HeadlessChrome/130` }, 45],
    ["no page and a tool", { signals: null, agent: "python-requests/2.32" }, 30],
    ["no page and no agent", { signals: null, agent: null }, 30],
    ["no page", { signals: null }, 15],
    ["a telephone without touch", { agent: IPHONE }, 25],
    ["no language", { signals: { ...SIGNALS, languages: [] } }, 25],
    ["no screen", { signals: { ...SIGNALS, screen: { width: 0, height: 0, depth: 24 } } }, 25],
  ] satisfies [string, Visit, number][])("with %s is suspected", (_name, visit, suspicion) => {
    expect(setting().begin("ann", visit).suspicion).toBe(suspicion);
  });

  test("far from where a trusted header says its address is, is suspected; nearby or unknown is not", () => {
    const { begin } = setting({ timeZoneHeader: "cf-timezone" });
    const from = (zone: string) => begin("ann", { headers: { "cf-timezone": zone } }).suspicion;
    expect(from("America/New_York")).toBe(15);
    expect(from("Europe/Madrid")).toBe(0);
    expect(from("Europe/Helsinki")).toBe(0);
    expect(from("Nowhere/Atlantis")).toBe(0);
    expect(setting().begin("ann", { headers: { "cf-timezone": "America/New_York" } }).suspicion).toBe(0);
  });

  test("gets the same device for the same signals, agent and network, and only then", () => {
    const { begin } = setting();
    const { device } = begin("ann");
    expect(begin("bob").device).toBe(device);
    expect(begin("bob", { address: "203.0.113.8" }).device).not.toBe(device);
    expect(begin("bob", { agent: `${DESKTOP}x` }).device).not.toBe(device);
    expect(begin("bob", { signals: { ...SIGNALS, canvas: "abcdefgh" } }).device).not.toBe(device);
    expect(begin("bob", { signals: null }).device).toBe("");
    const other = setting({ deviceKey: new HmacKey(Buffer.alloc(32, 4)) });
    expect(other.begin("ann").device).not.toBe(device);
  });
});

describe("the default model", () => {
  test("asks those who share a network for a challenge at most, however many they are", () => {
    const { begin, assess } = setting();
    const visit = { agent: IPHONE, signals: { ...SIGNALS, touch: 5 } };
    let last = assess(begin("first", visit), visit);
    for (let index = 0; index < 20_000; index += 1) {
      // Many models of telephone, so that the device is not what is counted here.
      const signals = { ...visit.signals, screen: { width: 300 + (index % 5_000), height: 800, depth: 24 } };
      last = assess(begin(`buyer-${index}`, { ...visit, signals }), visit);
    }
    expect(last.band).toBe("challenge");
    expect(last.causes).toEqual(["accounts_on_agent", "accounts_on_network"]);
  });

  test("slows down a farm on one device, but not a household", () => {
    const { begin, assess } = setting();
    const scores = Array.from({ length: 120 }, (_, index) => assess(begin(`buyer-${index}`)));
    expect(scores[3]?.band).toBe("pass");
    expect(scores.at(-1)?.band).toBe("slow_down");
    expect(scores.at(-1)?.causes[0]).toBe("accounts_on_device");
  });

  test("counts accounts of one agent over all addresses of an autonomous system, as far as it knows them", () => {
    const { begin, assess } = setting({ asns: { find: (ipKey) => (ipKey.startsWith("10.") ? "AS64500" : null) } });
    const at = (index: number, network: number): Visit => ({
      address: `${network}.${index % 250}.${Math.floor(index / 250)}.7`,
      signals: { ...SIGNALS, screen: { width: 300 + (index % 997), height: 800, depth: 24 } },
    });
    const causesOf = (network: number): readonly string[] => {
      let causes: readonly string[] = [];
      for (let index = 0; index < 2_500; index += 1) {
        const visit = at(index, network);
        causes = assess(begin(`buyer-${network}-${index}`, visit), visit).causes;
      }
      return causes;
    };
    expect(causesOf(10)).toEqual(["accounts_on_system"]);
    expect(causesOf(11)).toEqual([]);
  });

  test("finds a farm that is spread over processes, once they have told each other", () => {
    const nodes = [setting(), setting(), setting(), setting()];
    const bandAt = (node: ReturnType<typeof setting>, buyerId: string) => node.assess(node.begin(buyerId)).band;
    for (let index = 0; index < 120; index += 1) {
      const node = nodes[index % nodes.length];
      if (node !== undefined) bandAt(node, `buyer-${index}`);
    }
    for (const node of nodes) expect(bandAt(node, "before")).toBe("challenge");
    const told = nodes.map(({ engine }) => engine.sharedCounts());
    for (const [index, { engine }] of nodes.entries()) engine.learnCounts(told.filter((_, other) => other !== index));
    for (const node of nodes) expect(bandAt(node, "after")).toBe("slow_down");
  });

  test("never counts networks where addresses say nothing", () => {
    const { begin, assess } = setting({ countsNetworks: false });
    const visit = { signals: null };
    let last = assess(begin("first", visit), visit);
    for (let index = 0; index < 3_000; index += 1) last = assess(begin(`buyer-${index}`, visit), visit);
    expect(last).toMatchObject({ score: 15, band: "pass", causes: ["session"] });
  });

  test("has ascending steps, and no cause that weighs more than refusal is worth alone", () => {
    for (const cause of RISK_CAUSE_NAMES) {
      const steps = DEFAULT_RISK_MODEL.causes[cause];
      expect(steps.length).toBeGreaterThan(0);
      expect([...steps].sort((one, other) => one.from - other.from)).toEqual([...steps]);
      for (const { weight } of steps) expect(weight).toBeLessThan(DEFAULT_RISK_MODEL.bands.refuse);
    }
  });
});

describe("behaviour", () => {
  test("of whoever comes before his wait is over is held against account and device, and fades", async () => {
    const { clock, engine, begin, assess } = setting();
    const session = begin("ann");
    const throttled = { reason: "throttled", retryAfterMs: 1_000 } as const;
    for (let times = 0; times < 110; times += 1) {
      engine.refused(session, throttled);
      await clock.advance(50);
    }
    expect(assess(session)).toMatchObject({ band: "challenge", causes: ["hammering"] });
    const sameDevice = begin("bob");
    expect(assess(sameDevice).causes).toEqual(["hammering"]);
    await clock.advance(10 * DEFAULT_RISK_MODEL.halfLifeMs);
    expect(assess(session).score).toBe(0);
  });

  test("of whoever waits as he is told is held against nobody", async () => {
    const { clock, engine, begin, assess } = setting();
    const session = begin("ann");
    for (let times = 0; times < 200; times += 1) {
      engine.refused(session, { reason: "throttled", retryAfterMs: 1_000 });
      await clock.advance(1_000 + 37 * (times % 11));
    }
    expect(assess(session).score).toBe(0);
  });

  test("of whoever fails challenges is; a judge who was away is nobody's failure", () => {
    const { engine, begin, assess } = setting();
    const failed = (buyerId: string, cause: string): readonly string[] => {
      const session = begin(buyerId, { address: `198.51.100.${buyerId.length}` });
      for (let times = 0; times < 9; times += 1) {
        engine.refused(session, { reason: "challenge_failed", extra: { cause } });
      }
      return assess(session, { address: `198.51.100.${buyerId.length}` }).causes;
    };
    expect(failed("ann", "wrong")).toEqual(["failed_challenges"]);
    expect(failed("carol", "unavailable")).toEqual([]);
  });

  test("bad enough proposes a ban of the account, and of the device only when it is four times as bad", () => {
    const proposals: BanProposal[] = [];
    const { engine, begin } = setting({ propose: (proposal) => proposals.push(proposal) });
    const session = begin("ann");
    const from = DEFAULT_RISK_MODEL.bans.failed_challenges;
    for (let times = 0; times < from - 1; times += 1) engine.note(session, "failed_challenges");
    expect(proposals).toEqual([]);
    engine.note(session, "failed_challenges");
    expect(proposals).toEqual([{ kind: "buyer", subject: "ann", cause: "failed_challenges", figure: from }]);
    for (let times = 0; times < 3 * from; times += 1) engine.note(begin(`other-${times}`), "failed_challenges");
    expect(proposals.at(-1)).toMatchObject({ kind: "device", subject: session.device });
    const telephone = { agent: IPHONE, signals: { ...SIGNALS, touch: 5 } };
    for (let times = 0; times < 8 * from; times += 1) {
      engine.note(begin(`caller-${times}`, telephone), "failed_challenges");
    }
    expect(proposals.at(-1)?.subject).toBe(session.device);
  });

  test("of whoever left holds unpaid is held against him and his device, once for each", () => {
    const { engine, begin, assess } = setting();
    const farm = Array.from({ length: 40 }, (_, index) => begin(`buyer-${index}`, { address: "198.51.100.1" }));
    for (const session of farm) assess(session, { address: "198.51.100.1" });
    const ban = { kind: "buyer", reason: "", effect: "cool_down", origin: "automatic", createdAt: 0 } as const;
    const bans = farm.map(({ buyerId }) => ({ ...ban, id: `cd-${buyerId}`, subject: buyerId, expiresAt: null }));
    engine.learnBans(bans.slice(0, 16));
    engine.learnBans([...bans.slice(0, 16)]);
    const fresh = begin("fresh", { address: "198.51.100.1" });
    expect(assess(fresh, { address: "198.51.100.1" }).causes).toContain("dropped_holds");
    expect(assess(begin("stranger")).score).toBe(0);
    const before = engine.report().causes["dropped_holds"];
    expect(before).toBe(1);
  });

  test("as even as a clock's is", async () => {
    const { clock, begin, assess } = setting();
    const session = begin("ann");
    let last = assess(session);
    for (let times = 0; times < 30; times += 1) {
      await clock.advance(500);
      last = assess(session);
    }
    expect(last.causes).toEqual(["rhythm"]);
  });
});

describe("an operator", () => {
  test("who exempts somebody ends his score", () => {
    const asked: RiskSubject[] = [];
    const exemptions = {
      isExempt(subject: RiskSubject) {
        asked.push(subject);
        return subject.ipKey === "203.0.113.7";
      },
    };
    const { begin, assess } = setting({ exemptions });
    const visit = { signals: { ...SIGNALS, automation: true } };
    const session = begin("ann", visit);
    expect(assess(session).score).toBe(0);
    expect(assess(session, { address: "203.0.113.9" }).causes).toEqual(["session"]);
    expect(asked[0]).toEqual({ buyerId: "ann", device: session.device, ipKey: "203.0.113.7" });
  });

  test("reads how often each cause counted and who was suspicious lately, without an address", () => {
    const { engine, begin, assess } = setting();
    assess(begin("ann"));
    const session = begin("bot", { signals: { ...SIGNALS, automation: true } });
    for (let times = 0; times < 3; times += 1) assess(session);
    const report = engine.report();
    expect(report.bands).toEqual({ pass: 1, challenge: 3, slow_down: 0, refuse: 0 });
    expect(report.causes["session"]).toBe(3);
    expect(report.suspects).toHaveLength(1);
    expect(report.suspects[0]).toMatchObject({ buyerId: "bot", device: session.device, score: 45, band: "challenge" });
    expect(JSON.stringify(report)).not.toContain("203.0.113");
    for (let index = 0; index < 500; index += 1) {
      assess({ ...session, buyerId: `bot-${index}` as BuyerId, suspicion: 50 });
    }
    expect(engine.report().suspects).toHaveLength(100);
    expect(engine.report().suspects[0]?.buyerId).toBe("bot-499");
  });
});
