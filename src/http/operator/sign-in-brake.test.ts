/**
 * A guesser has a handful of tries a minute, and not a handful for each node that he finds.
 */
import { describe, expect, test } from "bun:test";
import { ManualClock, settle } from "../../../test/support/manual-clock.ts";
import { MemoryEdge } from "../../../test/support/memory-edge.ts";
import { evenRandom, RecordingLog } from "../../../test/support/recording-log.ts";
import { LimitExchange } from "../../funnel/4-throttle/limit-exchange.ts";
import { SignInBrake } from "./sign-in-brake.ts";

const HASH_KEY = { word0: 7, word1: 8 };
const ANN = { name: "Ann", address: "203.0.113.7" };

function deployment(nodeCount: number) {
  const clock = new ManualClock();
  const edge = new MemoryEdge(clock);
  const nodes = Array.from({ length: nodeCount }, () => {
    const parts = { clock, random: evenRandom() };
    const exchange = new LimitExchange({ ...parts, edge, hashKey: HASH_KEY, log: new RecordingLog() });
    return { exchange, brake: new SignInBrake({ ...parts, exchange }) };
  });
  /** Tries at each node in turn; answers how many were let through. */
  const guess = async (tries: number, who: (index: number) => typeof ANN = () => ANN): Promise<number> => {
    let passed = 0;
    for (let index = 0; index < tries; index += 1) {
      if (nodes[index % nodeCount]?.brake.waitMs(who(index)) === 0) passed += 1;
      await Promise.all(nodes.map(({ exchange }) => exchange.exchangeOnce()));
      await settle();
    }
    return passed;
  };
  return { clock, edge, guess };
}

describe("tries to sign in", () => {
  test("are counted on this node where there is no edge", () => {
    const brake = new SignInBrake({ clock: new ManualClock(), random: evenRandom(), exchange: null });
    const waits = Array.from({ length: 7 }, () => brake.waitMs(ANN));
    expect(waits.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
    expect(Math.min(...waits.slice(5))).toBeGreaterThan(11_000);
  });

  test("from one address at one name are five a minute over all nodes, whatever the case of the name", async () => {
    const { guess, clock } = deployment(4);
    const asked = await guess(40, (index) => (index % 2 === 0 ? ANN : { ...ANN, name: "aNN" }));
    // A node hears of a name when it is tried there: one more on each that had not heard of it.
    expect(asked).toBeGreaterThanOrEqual(5);
    expect(asked).toBeLessThanOrEqual(5 + 3);
    await clock.advance(3 * 60_000);
    expect(await guess(40)).toBeLessThanOrEqual(5 + 3);
  });

  test("at one name are twenty a minute over all nodes, from however many addresses", async () => {
    const { guess } = deployment(3);
    const asked = await guess(120, (index) => ({ ...ANN, address: `198.51.100.${index}` }));
    expect(asked).toBeGreaterThanOrEqual(20);
    expect(asked).toBeLessThanOrEqual(20 + 2);
  });

  test("are counted on each node while the edge is away", async () => {
    const { guess, edge } = deployment(3);
    edge.isAway = true;
    expect(await guess(30)).toBe(15);
  });
});
