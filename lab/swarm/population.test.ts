/**
 * The crowd is reproducible, mixed as announced, and large enough to want everything several times over.
 */
import { describe, expect, test } from "bun:test";
import { addressOf, type CrowdShape, POPULATION_SHARES, POPULATIONS, planBuyer } from "./population.ts";

const SHAPE: CrowdShape = {
  seed: 5,
  items: [
    { stock: 6_000, perBuyerMax: 2 },
    { stock: 3_000, perBuyerMax: 2 },
    { stock: 1_000, perBuyerMax: 2 },
  ],
  rushMs: 10_000,
  arrivals: "rush",
  thinkMsMax: 8_000,
};
const PLANS = Array.from({ length: 50_000 }, (_, index) => planBuyer(SHAPE, index));

describe("the crowd", () => {
  test("is the same for the same seed and another one for another seed", () => {
    expect(PLANS.slice(0, 500)).toEqual(Array.from({ length: 500 }, (_, index) => planBuyer(SHAPE, index)));
    const other = planBuyer({ ...SHAPE, seed: 6 }, 17);
    expect(other).not.toEqual(planBuyer(SHAPE, 17));
  });

  test("has every population in its share", () => {
    expect(POPULATIONS.reduce((sum, population) => sum + POPULATION_SHARES[population], 0)).toBeCloseTo(1, 9);
    for (const population of POPULATIONS) {
      const share = PLANS.filter((plan) => plan.population === population).length / PLANS.length;
      expect(Math.abs(share - POPULATION_SHARES[population])).toBeLessThan(0.005);
    }
  });

  test("comes mostly in the first seconds, and only early birds come early", () => {
    const punctual = PLANS.filter((plan) => plan.population !== "early_bird");
    const early = PLANS.filter((plan) => plan.population === "early_bird");
    expect(early.every((plan) => plan.arrivalMs <= 0)).toBe(true);
    expect(punctual.every((plan) => plan.arrivalMs >= 0 && plan.arrivalMs <= SHAPE.rushMs)).toBe(true);
    const firstThird = punctual.filter((plan) => plan.arrivalMs < SHAPE.rushMs / 3).length / punctual.length;
    expect(firstThird).toBeGreaterThan(0.5);
  });

  test("wants every item several times over, and never asks for more than the limit unless greedy", () => {
    SHAPE.items.forEach((item, itemIndex) => {
      const wanted = PLANS.filter((plan) => plan.itemIndex === itemIndex);
      expect(wanted.reduce((sum, plan) => sum + plan.quantity, 0)).toBeGreaterThan(item.stock);
      expect(wanted.every((plan) => plan.quantity >= 1 && plan.quantity <= item.perBuyerMax)).toBe(true);
    });
  });

  test("comes from as many addresses as it has buyers", () => {
    const addresses = new Set(Array.from({ length: 100_000 }, (_, index) => addressOf(index)));
    expect(addresses.size).toBe(100_000);
    expect(addresses.has("10.0.0.1")).toBe(true);
  });
});
