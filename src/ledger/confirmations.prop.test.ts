/**
 * Hints and answers meet in whatever order they come: nobody hears of a commit that was not his, nobody waits for ever.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { MemoryFeed } from "../../test/support/bucket-world.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";
import type { CommitHint } from "../ports/commit-feed.ts";
import type { Confirmation } from "../ports/ledger.ts";
import { Confirmations, EARLY_HINTS_MAX } from "./confirmations.ts";

const WAIT_MS = 100;

function setting() {
  const clock = new ManualClock();
  const feed = new MemoryFeed();
  const unclaimed: CommitHint[] = [];
  const onUnclaimed = (hint: CommitHint) => unclaimed.push(hint);
  const confirmations = new Confirmations({ commits: feed, clock, waitMs: WAIT_MS, onUnclaimed });
  confirmations.start();
  return { clock, feed, confirmations, unclaimed };
}

/** Entry n covers the numbers 10n+1 … 10n+10 of bucket 0; its hold ends at 1000 + n. */
const place = (entry: number) => ({
  itemId: 1,
  bucket: 0,
  epoch: 2,
  firstSeq: entry * 10 + 1,
  lastSeq: entry * 10 + 10,
});
const hintOf = (entry: number): CommitHint => ({ ...place(entry), holdUntil: 1_000 + entry });

const event = fc.oneof(
  fc.record({ kind: fc.constant("answer" as const), entry: fc.integer({ min: 0, max: 5 }) }),
  fc.record({ kind: fc.constant("hint" as const), entry: fc.integer({ min: 0, max: 5 }) }),
  fc.record({
    kind: fc.constant("repeat" as const),
    entry: fc.integer({ min: 0, max: 5 }),
    seq: fc.integer({ min: 1, max: 10 }),
  }),
  fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(1, 40, 60) }),
);

describe("confirmations", () => {
  test("each answer hears its own hint if it comes in time, before or after it, and null otherwise", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 40 }), async (events) => {
        const { clock, feed, confirmations } = setting();
        const waits: { entry: number; sinceMs: number; isRepeat: boolean; heard: Promise<Confirmation | null> }[] = [];
        const hints: { entry: number; atMs: number }[] = [];
        for (const each of events) {
          const nowMs = clock.monotonicMs();
          if (each.kind === "answer") {
            waits.push({
              entry: each.entry,
              sinceMs: nowMs,
              isRepeat: false,
              heard: confirmations.ofEntry(place(each.entry)),
            });
          } else if (each.kind === "repeat") {
            const seq = each.entry * 10 + each.seq;
            const heard = confirmations.ofSeq({ ...place(each.entry), seq });
            waits.push({ entry: each.entry, sinceMs: nowMs, isRepeat: true, heard });
          } else if (each.kind === "hint") {
            hints.push({ entry: each.entry, atMs: nowMs });
            feed.publish([hintOf(each.entry)]);
          } else await clock.advance(each.ms);
        }
        await clock.advance(WAIT_MS);
        expect(confirmations.waitingCount).toBe(0);
        expect(clock.timerCount).toBe(0);
        for (const { entry, sinceMs, isRepeat, heard } of waits) {
          const confirmation = await heard;
          if (confirmation !== null) expect(confirmation).toEqual({ status: "held", holdUntil: 1_000 + entry });
          const inTime = hints.filter(
            (hint) => hint.entry === entry && hint.atMs >= sinceMs && hint.atMs < sinceMs + WAIT_MS,
          );
          // The same instant may be before or after; what is certain is what came later and in time.
          if (inTime.some((hint) => hint.atMs > sinceMs)) expect(confirmation).not.toBeNull();
          const any = hints.some((hint) => hint.entry === entry && (!isRepeat || hint.atMs >= sinceMs));
          if (!any) expect(confirmation).toBeNull();
        }
      }),
      { numRuns: 300 },
    );
  });

  test("a hint that came before its answer is not missed, and counts once", async () => {
    const { feed, confirmations } = setting();
    feed.publish([hintOf(3)]);
    expect(await confirmations.ofEntry(place(3))).toEqual({ status: "held", holdUntil: 1_003 });
  });

  test("another bucket's, epoch's or item's hint is not ours", async () => {
    const { clock, feed, confirmations, unclaimed } = setting();
    const heard = confirmations.ofEntry(place(1));
    feed.publish([
      { ...hintOf(1), bucket: 1 },
      { ...hintOf(1), epoch: 3 },
      { ...hintOf(1), itemId: 2 },
    ]);
    await clock.advance(WAIT_MS);
    expect(await heard).toBeNull();
    expect(unclaimed.length).toBe(3);
  });

  test("an entry that did not become holds as a whole is nobody's confirmation", async () => {
    const { feed, confirmations } = setting();
    const heard = confirmations.ofEntry(place(1));
    feed.publish([{ ...hintOf(1), holdUntil: null }]);
    expect(await heard).toBeNull();
  });

  test("remembers a bounded number of hints that nobody waits for", async () => {
    const { feed, confirmations, clock } = setting();
    for (let entry = 0; entry <= EARLY_HINTS_MAX; entry += 1) feed.publish([hintOf(entry)]);
    const forgotten = confirmations.ofEntry(place(0));
    expect(await confirmations.ofEntry(place(1))).not.toBeNull();
    await clock.advance(WAIT_MS);
    expect(await forgotten).toBeNull();
  });

  test("stopping ends every wait; without a start nobody waits at all", async () => {
    const { confirmations, clock, feed } = setting();
    const heard = confirmations.ofEntry(place(1));
    confirmations.stop();
    expect(await heard).toBeNull();
    expect(clock.timerCount).toBe(0);
    const idle = new Confirmations({ commits: feed, clock, waitMs: WAIT_MS });
    expect(await idle.ofEntry(place(1))).toBeNull();
  });

  test("many answers share one timer", async () => {
    const { confirmations, clock } = setting();
    for (let entry = 0; entry < 50; entry += 1) {
      void confirmations.ofEntry(place(entry));
      await clock.advance(1);
    }
    expect(clock.timerCount).toBe(1);
  });
});
