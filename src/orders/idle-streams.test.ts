/**
 * Waiting together: whoever is asked about gets an answer, and nothing that was read is dropped.
 */
import { expect, test } from "bun:test";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { RecordingLog } from "../../test/support/recording-log.ts";
import { Fault } from "../domain/faults.ts";
import type { StreamEntry } from "../ports/bucket-store.ts";
import { IdleStreams, WAIT_MS_MAX } from "./idle-streams.ts";

const entry = (lastSeq: number) => ({ firstSeq: lastSeq, lastSeq }) as StreamEntry;
const streamOf = (bucket: number) => ({ itemId: 1, bucket, epoch: 2 });

function scene() {
  const clock = new ManualClock();
  const asked: number[][] = [];
  const answers: (() => Promise<readonly (readonly StreamEntry[])[]>)[] = [];
  const state = { isPaused: false };
  const idle = new IdleStreams({
    store: {
      readNewOfEach: ({ streams }) => {
        asked.push(streams.map(({ bucket }) => bucket));
        return answers.shift()?.() ?? Promise.resolve(streams.map(() => []));
      },
    },
    consumerId: "w",
    isPaused: () => state.isPaused,
    clock,
    random: { fraction: () => 0.5 } as never,
    log: new RecordingLog(),
  });
  return { clock, asked, answers, state, idle };
}

test("one question is asked for all; only those with news hear of it", async () => {
  const { clock, asked, answers, idle } = scene();
  const waits = [0, 1, 2].map((bucket) => idle.wait(streamOf(bucket)));
  const heard: string[] = [];
  for (const [bucket, { entries }] of waits.entries()) {
    void entries.then((list) => heard.push(`${bucket}: ${list.map(({ lastSeq }) => lastSeq)}`));
  }
  await clock.advance(200);
  expect(asked).toEqual([
    [0, 1, 2],
    [0, 1, 2],
  ]);
  answers.push(async () => [[], [entry(7)], []]);
  await clock.advance(100);
  expect(heard).toEqual(["1: 7"]);
  await clock.advance(100);
  expect(asked.at(-1)).toEqual([0, 2]);
  await clock.advance(WAIT_MS_MAX);
  expect(heard).toEqual(["1: 7", "0: ", "2: "]);
  expect(clock.timerCount).toBe(0);
});

test("whoever gives up is let go at once, and while his stream is being read gets what was read", async () => {
  const { clock, answers, idle } = scene();
  const early = idle.wait(streamOf(0));
  early.cancel();
  expect(await early.entries).toEqual([]);
  expect(clock.timerCount).toBe(0);
  const answer = Promise.withResolvers<readonly (readonly StreamEntry[])[]>();
  answers.push(() => answer.promise);
  const late = idle.wait(streamOf(0));
  await clock.advance(100);
  late.cancel();
  answer.resolve([[entry(3)]]);
  expect(await late.entries).toEqual([entry(3)]);
  expect(clock.timerCount).toBe(0);
});

test("when the servers do not answer everybody looks for himself", async () => {
  const { clock, answers, idle } = scene();
  answers.push(() => Promise.reject(new Fault("LEDGER_UNAVAILABLE")));
  const waits = [0, 1].map((bucket) => idle.wait(streamOf(bucket)));
  await clock.advance(100);
  expect(await Promise.all(waits.map(({ entries }) => entries))).toEqual([[], []]);
});

test("while nothing may be read nothing is, and the waiting has its end", async () => {
  const { clock, asked, state, idle } = scene();
  state.isPaused = true;
  const { entries } = idle.wait(streamOf(0));
  await clock.advance(WAIT_MS_MAX + 100);
  expect(await entries).toEqual([]);
  expect(asked).toEqual([]);
});
