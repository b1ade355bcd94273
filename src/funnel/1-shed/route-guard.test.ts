/**
 * Places go to who wants to pay before who looks around, and their number follows the database.
 */
import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { BusyAdvice } from "./busy-advice.ts";
import { Ladder, PRIORITIES, STEPS } from "./ladder.ts";
import { PLACES_SHARE, RouteGuard } from "./route-guard.ts";

function setting() {
  const clock = new ManualClock();
  const loopDelay = { delayMs: 0 };
  const ladder = new Ladder({ loopDelay, memory: null, clock });
  const guard = new RouteGuard({ ladder, advice: new BusyAdvice(clock), clock });
  const endings: (() => void)[] = [];
  /** A request that lasts until its ending is called. */
  const begin = (priority: (typeof PRIORITIES)[number]) =>
    guard.run(
      { priority, needs: "database" },
      () => new Promise<"done">((resolve) => endings.push(() => resolve("done"))),
    );
  return { clock, loopDelay, guard, begin, endings };
}

describe("route guard", () => {
  test("each class fills its share of the places and no more, the better one what is left", async () => {
    const { guard, begin, endings } = setting();
    const running: Promise<unknown>[] = [];
    for (const priority of [...PRIORITIES].reverse()) {
      for (;;) {
        const before = endings.length;
        const answer = begin(priority);
        if (endings.length === before) {
          expect(await answer).toMatchObject({ reason: "busy" });
          break;
        }
        running.push(answer);
      }
      expect(guard.underWay).toBe(Math.ceil(guard.limit * PLACES_SHARE[priority]));
    }
    for (const end of endings) end();
    expect(new Set(await Promise.all(running))).toEqual(new Set(["done"]));
    expect(guard.underWay).toBe(0);
  });

  test("gives the place back when the work throws", async () => {
    const { guard } = setting();
    const failing = guard.run({ priority: "status", needs: "database" }, async () => {
      throw new RangeError("of the test");
    });
    await expect(failing).rejects.toBeInstanceOf(RangeError);
    expect(guard.underWay).toBe(0);
  });

  test("has fewer places while the database is slow, and more again when it is quick", async () => {
    const { clock, guard } = setting();
    const atStart = guard.limit;
    for (let round = 0; round < 20; round += 1) {
      guard.observe(800);
      await clock.advance(1_000);
    }
    const whenSlow = guard.limit;
    expect(whenSlow).toBeLessThan(atStart / 4);
    const busy = Array.from({ length: 20 }, () =>
      guard.run({ priority: "pay", needs: "database" }, () => new Promise(() => undefined)),
    );
    for (let round = 0; round < 20; round += 1) {
      guard.observe(2);
      await clock.advance(1_000);
    }
    expect(busy.length).toBe(20);
    expect(guard.limit).toBeGreaterThan(whenSlow);
  });

  test("what needs no database takes no place, and is shed by the ladder all the same", async () => {
    const { guard, loopDelay } = setting();
    const page = { priority: "browse", needs: "nothing" } as const;
    void guard.run(page, () => new Promise(() => undefined));
    expect(guard.underWay).toBe(0);
    loopDelay.delayMs = STEPS.browse.delayMs.to;
    expect(await guard.run(page, () => "page")).toMatchObject({ reason: "busy" });
    expect(await guard.run({ priority: "pay", needs: "database" }, () => "paid")).toBe("paid");
  });
});
