/**
 * Buyers are limited per second and per minute, networks per second, and a ban comes before both.
 */
import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { evenRandom } from "../../../test/support/recording-log.ts";
import type { BuyerId, SaleId } from "../../domain/ids.ts";
import { AsnTable } from "./asn-table.ts";
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
    asns: AsnTable.parse("198.18.0.0/15 64500\n2001:db8::/32 64500\n203.0.113.0/24 64501"),
  });
  const ask = (buyerId: string | null, remoteAddress = "203.0.113.7", forwarded: string | null = null) =>
    throttle.admit(
      { remoteAddress, header: (name) => (name === "x-forwarded-for" ? forwarded : null) },
      buyerId === null ? null : { buyerId: buyerId as BuyerId, device: "" },
      null,
    );
  /** An attempt that may differ in everything that is limited. */
  const attempt = (who: { buyer?: string; device?: string; address?: string; sale?: string }) =>
    throttle.admit(
      { remoteAddress: who.address ?? "203.0.113.7", header: () => null },
      { buyerId: (who.buyer ?? "ann") as BuyerId, device: who.device ?? "" },
      (who.sale ?? "demo") as SaleId,
    );
  return { clock, banned, ask, attempt, throttle };
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

describe("throttle of what buyers share", () => {
  const crowd = Array.from({ length: 30_000 }, (_, index) => index);
  const passed = (answers: readonly unknown[]) => answers.filter((answer) => answer === null).length;

  test("counts buyers of one device as one, wherever they come from, and those without a device apart", () => {
    const { attempt } = setting({ devicePerS: 40 });
    const farm = crowd.map((index) =>
      attempt({ buyer: `b${index}`, device: "AAAAAAAAAAAA", address: `10.0.0.${index % 256}` }),
    );
    expect(passed(farm)).toBe(40);
    expect(attempt({ device: "BBBBBBBBBBBB" })).toBeNull();
    expect(passed(crowd.map((index) => attempt({ buyer: `b${index}` })))).toBe(crowd.length);
  });

  test("counts all addresses of a /24 and of a /48 as one network", () => {
    const { attempt } = setting({ ipPerS: 50, networkPerS: 200 });
    const ipv4 = crowd.map((index) => attempt({ buyer: `b${index}`, address: `198.51.100.${index % 256}` }));
    expect(passed(ipv4)).toBe(200);
    expect(attempt({ address: "198.51.101.1" })).toBeNull();
    const ipv6 = crowd.map((index) => attempt({ buyer: `b${index}`, address: `2001:db8:7:${index.toString(16)}::1` }));
    expect(passed(ipv6)).toBe(200);
    expect(attempt({ address: "2001:db8:8::1" })).toBeNull();
  });

  test("counts all networks of a system as one, in both families, and leaves the unknown alone", () => {
    const { attempt } = setting({ networkPerS: 50, asnPerS: 300 });
    const rented = crowd.map((index) => {
      const address = index % 2 === 0 ? `198.18.${index % 251}.${index % 13}` : `2001:db8:${index.toString(16)}::1`;
      return attempt({ buyer: `b${index}`, address });
    });
    expect(passed(rented)).toBe(300);
    expect(attempt({ address: "203.0.113.9" })).toBeNull();
    const unknown = crowd.map((index) => attempt({ address: `10.${index % 256}.${index >> 8}.1` }));
    expect(passed(unknown)).toBe(crowd.length);
  });

  test("a crowd without anything in common is held by the limits of its sale, and of all sales", () => {
    const { attempt } = setting({ salePerS: 1_000, totalPerS: 1_500 });
    const one = crowd.map((index) => attempt({ buyer: `b${index}`, address: `10.${index % 256}.${index >> 8}.1` }));
    expect(passed(one)).toBe(1_000);
    expect(passed(crowd.map(() => attempt({ sale: "other" })))).toBe(500);
  });

  test("names the longest of the waits, which is exactly long enough", async () => {
    const { clock, attempt } = setting({ buyerPerS: 5, devicePerS: 4, ipPerS: 10 });
    for (let count = 0; count < 4; count += 1) expect(attempt({ device: "AAAAAAAAAAAA" })).toBeNull();
    const refusal = attempt({ device: "AAAAAAAAAAAA" });
    expect(refusal).toMatchObject({ reason: "throttled", retryAfterMs: 250 });
    await clock.advance(249);
    expect(attempt({ device: "AAAAAAAAAAAA" })?.reason).toBe("throttled");
    await clock.advance(1);
    expect(attempt({ device: "AAAAAAAAAAAA" })).toBeNull();
  });

  test("a request that one limit holds back costs nothing of the others", () => {
    const { attempt } = setting({ devicePerS: 1, networkPerS: 3, totalPerS: 3 });
    for (let count = 0; count < 100; count += 1) attempt({ device: "AAAAAAAAAAAA" });
    expect(attempt({ device: "BBBBBBBBBBBB" })).toBeNull();
    expect(attempt({ device: "CCCCCCCCCCCC" })).toBeNull();
    expect(attempt({ device: "DDDDDDDDDDDD" })?.reason).toBe("throttled");
  });

  test("tells how often each limit held somebody back, and is silent about those that are off", () => {
    const { attempt, throttle } = setting({ devicePerS: 1, ipPerS: 2 });
    for (let count = 0; count < 10; count += 1) attempt({ device: "AAAAAAAAAAAA" });
    expect([...throttle.refusals()]).toEqual([
      ["device", 9],
      ["ip", 0],
    ]);
  });
});
