/** The simulated fleet against cases that were worked out by hand. */
import { describe, expect, test } from "bun:test";
import { type FleetCosts, type FleetForm, simulateFleet } from "./fleet.ts";

const COSTS: FleetCosts = {
  nodeUs: 100,
  redisCallUs: 20,
  redisUnitUs: 10,
  workerUs: 1,
  postgresUs: 1,
  networkUs: 50,
};
const FORM: FleetForm = {
  nodes: 1,
  buyersPerNode: 1,
  workerCores: 1,
  postgresCores: 1,
  batchMax: 256,
  flightsMax: 2,
};

describe("a simulated fleet", () => {
  test("of one buyer is as fast as the way there and back: 100 + 50 + 20 + 10 + 50 µs", () => {
    const { burstPerS, meanBatch } = simulateFleet(COSTS, FORM);
    expect(burstPerS).toBeCloseTo(1_000_000 / 230, -1);
    expect(meanBatch).toBe(1);
  });

  test("whose Redis costs nothing is as fast as its nodes: each 10,000 a second at 100 µs", () => {
    const free = { ...COSTS, redisCallUs: 0, redisUnitUs: 0 };
    for (const nodes of [1, 3]) {
      const { burstPerS, limitedBy, nodeBusy } = simulateFleet(free, { ...FORM, nodes, buyersPerNode: 64 });
      expect(burstPerS / nodes).toBeCloseTo(10_000, -2);
      expect(limitedBy).toBe("nodes");
      expect(nodeBusy).toBeGreaterThan(0.99);
    }
  });

  test("with enough nodes is as fast as Redis: full batches of 8 take 20 + 8 × 10 µs, so 80,000 a second", () => {
    const form = { ...FORM, nodes: 40, buyersPerNode: 200, batchMax: 8 };
    const { burstPerS, limitedBy, meanBatch, redisBusy } = simulateFleet(COSTS, form);
    expect(meanBatch).toBeCloseTo(8, 5);
    expect(burstPerS).toBeCloseTo(80_000, -3);
    expect(limitedBy).toBe("redis");
    expect(redisBusy).toBeGreaterThan(0.99);
  });

  test("waits for answers when the network is far: 2 batches of 10 every 2 ms are 10,000 a second", () => {
    const far = { ...COSTS, nodeUs: 1, redisCallUs: 0, redisUnitUs: 0, networkUs: 1_000 };
    const { burstPerS, meanBatch } = simulateFleet(far, { ...FORM, buyersPerNode: 100, batchMax: 10 });
    expect(meanBatch).toBe(10);
    expect(burstPerS).toBeCloseTo(10_000, -2.5);
  });

  test("goes on only as fast as orders are written: 2 cores at 50 µs are 40,000 a second", () => {
    const costs = { ...COSTS, postgresUs: 50 };
    const form = { ...FORM, nodes: 40, buyersPerNode: 200, batchMax: 8, postgresCores: 2 };
    const { sustainedPerS, burstPerS, limitedBy } = simulateFleet(costs, form);
    expect(sustainedPerS).toBe(40_000);
    expect(burstPerS).toBeGreaterThan(70_000);
    expect(limitedBy).toBe("postgres");
  });

  test("batches more the more there is to do, and never more than a batch may hold", () => {
    const batches = [1, 8, 64, 512].map((buyersPerNode) => {
      return simulateFleet({ ...COSTS, nodeUs: 5 }, { ...FORM, nodes: 4, buyersPerNode, batchMax: 64 }).meanBatch;
    });
    expect([...batches].sort((left, right) => left - right)).toEqual(batches);
    expect(batches.at(-1)).toBeLessThanOrEqual(64);
  });

  test("gives the same answer twice", () => {
    const form = { ...FORM, nodes: 7, buyersPerNode: 33 };
    expect(simulateFleet(COSTS, form)).toEqual(simulateFleet(COSTS, form));
  });
});
