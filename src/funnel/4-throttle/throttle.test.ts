/**
 * Buyers are limited per second and per minute, networks per second, and a ban comes before both.
 */
import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { evenRandom } from "../../../test/support/recording-log.ts";
import type { BuyerId } from "../../domain/ids.ts";
import { Throttle, type ThrottleLimits } from "./throttle.ts";

function setting(limits: Partial<ThrottleLimits>, trustedProxies: string[] = []) {
  const clock = new ManualClock();
  const banned = new Set<string>();
  const throttle = new Throttle({
    limits: { buyerPerS: 0, buyerPerMin: 0, ipPerS: 0, ...limits },
    trustedProxies,
    bans: { isBanned: ({ buyerId, ipKey }) => banned.has(buyerId ?? "") || banned.has(ipKey) },
    clock,
    random: evenRandom(),
  });
  const ask = (buyerId: string | null, remoteAddress = "203.0.113.7", forwarded: string | null = null) =>
    throttle.admit(
      { remoteAddress, header: (name) => (name === "x-forwarded-for" ? forwarded : null) },
      buyerId as BuyerId | null,
    );
  return { clock, banned, ask };
}

describe("throttle", () => {
  test("refuses the sixth request of a buyer within a second, with a wait that is long enough", async () => {
    const { clock, ask } = setting({ buyerPerS: 5 });
    for (let count = 0; count < 5; count += 1) expect(ask("ann")).toBeNull();
    const refusal = ask("ann");
    expect(refusal).toMatchObject({ reason: "throttled", retryAfterMs: 200 });
    expect(ask("bob")).toBeNull();
    await clock.advance(refusal?.retryAfterMs ?? 0);
    expect(ask("ann")).toBeNull();
  });

  test("refuses the hundred and first within a minute although each second was fine", async () => {
    const { clock, ask } = setting({ buyerPerS: 5, buyerPerMin: 100 });
    let passed = 0;
    for (let second = 0; second < 30; second += 1) {
      for (let count = 0; count < 5; count += 1) if (ask("ann") === null) passed += 1;
      await clock.advance(1_000);
    }
    // 100 at once, and one more for each 600 ms of the 30 s.
    expect(passed).toBeGreaterThanOrEqual(145);
    expect(passed).toBeLessThanOrEqual(150);
  });

  test("counts all addresses of one IPv6 /64 as one, and ten thousand of them still as one", () => {
    const { ask } = setting({ ipPerS: 50 });
    let passed = 0;
    for (let count = 0; count < 10_000; count += 1) {
      if (ask(`buyer-${count}`, `2001:db8:0:1::${count.toString(16)}`) === null) passed += 1;
    }
    expect(passed).toBe(50);
    expect(ask("other", "2001:db8:0:2::1")).toBeNull();
  });

  test("ten thousand invented X-Forwarded-For values do not help", () => {
    const { ask } = setting({ ipPerS: 50 });
    let passed = 0;
    for (let count = 0; count < 10_000; count += 1) {
      if (ask(`b${count}`, "203.0.113.7", `198.51.${count >> 8}.${count & 255}`) === null) passed += 1;
    }
    expect(passed).toBe(50);
  });

  test("behind a trusted proxy the clients are limited, not the proxy", () => {
    const { ask } = setting({ ipPerS: 1 }, ["10.0.0.0/8"]);
    expect(ask("a", "10.0.0.1", "198.51.100.1")).toBeNull();
    expect(ask("b", "10.0.0.1", "198.51.100.2")).toBeNull();
    expect(ask("c", "10.0.0.1", "198.51.100.1")).toMatchObject({ reason: "throttled" });
  });

  test("who is refused as a buyer does not use up his network's allowance", () => {
    const { ask } = setting({ buyerPerS: 1, ipPerS: 3 });
    for (let count = 0; count < 100; count += 1) ask("greedy");
    expect(ask("ann")).toBeNull();
    expect(ask("bob")).toBeNull();
    expect(ask("eve")).toMatchObject({ reason: "throttled" });
  });

  test("a ban on a buyer or on a network comes first, and costs no allowance", () => {
    const { banned, ask } = setting({ buyerPerS: 1 });
    banned.add("ann").add("198.51.100.9");
    expect(ask("ann")).toMatchObject({ reason: "banned" });
    expect(ask("bob", "198.51.100.9")).toMatchObject({ reason: "banned" });
    banned.clear();
    expect(ask("ann")).toBeNull();
  });

  test("limits of 0 are off", () => {
    const { ask } = setting({});
    for (let count = 0; count < 10_000; count += 1) expect(ask("ann")).toBeNull();
  });
});
