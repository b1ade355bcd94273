/**
 * Puzzles are drawn by a thread: shelves fill, empty and fill again, at a bounded pace, and outlive the thread's death.
 */
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import {
  DrawingThread,
  ORDER_INTERVAL_MS,
  READY_MAX,
  RESTART_DELAY_MS,
} from "../../src/adapters/drawing-thread/drawing-thread.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { decodePng } from "../support/png-decoder.ts";
import { RecordingLog } from "../support/recording-log.ts";
import { waitUntil } from "../support/waiting.ts";

const SHELVES = [
  ["arithmetic", "plain"],
  ["arithmetic", "hard"],
  ["slide", "plain"],
  ["slide", "hard"],
] as const;

/** Draws nothing: says instead, in every picture, the how-many-eth order it was. */
const COUNTING_PROGRAM = new URL(
  `data:text/javascript,${encodeURIComponent(`
  import { parentPort } from "node:worker_threads";
  let orders = 0;
  parentPort.on("message", ({ kind, level, count }) => {
    orders += 1;
    parentPort.postMessage({ kind, level, drawings: Array(count).fill({ image: String(orders) }) });
  });
`)}`,
);

let drawings: DrawingThread | null = null;
afterEach(async () => {
  await drawings?.stop();
  drawings = null;
});

function open(program?: URL) {
  const clock = new ManualClock();
  const log = new RecordingLog();
  const thread = new DrawingThread({ clock, log, ...(program === undefined ? {} : { program }) });
  drawings = thread;
  const ready = () => SHELVES.reduce((sum, [kind, level]) => sum + thread.readyCount(kind, level), 0);
  /** Lets one order be drawn and the next one go out. */
  const drawOnce = async () => {
    const before = ready();
    await waitUntil("an order to be drawn", () => ready() > before);
    await clock.advance(ORDER_INTERVAL_MS);
  };
  return { clock, log, thread, ready, drawOnce };
}

describe("the thread that draws", () => {
  test("has nothing before it is started, and puzzles of every kind and level soon after", async () => {
    const { thread, drawOnce } = open();
    assert.equal(thread.takeSlide("plain"), null);
    assert.equal(thread.takeArithmetic("hard"), null);
    thread.start();
    for (const _ of SHELVES) await drawOnce();
    const slide = thread.takeSlide("plain");
    const sum = thread.takeArithmetic("hard");
    assert.ok(slide !== null && sum !== null);
    assert.equal(decodePng(slide.image).widthPx, slide.widthPx);
    assert.equal(decodePng(sum.image).heightPx, sum.heightPx);
    assert.match(sum.words, /^What is .* minus .*\?$/);
  });

  test("gives each drawing once", async () => {
    const { thread, drawOnce } = open();
    thread.start();
    for (const _ of SHELVES) await drawOnce();
    const taken = new Set<string>();
    for (let drawing = thread.takeSlide("hard"); drawing !== null; drawing = thread.takeSlide("hard")) {
      assert.ok(!taken.has(drawing.image));
      taken.add(drawing.image);
    }
  });

  test("has one order out at a time and the next one a moment later, however often it is asked", async () => {
    const { clock, thread, ready } = open(COUNTING_PROGRAM);
    thread.start();
    for (let order = 1; order <= 10; order += 1) {
      await waitUntil("the order to come back", () => ready() > 0);
      for (let asked = 0; asked < 100; asked += 1) {
        const drawing = thread.takeSlide("plain") ?? thread.takeArithmetic("plain");
        if (drawing !== null) assert.equal(drawing.image, String(order));
        thread.takeSlide("hard");
        thread.takeArithmetic("hard");
      }
      assert.equal(ready(), 0);
      await clock.advance(ORDER_INTERVAL_MS);
    }
  });

  test("keeps no more than its bound ready", async () => {
    const { clock, thread, ready, drawOnce } = open();
    thread.start();
    while (ready() < SHELVES.length * READY_MAX) await drawOnce();
    await clock.advance(60_000);
    assert.deepEqual(
      SHELVES.map(([kind, level]) => thread.readyCount(kind, level)),
      SHELVES.map(() => READY_MAX),
    );
    assert.equal(clock.timerCount, 0);
  });

  test("is started again, after a pause, when it died", async () => {
    const { clock, log, thread } = open(new URL("data:text/javascript,throw new Error('broken')"));
    thread.start();
    for (let deaths = 1; deaths <= 3; deaths += 1) {
      await waitUntil("its death to be noticed", () => log.count("warn") === deaths);
      assert.equal(thread.takeSlide("plain"), null);
      assert.equal(clock.timerCount, 1);
      await clock.advance(RESTART_DELAY_MS);
    }
    assert.ok(log.count("error") > 0);
  });

  test("stops while an order is out, and starts no more", async () => {
    const { clock, thread } = open();
    thread.start();
    await thread.stop();
    thread.start();
    assert.equal(clock.timerCount, 0);
    assert.equal(thread.takeSlide("plain"), null);
  });
});
