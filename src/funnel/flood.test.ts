/**
 * Any number of strangers leaves nothing behind: what the funnel remembers of them has its full size before they come.
 *
 * The same flood against a real node, beside honest buyers, is `npm run floods`. Here the whole funnel runs in this
 * process, so that so many attempts take seconds, and what is held afterwards is known to the byte.
 */

import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { FunnelFixture } from "../../test/support/funnel-fixture.ts";

/** A million by night; by day fewer, which is as telling: what is left must not depend on it. */
const COUNT = process.env["RUNS"] === undefined ? 300_000 : 1_000_000;
const LIMITS = {
  buyerPerS: 5,
  buyerPerMin: 100,
  devicePerS: 500,
  ipPerS: 50,
  networkPerS: 1_000,
  totalPerS: 1_000_000,
};
/** What may be left in the heap of all of them: far less than a byte each. */
const LEFT_BYTES_MAX = COUNT;
/** Genuine sessions that come again are remembered, two generations of them (session-cache.ts). */
const SESSIONS = 100_000;
const SESSIONS_BYTES_MAX = 64_000_000;

/** Objects and their buffers that are still held, after everything unheld was collected. */
function heldBytes(): number {
  Bun.gc(true);
  const { heapSize, extraMemorySize } = heapStats();
  return heapSize + extraMemorySize;
}

/** Every index below 2^24 has an address of its own, and neighbours are far apart. */
function addressOf(index: number): string {
  const place = (index * 1_000_003) % 16_777_216;
  return `${11 + (place % 83)}.${(place >> 16) & 255}.${(place >> 8) & 255}.${place & 255}`;
}

async function flood(
  attempt: (fixture: FunnelFixture, index: number) => number,
  // Required, and nobody signs: nobody gets further than his session.
  signature: "required" | "optional" = "required",
): Promise<{ statuses: number[]; leftBytes: number }> {
  const fixture = await FunnelFixture.warm({
    sale: { signature },
    dependencies: { limits: LIMITS, telemetry: { decided: () => undefined } },
  });
  for (let index = 0; index < 20_000; index += 1) attempt(fixture, index);
  const beforeBytes = heldBytes();
  const statuses = new Set<number>();
  for (let index = 0; index < COUNT; index += 1) statuses.add(attempt(fixture, index));
  const leftBytes = heldBytes() - beforeBytes;
  await fixture.funnel.stop();
  return { statuses: [...statuses].sort(), leftBytes };
}

function decide(fixture: FunnelFixture, token: string, index: number): number {
  const answer = fixture.funnel.decide({
    method: "POST",
    saleId: "demo",
    sku: "one",
    pathAndQuery: "/v1/sales/demo/items/one/reservations",
    remoteAddress: addressOf(index),
    header: (name) => {
      if (name === "authorization") return `Bearer ${token}`;
      return name === "idempotency-key" ? "a-key-of-the-flood" : null;
    },
    readBody: async () => "stalled" as const,
  });
  return answer instanceof Promise ? 0 : answer.status;
}

describe("a flood", () => {
  test("of forged tokens, each from its own address, leaves nothing behind", async () => {
    const { statuses, leftBytes } = await flood((fixture, index) => {
      const name = index.toString(36).padStart(8, "0");
      return decide(fixture, `s2.session-${name}.buyer-${name}.zzzzzz.0.0.-.0.${"A".repeat(35)}${name}`, index);
    });
    expect(statuses).toEqual([401]);
    expect(leftBytes).toBeLessThan(LEFT_BYTES_MAX);
  }, 120_000);

  test("of genuine sessions that come once leaves nothing behind", async () => {
    const { statuses, leftBytes } = await flood((fixture, index) => decide(fixture, fixture.buyer().token, index));
    expect(statuses).toEqual([401]);
    expect(leftBytes).toBeLessThan(LEFT_BYTES_MAX);
  }, 120_000);

  test("of genuine sessions that come again is remembered as far as there is room, and no further", async () => {
    const { leftBytes } = await flood((fixture, index) => {
      if (index >= SESSIONS) return 0;
      const { token } = fixture.buyer();
      decide(fixture, token, index);
      return decide(fixture, token, index);
    });
    expect(leftBytes).toBeGreaterThan(LEFT_BYTES_MAX);
    expect(leftBytes).toBeLessThan(SESSIONS_BYTES_MAX);
  }, 120_000);

  test("of one buyer from ever other addresses leaves nothing behind, and does not free him", async () => {
    let token = "";
    const { statuses, leftBytes } = await flood((fixture, index) => {
      if (token === "" || index === 0) token = fixture.buyer({ buyerId: "greedy" }).token;
      return decide(fixture, token, index);
    }, "optional");
    expect(statuses).toContain(429);
    expect(leftBytes).toBeLessThan(LEFT_BYTES_MAX);
  }, 120_000);
});
