/**
 * The one session is shared fairly enough: the hot path first, nobody for ever last, and one at a time.
 */
import { describe, expect, test } from "bun:test";
import { isFault } from "../../domain/faults.ts";
import { HOT_IN_ROW_MAX, type Lane, SessionTurns, TURNS_WAITING_MAX } from "./session-turns.ts";

/** Occupies the session until released, and records in which order the others came. */
function occupied(): {
  turns: SessionTurns;
  order: string[];
  enter: (lane: Lane, name: string) => Promise<void>;
  release: () => void;
} {
  const turns = new SessionTurns();
  const order: string[] = [];
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  void turns.run("general", () => held);
  const enter = (lane: Lane, name: string): Promise<void> =>
    turns.run(lane, async () => {
      order.push(name);
      await Promise.resolve();
    });
  return { turns, order, enter, release };
}

describe("turns of the session", () => {
  test("go to the hot lane first, however long the general lane has waited", async () => {
    const { order, enter, release } = occupied();
    const all = [enter("general", "g1"), enter("general", "g2"), enter("hot", "h1"), enter("hot", "h2")];
    release();
    await Promise.all(all);
    expect(order).toEqual(["h1", "h2", "g1", "g2"]);
  });

  test("go to the general lane once after every few hot ones", async () => {
    const { order, enter, release } = occupied();
    const hot = Array.from({ length: 2 * HOT_IN_ROW_MAX + 1 }, (_, index) => enter("hot", `h${index}`));
    const general = [enter("general", "g0"), enter("general", "g1")];
    release();
    await Promise.all([...hot, ...general]);
    expect(order.indexOf("g0")).toBe(HOT_IN_ROW_MAX);
    expect(order.indexOf("g1")).toBe(2 * HOT_IN_ROW_MAX + 1);
  });

  test("are never two at once, also when work fails", async () => {
    const turns = new SessionTurns();
    let inside = 0;
    let insideMax = 0;
    const work = (index: number) => async (): Promise<void> => {
      inside += 1;
      insideMax = Math.max(insideMax, inside);
      await Promise.resolve();
      inside -= 1;
      if (index % 3 === 0) throw new Error("failed");
    };
    const settled = await Promise.allSettled(
      Array.from({ length: 50 }, (_, index) => turns.run(index % 2 === 0 ? "hot" : "general", work(index))),
    );
    expect(insideMax).toBe(1);
    expect(settled.filter((one) => one.status === "rejected")).toHaveLength(17);
    expect(await turns.run("general", async () => "free again")).toBe("free again");
  });

  test("are not waited for by more than the bound: the next one is turned away at once", async () => {
    const { turns, release } = occupied();
    const waiting = Array.from({ length: TURNS_WAITING_MAX }, () => turns.run("general", async () => undefined));
    const failure = await turns.run("hot", async () => undefined).catch((error: unknown) => error);
    expect(isFault(failure, "DATABASE_UNAVAILABLE")).toBe(true);
    release();
    await Promise.all(waiting);
  });

  test("are not waited for without end", async () => {
    const { order, enter, release } = occupied();
    const failure = await enter("hot", "never").catch((error: unknown) => error);
    expect(isFault(failure, "DATABASE_UNAVAILABLE")).toBe(true);
    release();
    await enter("general", "next");
    expect(order).toEqual(["next"]);
  });
});
