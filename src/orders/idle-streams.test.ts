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
  const answers: (() => Promise<readonly (readonly StreamEntry[] | null)[]>)[] = [];
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

const active = { wasActive: true };
const quiet = { wasActive: false };

test("one question is asked for all; only those with news hear of it", async () => {
  const { clock, asked, answers, idle } = scene();
  const heard: string[] = [];
  for (const bucket of [0, 1, 2]) {
    const { news } = idle.wait(streamOf(bucket), active);
    void news.then(({ entries, isAll }) => heard.push(`${bucket}: ${entries.map(({ lastSeq }) => lastSeq)} ${isAll}`));
  }
  await clock.advance(8);
  expect(asked.length).toBeGreaterThan(1);
  expect(asked[0]).toEqual([0, 1, 2]);
  answers.push(async () => [[], [entry(7)], []]);
  await clock.advance(20);
  expect(heard).toEqual(["1: 7 true"]);
  expect(asked.at(-1)).toEqual([0, 2]);
  await clock.advance(WAIT_MS_MAX + 100);
  expect(heard).toEqual(["1: 7 true", "0:  true", "2:  true"]);
  expect(clock.timerCount).toBe(0);
});

test("questions come quickly after news and ever more seldom without, until somebody who was active waits again", async () => {
  const { clock, asked, idle } = scene();
  idle.wait(streamOf(0), active);
  await clock.advance(40);
  expect(asked.length).toBeGreaterThanOrEqual(3);
  await clock.advance(300);
  asked.length = 0;
  await clock.advance(400);
  expect(asked.length).toBeLessThanOrEqual(5);
  idle.wait(streamOf(1), quiet);
  asked.length = 0;
  await clock.advance(10);
  expect(asked.length).toBeLessThanOrEqual(1);
  idle.wait(streamOf(2), active);
  asked.length = 0;
  await clock.advance(10);
  expect(asked.length).toBeGreaterThanOrEqual(2);
});

test("a stream with more than one answer holds is read on by its lane", async () => {
  const { clock, answers, idle } = scene();
  answers.push(async () => [Array.from({ length: 8 }, (_, index) => entry(index + 1))]);
  const { news } = idle.wait(streamOf(0), active);
  await clock.advance(5);
  const { entries, isAll } = await news;
  expect([entries.length, isAll]).toEqual([8, false]);
});

test("whoever gives up is let go at once, and while his stream is being read gets what was read", async () => {
  const { clock, answers, idle } = scene();
  const early = idle.wait(streamOf(0), active);
  early.cancel();
  expect((await early.news).entries).toEqual([]);
  expect(clock.timerCount).toBe(0);
  const answer = Promise.withResolvers<readonly (readonly StreamEntry[])[]>();
  answers.push(() => answer.promise);
  const late = idle.wait(streamOf(0), active);
  await clock.advance(100);
  late.cancel();
  answer.resolve([[entry(3)]]);
  expect((await late.news).entries).toEqual([entry(3)]);
  expect(clock.timerCount).toBe(0);
});

test("when the servers do not answer everybody looks for himself", async () => {
  const { clock, answers, idle } = scene();
  answers.push(() => Promise.reject(new Fault("LEDGER_UNAVAILABLE")));
  const waits = [0, 1].map((bucket) => idle.wait(streamOf(bucket), active));
  await clock.advance(100);
  const unknown = { entries: [], isAll: false };
  expect(await Promise.all(waits.map(({ news }) => news))).toEqual([unknown, unknown]);
});

test("a stream whose server does not answer keeps nobody from what was read of the others", async () => {
  const { clock, answers, idle } = scene();
  answers.push(async () => [null, [entry(5)]]);
  const waits = [0, 1].map((bucket) => idle.wait(streamOf(bucket), active));
  await clock.advance(5);
  expect(await Promise.all(waits.map(({ news }) => news))).toEqual([
    { entries: [], isAll: false },
    { entries: [entry(5)], isAll: true },
  ]);
});

test("while nothing may be read nothing is, and the waiting has its end", async () => {
  const { clock, asked, state, idle } = scene();
  state.isPaused = true;
  const { news } = idle.wait(streamOf(0), active);
  await clock.advance(WAIT_MS_MAX + 300);
  expect((await news).entries).toEqual([]);
  expect(asked).toEqual([]);
});

test("who is woken reads by himself: at once, or after the reading that was under way", async () => {
  const { clock, asked, answers, idle } = scene();
  const heard: string[] = [];
  const wait = (bucket: number) => {
    const { news } = idle.wait(streamOf(bucket), quiet);
    void news.then(({ entries, isAll }) => heard.push(`${bucket}: ${entries.length} ${isAll}`));
  };
  wait(0);
  wait(1);
  idle.wake(streamOf(1));
  idle.wake({ ...streamOf(0), epoch: 1 });
  await clock.advance(0);
  expect([heard, asked]).toEqual([["1: 0 false"], []]);
  const reading = Promise.withResolvers<readonly (readonly StreamEntry[])[]>();
  answers.push(() => reading.promise);
  await clock.advance(5);
  idle.wake(streamOf(0));
  await clock.advance(0);
  expect(heard).toEqual(["1: 0 false"]);
  reading.resolve([[]]);
  await clock.advance(0);
  expect(heard).toEqual(["1: 0 false", "0: 0 false"]);
  expect(clock.timerCount).toBe(0);
});
