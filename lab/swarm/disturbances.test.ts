/**
 * Kills come one after the other in a sale in full swing, and what buyers noticed is what the figures said.
 */
import { describe, expect, test } from "bun:test";
import { type Disturbance, Disturber, formatDisturbances } from "./disturbances.ts";
import type { SaleReading } from "./operator-client.ts";
import { createSystemClock } from "./system-clock.ts";

const clock = createSystemClock();

/** A sale whose figures the test sets; `takenUnits` grows by `unitsPerLook` with every look while it sells. */
class ScriptedSale {
  reading: SaleReading = { state: "open", mode: "redis", epoch: 3, totalUnits: 1_000, takenUnits: 0, items: [] };
  unitsPerLook = 5;
  isReadable = true;
  readonly log: string[] = [];

  async readSale(): Promise<SaleReading> {
    if (!this.isReadable) throw new Error("503");
    const takenUnits = Math.min(this.reading.totalUnits, this.reading.takenUnits + this.unitsPerLook);
    this.reading = { ...this.reading, takenUnits };
    return this.reading;
  }

  victim(what: string, when: Partial<Disturbance> = {}): Disturbance {
    return {
      what,
      atShare: 0.02,
      latestMs: 5_000,
      awayMs: 30,
      kill: async () => void this.log.push(`kill ${what} at ${this.reading.takenUnits}`),
      restart: async () => void this.log.push(`restart ${what}`),
      ...when,
    };
  }
}

function disturb(sale: ScriptedSale, disturbances: readonly Disturbance[]) {
  const said: string[] = [];
  const say = (line: string): number => said.push(line);
  const disturber = new Disturber({ operator: sale, disturbances, homeMode: "redis", clock, say });
  return { disturber, said, run: () => disturber.duringRush({ saleId: "s", opensAtMs: clock.nowMs() }) };
}

describe("a disturber", () => {
  test("waits until the ledger has the sale before anybody may come", async () => {
    const sale = new ScriptedSale();
    sale.reading = { ...sale.reading, mode: "warming" };
    const { disturber, said } = disturb(sale, []);
    const ready = disturber.beforeRush("s");
    const early = await Promise.race([
      ready.then(() => "ready"),
      new Promise((done) => setTimeout(done, 120, "waits")),
    ]);
    expect(early).toBe("waits");
    sale.reading = { ...sale.reading, mode: "redis" };
    await ready;
    expect(said).toEqual(["The redis ledger decides about the sale (epoch 3)."]);
  });

  test("kills one after the other at their shares, and brings each back", async () => {
    const sale = new ScriptedSale();
    const { disturber, run } = disturb(sale, [sale.victim("a"), sale.victim("b", { atShare: 0.1 })]);
    await run();
    expect(sale.log.filter((line) => line.startsWith("restart")).sort()).toEqual(["restart a", "restart b"]);
    const killedAt = sale.log.flatMap((line) => /^kill \w at (\d+)$/.exec(line)?.[1] ?? []).map(Number);
    expect(killedAt[0]).toBeGreaterThanOrEqual(20);
    expect(killedAt[1]).toBeGreaterThanOrEqual(100);
    expect(disturber.results.map((result) => result.what)).toEqual(["a", "b"]);
    expect(disturber.results.every((result) => result.sellsAfterMs !== null && !result.isStuck)).toBe(true);
    expect(disturber.hasReturned).toBe(true);
  });

  test("counts from the kill to the first unit in the other mode, blind moments included", async () => {
    const sale = new ScriptedSale();
    const kill = async (): Promise<void> => {
      sale.isReadable = false;
      setTimeout(() => {
        sale.isReadable = true;
        sale.reading = { ...sale.reading, mode: "postgres", takenUnits: 10 };
        setTimeout(() => {
          sale.reading = { ...sale.reading, mode: "redis" };
        }, 200);
      }, 150);
    };
    const { disturber, said, run } = disturb(sale, [sale.victim("Redis", { kill, leavesMode: "redis" })]);
    await run();
    expect(disturber.results[0]?.sellsAfterMs).toBeGreaterThanOrEqual(150);
    expect(said.some((line) => line.includes("the sale is in postgres mode now"))).toBe(true);
    expect(said.at(-1)).toContain("the redis ledger decides");
    expect(formatDisturbances(disturber.results)).toMatch(/Redis +\d+ % +0\.\d s later/);
  });

  test("does not wait for buyers when everything is taken", async () => {
    const sale = new ScriptedSale();
    sale.unitsPerLook = 1_000;
    const { disturber, run } = disturb(sale, [sale.victim("a")]);
    await run();
    expect(disturber.results[0]).toMatchObject({ sellsAfterMs: null, isStuck: false });
    expect(formatDisturbances(disturber.results)).toContain("nothing was left");
  });

  test("a part that does not come back fails the run", async () => {
    const sale = new ScriptedSale();
    const restart = (): Promise<void> => Promise.reject(new Error("node a ended while it was starting"));
    const { run } = disturb(sale, [sale.victim("a", { restart })]);
    expect(run()).rejects.toThrow("node a ended while it was starting");
  });
});
