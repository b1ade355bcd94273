/**
 * What the default weights cost honest people, crowd by crowd: the table of docs/operating/risk.md, computed.
 *
 * A change of a weight that makes somebody's evening worse shows here first.
 */
import { expect, test } from "bun:test";
import { ManualClock } from "../../../../test/support/manual-clock.ts";
import type { BuyerId, SessionId } from "../../../domain/ids.ts";
import { HmacKey } from "../../3-identity/hmac.ts";
import type { HotRequest } from "../../request.ts";
import type { RiskBand } from "./risk.ts";
import { RiskEngine } from "./risk-engine.ts";
import { DEFAULT_RISK_MODEL } from "./risk-model.ts";
import type { PageSignals } from "./signals.ts";

const COMPUTER: PageSignals = {
  automation: false,
  timeZone: "Europe/Berlin",
  languages: ["de-DE"],
  screen: { width: 1_920, height: 1_080, depth: 24 },
  hardwareConcurrency: 8,
  touch: 0,
};
const TELEPHONE: PageSignals = { ...COMPUTER, touch: 5, screen: { width: 393, height: 852, depth: 24 } };
const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:148.0) Gecko/20100101 Firefox/148.0";
const SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1";

interface Person {
  readonly address: string;
  readonly agent: string;
  /** Null: he comes by an app of the shop's, without the page. */
  readonly signals: PageSignals | null;
}

/** Computers differ in what is plugged in and how they are set up. */
const variant = (index: number): PageSignals => ({ ...COMPUTER, screen: { ...COMPUTER.screen, width: 1_280 + index } });
const ownAddress = (index: number): string => `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
/** Four of five telephones are one of three models. */
const model = (index: number): PageSignals => ({
  ...TELEPHONE,
  screen: { ...TELEPHONE.screen, height: 800 + (index % 5 === 4 ? index % 40 : index % 3) },
});

const CROWDS: Readonly<Record<string, { size: number; person: (index: number) => Person }>> = {
  "at home, each at an address of his own": {
    size: 5_000,
    person: (index) => ({ address: ownAddress(index), agent: SAFARI, signals: TELEPHONE }),
  },
  "a family of four on one connection": {
    size: 4,
    person: () => ({ address: "203.0.113.7", agent: SAFARI, signals: TELEPHONE }),
  },
  "an office of sixty, computers alike": {
    size: 60,
    person: () => ({ address: "203.0.113.7", agent: FIREFOX, signals: COMPUTER }),
  },
  "a school of five hundred, computers not alike": {
    size: 500,
    person: (index) => ({ address: "203.0.113.7", agent: FIREFOX, signals: variant(index) }),
  },
  "a carrier's address with a hundred telephones": {
    size: 100,
    person: (index) => ({ address: "203.0.113.7", agent: SAFARI, signals: model(index) }),
  },
  "a relay's address with a thousand telephones": {
    size: 1_000,
    person: (index) => ({ address: "203.0.113.7", agent: SAFARI, signals: model(index) }),
  },
  "the shop's own app, each at an address of his own": {
    size: 5_000,
    person: (index) => ({ address: ownAddress(index), agent: "ShopApp/3.1", signals: null }),
  },
};

/** How many of the crowd's first attempts stood in each band. */
function bandsOf({ size, person }: { size: number; person: (index: number) => Person }): Record<RiskBand, number> {
  const clock = new ManualClock();
  const engine = new RiskEngine({
    model: DEFAULT_RISK_MODEL,
    clock,
    deviceKey: new HmacKey(Buffer.alloc(32, 3)),
    sharedHash: { word0: 5, word1: 6 },
    trustedProxies: [],
    countsNetworks: true,
  });
  const counted = { pass: 0, challenge: 0, slow_down: 0, refuse: 0 };
  for (let index = 0; index < size; index += 1) {
    const { address, agent, signals } = person(index);
    const request: HotRequest = {
      method: "POST",
      saleId: "sale",
      sku: "one",
      pathAndQuery: "/",
      remoteAddress: address,
      header: (name) => (name === "user-agent" ? agent : null),
      readBody: async () => new Uint8Array(),
    };
    const buyerId = `buyer-${index}` as BuyerId;
    const begun = engine.beginSession({ request, signals, buyerId });
    const claims = { sessionId: "s" as SessionId, buyerId, expiresAt: 2e12, level: 0, accountCreatedAt: null };
    counted[engine.assess({ session: { ...claims, ...begun }, request }).band] += 1;
  }
  return counted;
}

test("honest crowds pass, or are asked for a challenge where very many share an address", () => {
  const rows = Object.entries(CROWDS).map(([name, crowd]) => [name, bandsOf(crowd)] as const);
  const shareOf = (name: string, band: RiskBand): number => {
    const bands = new Map(rows).get(name);
    const size = CROWDS[name]?.size ?? 1;
    return (bands?.[band] ?? 0) / size;
  };
  expect(shareOf("at home, each at an address of his own", "pass")).toBe(1);
  expect(shareOf("a family of four on one connection", "pass")).toBe(1);
  expect(shareOf("an office of sixty, computers alike", "challenge")).toBeLessThan(0.7);
  expect(shareOf("a school of five hundred, computers not alike", "challenge")).toBeLessThan(0.7);
  expect(shareOf("a carrier's address with a hundred telephones", "pass")).toBeGreaterThan(0.6);
  expect(shareOf("the shop's own app, each at an address of his own", "pass")).toBe(1);
  for (const [name, bands] of rows) expect([name, bands.slow_down + bands.refuse]).toEqual([name, 0]);
});
