/**
 * The batcher's promises one by one: company, order, sharing, resending, fencing, giving up.
 */
import { describe, expect, test } from "bun:test";
import { attempt, batcherSetting, many } from "../../test/support/batcher-setting.ts";
import { settle } from "../../test/support/manual-clock.ts";
import type { Fate } from "../../test/support/memory-ledger.ts";
import { Fault } from "../domain/faults.ts";
import { BATCH_ATTEMPTS_MAX, CALL_DEADLINE_MS, CALLS_OPEN_MAX, FLIGHTS_MAX, GATHER_MS, TRIES_MAX } from "./batcher.ts";

describe("batcher", () => {
  test("sends a lone attempt after a millisecond of waiting for company", async () => {
    const { clock, ledger, batcher } = batcherSetting();
    const outcome = batcher.submit(attempt("r", "b"));
    await settle();
    expect(ledger.batches.length).toBe(0);
    await clock.advance(GATHER_MS);
    expect(await outcome).toMatchObject({ kind: "accepted", replayed: false });
    expect(ledger.batches.length).toBe(1);
  });

  test("sends attempts of the same millisecond together, in order of arrival", async () => {
    const { clock, ledger, batcher } = batcherSetting();
    const outcomes = many(100).map((each) => batcher.submit(each));
    await clock.advance(GATHER_MS);
    await Promise.all(outcomes);
    expect(ledger.batches.length).toBe(1);
    expect(ledger.batches[0]?.attempts.map((each) => each.rid as string)).toEqual(many(100).map((each) => each.rid));
  });

  test("sends a full batch at once, and never more than two at a time", async () => {
    const { clock, ledger, batcher } = batcherSetting(2_000);
    const gates: (() => void)[] = [];
    ledger.delay = () => new Promise((resolve) => gates.push(resolve));
    const outcomes = many(4 * BATCH_ATTEMPTS_MAX).map((each) => batcher.submit(each));
    await settle();
    expect(ledger.batches.length).toBe(FLIGHTS_MAX);
    expect(ledger.batches.map((batch) => batch.attempts.length)).toEqual([BATCH_ATTEMPTS_MAX, BATCH_ATTEMPTS_MAX]);
    gates.shift()?.();
    await settle();
    expect(ledger.batches.length).toBe(FLIGHTS_MAX + 1);
    for (let turn = 0; turn < 10; turn += 1) {
      gates.shift()?.();
      await clock.advance(GATHER_MS);
    }
    expect((await Promise.all(outcomes)).every((outcome) => outcome.kind === "accepted")).toBe(true);
  });

  test("what arrives while flushes are under way leaves together as soon as one is back", async () => {
    const { clock, ledger, batcher } = batcherSetting();
    const gates: (() => void)[] = [];
    ledger.delay = () => new Promise((resolve) => gates.push(resolve));
    void batcher.submit(attempt("first", "b-first"));
    await clock.advance(GATHER_MS);
    void batcher.submit(attempt("second", "b-second"));
    await clock.advance(GATHER_MS);
    for (const each of many(50)) void batcher.submit(each);
    await clock.advance(20);
    expect(ledger.batches.length).toBe(FLIGHTS_MAX);
    gates.shift()?.();
    await settle();
    expect(ledger.batches[2]?.attempts.length).toBe(50);
  });

  test("the identical attempt twice at once is sent once, and the second is a replay", async () => {
    const { clock, ledger, batcher } = batcherSetting();
    const first = batcher.submit(attempt("r", "b"));
    const second = batcher.submit(attempt("r", "b"));
    await clock.advance(GATHER_MS);
    expect(await first).toMatchObject({ kind: "accepted", replayed: false });
    expect(await second).toMatchObject({ kind: "accepted", replayed: true });
    expect(ledger.batches.flatMap((batch) => batch.attempts).length).toBe(1);
  });

  test("a refusal decided before the identical attempt came again is not its answer", async () => {
    const { clock, ledger, batcher } = batcherSetting(0);
    let answerFirst: () => void = () => undefined;
    ledger.delay = () => new Promise((resolve) => (answerFirst = resolve));
    const first = batcher.submit(attempt("r", "b"));
    const sameTime = batcher.submit(attempt("r", "b"));
    await clock.advance(GATHER_MS);
    const answerOld = answerFirst;
    await clock.advance(5);
    const later = batcher.submit(attempt("r", "b"));
    expect(batcher.pendingCount).toBe(3);
    answerOld();
    await settle();
    expect(await first).toEqual({ kind: "refused", reason: "sold_out" });
    expect(await sameTime).toEqual({ kind: "refused", reason: "sold_out" });
    expect(batcher.pendingCount).toBe(1);
    // Meanwhile another node got it accepted.
    ledger.addItem(1, 1);
    await clock.advance(GATHER_MS);
    answerFirst();
    expect(await later).toMatchObject({ kind: "accepted" });
    expect(batcher.pendingCount).toBe(0);
  });

  test("the same key with another quantity is asked by itself and refused as key_reused", async () => {
    const { clock, batcher } = batcherSetting();
    const first = batcher.submit(attempt("r", "b", 1));
    const second = batcher.submit(attempt("r", "b", 2));
    await clock.advance(5);
    expect(await first).toMatchObject({ kind: "accepted" });
    expect(await second).toEqual({ kind: "refused", reason: "key_reused" });
  });

  test("two attempts of one buyer go in two batches, in order", async () => {
    const { clock, ledger, batcher } = batcherSetting();
    const outcomes = ["r1", "r2", "r3"].map((rid) => batcher.submit(attempt(rid, "b")));
    await clock.advance(10);
    const [first, second, third] = await Promise.all(outcomes);
    expect(first).toMatchObject({ kind: "accepted" });
    expect(second).toMatchObject({ kind: "accepted" });
    expect(third).toEqual({ kind: "refused", reason: "limit_reached" });
    expect(ledger.batches.map((batch) => batch.attempts.map((each) => each.rid as string))).toEqual([
      ["r1"],
      ["r2"],
      ["r3"],
    ]);
  });

  test("resends the same rids when an answer was lost, and the acceptance is found again", async () => {
    const { clock, ledger, batcher } = batcherSetting();
    const fates: Fate[] = ["lose-answer", "answer"];
    ledger.fateOf = () => fates.shift() ?? "answer";
    const outcome = batcher.submit(attempt("r", "b"));
    await clock.advance(200);
    expect(await outcome).toMatchObject({ kind: "accepted" });
    expect(ledger.batches.length).toBe(2);
    expect(ledger.item(1).free).toBe(999);
  });

  test("gives up after three tries as unavailable, never as a refusal", async () => {
    const { clock, ledger, batcher, reports } = batcherSetting();
    ledger.fateOf = () => "lose-answer";
    const outcome = batcher.submit(attempt("r", "b"));
    const caught = outcome.catch((error: unknown) => error);
    await clock.advance(1_000);
    expect(await caught).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    expect(ledger.batches.length).toBe(TRIES_MAX);
    expect(reports.map((report) => report.answer)).toEqual([null]);
  });

  test("counts a call without an answer as unknown when its deadline has passed", async () => {
    const { clock, ledger, batcher } = batcherSetting();
    const fates: Fate[] = ["hang", "answer"];
    ledger.fateOf = () => fates.shift() ?? "answer";
    const outcome = batcher.submit(attempt("r", "b"));
    await clock.advance(CALL_DEADLINE_MS - 10);
    expect(ledger.batches.length).toBe(1);
    await clock.advance(200);
    expect(await outcome).toMatchObject({ kind: "accepted", replayed: true });
  });

  test("a refusal does not count while an earlier call may still accept the attempt", async () => {
    const { clock, ledger, batcher } = batcherSetting(0);
    let decide = (): void => undefined;
    const slow = new Promise<void>((resolve) => {
      decide = resolve;
    });
    const reserve = ledger.reserve.bind(ledger);
    let calls = 0;
    ledger.reserve = async (batch) => {
      calls += 1;
      if (calls === 1) await slow;
      return reserve(batch);
    };
    const outcome = batcher.submit(attempt("r", "b"));
    let answered: unknown = null;
    void outcome.then((answer) => {
      answered = answer;
    });
    await clock.advance(CALL_DEADLINE_MS + 100);
    expect(calls).toBe(2);
    expect(answered).toBeNull();
    // A unit comes back, and the call that everybody had given up takes it.
    ledger.release(1, 1);
    decide();
    await clock.advance(300);
    expect(await outcome).toMatchObject({ kind: "accepted" });
    expect(ledger.accepted.size).toBe(1);
  });

  test("when nothing more becomes known of an open call, its attempts end as unavailable", async () => {
    const { clock, ledger, batcher } = batcherSetting(0);
    ledger.delay = () => (ledger.batches.length === 1 ? new Promise(() => undefined) : Promise.resolve());
    const caught = batcher.submit(attempt("r", "b")).catch((error: unknown) => error);
    await clock.advance(CALL_DEADLINE_MS + 1_000);
    expect(await caught).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  });

  test("stops calling a ledger that leaves every call open", async () => {
    const { clock, ledger, batcher } = batcherSetting();
    ledger.fateOf = () => "hang";
    for (let round = 0; round < 20; round += 1) {
      void batcher.submit(attempt(`r${round}`, `b${round}`)).catch((error: unknown) => error);
      await clock.advance(1_000);
    }
    expect(ledger.batches.length).toBe(CALLS_OPEN_MAX);
  });

  test("reads the epoch again when fenced, and resends", async () => {
    const { clock, ledger, batcher, known } = batcherSetting();
    ledger.item(1).epoch = 7;
    const outcome = batcher.submit(attempt("r", "b"));
    await clock.advance(5);
    expect(await outcome).toMatchObject({ kind: "accepted", replayed: false });
    expect(known.refreshes).toBe(1);
    expect(ledger.batches.map((batch) => batch.epoch)).toEqual([1, 7]);
  });

  test("one attempt that the database refuses does not take the others with it", async () => {
    const { clock, ledger, batcher } = batcherSetting();
    ledger.fateOf = (batch) => (batch.attempts.some((each) => (each.rid as string) === "r13") ? "refuse" : "answer");
    const outcomes = many(32).map((each) =>
      batcher.submit(each).then(
        (outcome) => outcome.kind as string,
        (error: { code: string }) => error.code,
      ),
    );
    await clock.advance(50);
    const ended = await Promise.all(outcomes);
    expect(ended.filter((ending) => ending === "accepted").length).toBe(31);
    expect(ended[13]).toBe("DATABASE_REFUSED");
  });

  test("asks again only for those of whom nothing is known, with the same rids", async () => {
    const { clock, ledger, batcher, reports } = batcherSetting();
    const decide = ledger.reserve.bind(ledger);
    let calls = 0;
    ledger.reserve = async (batch) => {
      const answer = await decide(batch);
      calls += 1;
      if (calls > 1) return answer;
      const fault = new Fault("LEDGER_UNAVAILABLE");
      const outcomes = answer.outcomes.map((outcome, index) =>
        index % 2 === 0 ? outcome : { kind: "unknown" as const, fault },
      );
      return { outcomes, stock: null };
    };
    const outcomes = many(6).map((each) => batcher.submit(each));
    await clock.advance(200);
    expect((await Promise.all(outcomes)).map((outcome) => outcome.kind === "accepted" && outcome.replayed)).toEqual([
      false,
      true,
      false,
      true,
      false,
      true,
    ]);
    expect(ledger.batches.map((batch) => batch.attempts.map((each) => each.rid as string))).toEqual([
      ["r0", "r1", "r2", "r3", "r4", "r5"],
      ["r1", "r3", "r5"],
    ]);
    expect(reports.length).toBe(2);
    expect(ledger.item(1).free).toBe(994);
  });

  test("those of whom nothing becomes known end as unavailable, never as a refusal; the others have their answers", async () => {
    const { clock, ledger, batcher } = batcherSetting();
    const decide = ledger.reserve.bind(ledger);
    ledger.reserve = async (batch) => {
      const { outcomes } = await decide(batch);
      const fault = new Fault("LEDGER_UNAVAILABLE");
      return {
        outcomes: outcomes.map((each, index) => (index === 0 ? { kind: "unknown", fault } : each)),
        stock: null,
      };
    };
    const [unknown, known] = many(2).map((each) => batcher.submit(each).catch((error: unknown) => error));
    await clock.advance(500);
    expect(await unknown).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    expect(await known).toMatchObject({ kind: "accepted" });
  });

  test("reports each flush before anybody gets his answer", async () => {
    const { clock, batcher, reports } = batcherSetting();
    const seen: number[] = [];
    const outcome = batcher.submit(attempt("r", "b")).then(() => seen.push(reports.length));
    await clock.advance(GATHER_MS);
    await outcome;
    expect(seen).toEqual([1]);
    expect(reports[0]?.answer?.stock?.free).toBe(999);
    expect(reports[0]?.latencyMs).toBe(GATHER_MS);
  });
});
