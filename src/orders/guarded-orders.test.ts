/**
 * While the database answers nobody, nobody waits for it; once it is back, a crowd comes back little by little.
 */
import { expect, test } from "bun:test";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { evenRandom, RecordingLog } from "../../test/support/recording-log.ts";
import { Fault, type FaultCode, isFault } from "../domain/faults.ts";
import type { Rid } from "../domain/ids.ts";
import { type BuyerOrders, createGuardedOrders, DATABASE_BREAKER } from "./guarded-orders.ts";

const TIME_OUT_MS = 3_000;

function setting() {
  const clock = new ManualClock();
  const log = new RecordingLog();
  const database: { calls: number; fault: FaultCode | null; tookMs: number } = { calls: 0, fault: null, tookMs: 0 };
  const ask = async (): Promise<null> => {
    database.calls += 1;
    if (database.tookMs > 0) await new Promise<void>((resolve) => clock.setTimer(database.tookMs, resolve));
    if (database.fault !== null) throw new Fault(database.fault);
    return null;
  };
  const orders = { findOrder: ask, listOrdersOfBuyer: async () => (await ask()) ?? [], cancelHold: ask } as BuyerOrders;
  const durations: number[] = [];
  const guarded = createGuardedOrders({
    orders,
    clock,
    random: evenRandom(),
    log,
    onDuration: (durationMs) => durations.push(durationMs),
  });
  const read = () => guarded.findOrder("rid" as Rid).catch((error: unknown) => error);
  return { clock, log, database, guarded, durations, read };
}

/** A database that lets everybody wait for nothing, until the breaker has noticed. */
async function goneAway() {
  const world = setting();
  world.database.fault = "DATABASE_UNAVAILABLE";
  world.database.tookMs = TIME_OUT_MS;
  const crowd = Array.from({ length: DATABASE_BREAKER.failuresInRowMax }, () => world.read());
  await world.clock.advance(TIME_OUT_MS);
  await Promise.all(crowd);
  return world;
}

test("refuses at once after so many failures in a row, and says so once", async () => {
  const { database, read, log, durations } = await goneAway();
  const before = database.calls;
  for (let again = 0; again < 50; again += 1) expect(isFault(await read(), "DATABASE_UNAVAILABLE")).toBe(true);
  expect(database.calls).toBe(before);
  expect(log.count("warn")).toBe(1);
  expect(durations).toEqual(Array.from({ length: DATABASE_BREAKER.failuresInRowMax }, () => TIME_OUT_MS));
});

test("asks with one call after the pause; while that fails, with one call a pause", async () => {
  const { clock, database, read } = await goneAway();
  const before = database.calls;
  await clock.advance(DATABASE_BREAKER.pauseMsMax);
  const asked = Array.from({ length: 20 }, () => read());
  expect(database.calls - before).toBe(1);
  await clock.advance(TIME_OUT_MS);
  await Promise.all(asked);
  await clock.advance(DATABASE_BREAKER.pauseMsMax);
  void read();
  void read();
  expect(database.calls - before).toBe(2);
});

test("lets a crowd back little by little, and a few at once always", async () => {
  const { clock, database, read, log } = await goneAway();
  await clock.advance(DATABASE_BREAKER.pauseMsMax);
  database.fault = null;
  const probe = read();
  await clock.advance(TIME_OUT_MS);
  expect(await probe).toBeNull();
  expect(log.count("info")).toBe(1);
  const pressed = async () => {
    const before = database.calls;
    const crowd = Array.from({ length: 200 }, () => read());
    const letIn = database.calls - before;
    await clock.advance(TIME_OUT_MS);
    await Promise.all(crowd);
    return letIn;
  };
  database.tookMs = 1;
  const atFirst = await pressed();
  expect(atFirst).toBeGreaterThanOrEqual(DATABASE_BREAKER.rampCallsMin);
  expect(atFirst).toBeLessThan(100);
  expect(await pressed()).toBe(200);
});

test("what the database refuses is an answer, and passes through", async () => {
  const { database, read, guarded } = setting();
  database.fault = "DATABASE_CONFLICT";
  for (let again = 0; again < 50; again += 1) expect(isFault(await read(), "DATABASE_CONFLICT")).toBe(true);
  database.fault = null;
  expect(await read()).toBeNull();
  expect(await guarded.listOrdersOfBuyer({} as never)).toEqual([]);
});
