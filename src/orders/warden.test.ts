/** Cool-downs are made while there are any, forgetting is seldom, and a store that fails is asked again. */
import { expect, test } from "bun:test";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { evenRandom, RecordingLog } from "../../test/support/recording-log.ts";
import { createWarden } from "./warden.ts";

function setting(coolDownMsMax = 1_000) {
  const clock = new ManualClock();
  const state = { due: [] as number[], asked: 0, forgotten: 0, fails: false };
  const bans = {
    async coolDown() {
      state.asked += 1;
      if (state.fails) throw new Error("no database");
      return state.due.shift() ?? 0;
    },
    async forget() {
      state.forgotten += 1;
    },
  };
  const warden = createWarden({ bans, coolDownMsMax, clock, random: evenRandom(), log: new RecordingLog() });
  warden.start();
  return { clock, state, warden };
}

test("takes batches until there are none, each second", async () => {
  const { clock, state, warden } = setting();
  state.due = [1_000, 1_000, 3];
  await clock.advance(1_500);
  expect(state.asked).toBe(3);
  await clock.advance(1_500);
  expect(state.asked).toBeGreaterThan(3);
  expect(state.asked).toBeLessThan(7);
  await warden.stop();
  expect(clock.timerCount).toBe(0);
});

test("forgets what is over once an hour", async () => {
  const { clock, state, warden } = setting();
  await clock.advance(59 * 60_000);
  expect(state.forgotten).toBe(1);
  await clock.advance(3 * 60_000);
  expect(state.forgotten).toBe(2);
  await warden.stop();
});

test("asks again after a failure, and asks for nothing where cool-downs are off", async () => {
  const failing = setting();
  failing.state.fails = true;
  await failing.clock.advance(1_500);
  failing.state.fails = false;
  await failing.clock.advance(30_000);
  expect(failing.state.forgotten).toBe(1);
  await failing.warden.stop();
  const off = setting(0);
  await off.clock.advance(10_000);
  expect(off.state.asked).toBe(0);
  await off.warden.coolDown();
  expect(off.state.asked).toBe(0);
  await off.warden.stop();
});

test("makes what is due at once when it is asked to, waits until nodes heard of it, and says when it could not", async () => {
  const { clock, state, warden } = setting();
  state.due = [1_000, 2];
  let isDone = false;
  const done = warden.coolDown().then(() => {
    isDone = true;
  });
  await clock.advance(100);
  expect([state.asked, isDone]).toEqual([2, false]);
  await clock.advance(300);
  expect(isDone).toBe(true);
  await done;
  await warden.coolDown();
  state.fails = true;
  await expect(warden.coolDown()).rejects.toThrow("no database");
  await warden.stop();
});
