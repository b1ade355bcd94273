/**
 * The sale around a swarm: the audit is waited for, not what the ledger says before it; and a sale of the swarm's own is
 * closed, or it is said what is left to do.
 */
import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { type Audit, OperatorClient } from "../operator-client.ts";
import { auditWhenSettled, closeSwarmSale, mayBeMade } from "./swarm-sale.ts";

/** An operator API of a sale whose orders become what this says, one audit after the other; the ledger has accepted all. */
function behind(held: readonly number[]): { operator: OperatorClient; askedAtMs: number[]; clock: ManualClock } {
  const clock = new ManualClock();
  const askedAtMs: number[] = [];
  const rowOf = (units: number) => ({ sku: "b", total: 50, free: 0, granted: 50 - units, held: units - 1, sold: 1 });
  const other = { sku: "a", total: 900, free: 0, granted: 0, held: 900, sold: 0 };
  const call = async (_: string, path: string): Promise<unknown> => {
    if (!path.endsWith("/audit")) return { state: "open", mode: "redis", epoch: 1, items: [other, rowOf(50)] };
    askedAtMs.push(clock.monotonicMs());
    const units = held[Math.min(askedAtMs.length, held.length) - 1] ?? 0;
    return { balanced: true, items: [other, rowOf(units)], violations: [] };
  };
  return { operator: new OperatorClient({ call }), askedAtMs, clock };
}

async function settle(
  { operator, clock }: { operator: OperatorClient; clock: ManualClock },
  takenMin: number,
): Promise<Audit | null> {
  let audit: Audit | null = null;
  void auditWhenSettled(operator, { id: "s", sku: "b" }, { takenMin, clock }).then((one) => {
    audit = one;
  });
  await clock.advance(40_000);
  return audit;
}

function takenIn(audit: Audit | null): number | undefined {
  const item = audit?.items.find(({ sku }) => sku === "b");
  return item === undefined ? undefined : item.held + item.sold;
}

describe("the audit", () => {
  test("is asked again until the orders of the item are as many as were accepted, not more often than needed", async () => {
    const shop = behind([12, 30, 40]);
    expect(takenIn(await settle(shop, 40))).toBe(40);
    expect(shop.askedAtMs).toHaveLength(3);
    const gaps = shop.askedAtMs.slice(1).map((atMs, index) => atMs - (shop.askedAtMs[index] ?? 0));
    for (const gapMs of gaps) expect(gapMs >= 250 && gapMs <= 500).toBe(true);
  });

  test("needs no more units than the item has", async () => {
    const shop = behind([49, 50]);
    expect(takenIn(await settle(shop, 70))).toBe(50);
    expect(shop.askedAtMs).toHaveLength(2);
  });

  test("is taken as it is after half a minute", async () => {
    const shop = behind([12]);
    expect(takenIn(await settle(shop, 40))).toBe(12);
    expect(shop.askedAtMs.at(-1)).toBeGreaterThanOrEqual(30_000);
    expect(shop.askedAtMs.at(-1)).toBeLessThan(31_000);
  });
});

describe("closing", () => {
  /** Refuses to close with these words, one after the other, then closes. */
  async function close(refusals: readonly string[]): Promise<{ left: string | null; asked: readonly string[] }> {
    const clock = new ManualClock();
    const asked: string[] = [];
    const call = async (method: string, path: string): Promise<unknown> => {
      const words = refusals[asked.push(`${method} ${path}`) - 1];
      if (words !== undefined) throw new Error(words);
      return null;
    };
    const closing = closeSwarmSale(new OperatorClient({ call }), "swarm-1", clock);
    await clock.advance(10_000);
    return { left: await closing, asked };
  }

  test("is tried once more", async () => {
    const call = "POST /v1/admin/sales/swarm-1/close";
    expect(await close([])).toEqual({ left: null, asked: [call] });
    expect(await close(["reset"])).toEqual({ left: null, asked: [call, call] });
  });

  test("in vain says how to do it by hand", async () => {
    const { left, asked } = await close(["reset", "reset again", "and again"]);
    expect(asked).toHaveLength(2);
    expect(left).toContain("swarm-1 could not be closed (reset again)");
    expect(left).toContain("doorbuster sale close swarm-1");
  });

  test.each([
    ['POST /v1/admin/sales/swarm-1/close was answered with 404: {"reason":"no_such_sale"}'],
    ["http://127.0.0.1:8081/v1/admin/sales/swarm-1/close answered 404 no_such_sale: There is no such sale."],
  ])("what was never made leaves nothing to do: %s", async (words) => {
    expect(await close([words])).toMatchObject({ left: null, asked: { length: 1 } });
  });
});

describe("a sale whose making failed", () => {
  const judged = (failures: readonly Error[]): readonly string[] =>
    failures.filter(mayBeMade).map(({ message }) => message);

  test("is certainly not there when nobody listened, or said no", () => {
    const nobody = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:8081"), { code: "ECONNREFUSED" });
    const failures = [
      nobody,
      new TypeError("fetch failed", { cause: nobody }),
      Object.assign(new Error("Unable to connect."), { code: "ConnectionRefused" }),
      new Error("No answer from http://127.0.0.1:8081: the connection was refused.", { cause: nobody }),
      new Error("No answer from http://127.0.0.1:8081: …", { cause: new TypeError("fetch failed", { cause: nobody }) }),
      new Error('POST /v1/admin/sales was answered with 403: {"reason":"forbidden"}'),
      new Error("http://127.0.0.1:8081/v1/admin/sales answered 409 conflict"),
      new Error("http://127.0.0.1:8081/v1/admin/sales does not accept the operator token from ADMIN_TOKEN."),
    ];
    expect(judged(failures)).toEqual([]);
  });

  test("may be there when the answer was lost, or was that something went wrong", () => {
    const reset = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
    const failures = [
      new Error("The operation timed out."),
      new TypeError("fetch failed", { cause: reset }),
      new Error('POST /v1/admin/sales was answered with 503: {"reason":"unavailable"}'),
      new Error("http://127.0.0.1:8081/v1/admin/sales answered 500 internal"),
      new Error("http://127.0.0.1:8081/v1/admin/sales answered 408"),
    ];
    expect(judged(failures)).toHaveLength(failures.length);
  });
});
