/** One attempt at a time per buyer and sale; the same one again is no other. */
import { describe, expect, test } from "bun:test";
import type { BuyerId, SaleId } from "../../domain/ids.ts";
import { LiveAttempts } from "./live-attempts.ts";

const ANN = { saleId: "sale" as SaleId, buyerId: "ann" as BuyerId };

describe("live attempts", () => {
  test("of one buyer wait for each other, and not for anybody else's or another sale's", () => {
    const live = new LiveAttempts();
    expect(live.begin({ ...ANN, key: "first-key" })).toBeNull();
    expect(live.begin({ ...ANN, key: "other-key" })).toMatchObject({ reason: "throttled", retryAfterMs: 250 });
    expect(live.begin({ ...ANN, buyerId: "bob" as BuyerId, key: "other-key" })).toBeNull();
    expect(live.begin({ ...ANN, saleId: "another" as SaleId, key: "other-key" })).toBeNull();
  });

  test("of the same key go on together, and the last one that ends makes way", () => {
    const live = new LiveAttempts();
    live.begin({ ...ANN, key: "first-key" });
    expect(live.begin({ ...ANN, key: "first-key" })).toBeNull();
    live.end(ANN);
    expect(live.begin({ ...ANN, key: "other-key" })).not.toBeNull();
    live.end(ANN);
    expect(live.begin({ ...ANN, key: "other-key" })).toBeNull();
  });

  test("leave nothing behind", () => {
    const live = new LiveAttempts();
    for (let index = 0; index < 1_000; index += 1) {
      const attempt = { saleId: ANN.saleId, buyerId: `buyer-${index}` as BuyerId };
      live.begin({ ...attempt, key: "some-key" });
      live.end(attempt);
    }
    expect(live.size).toBe(0);
  });
});
