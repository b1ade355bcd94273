/**
 * The batcher's promises one by one: company, order, sharing, resending, fencing, giving up.
 */
import { describe, expect, test } from "bun:test";
import { ManualClock, settle } from "../../test/support/manual-clock.ts";
import { type Fate, MemoryLedger } from "../../test/support/memory-ledger.ts";
import { evenRandom } from "../../test/support/recording-log.ts";
import { Fault } from "../domain/faults.ts";
import type { BuyerId, Rid, SaleId } from "../domain/ids.ts";
import type { Attempt } from "../ports/ledger.ts";
import {
  BATCH_ATTEMPTS_MAX,
  Batcher,
  BEHIND_MS,
  CALL_DEADLINE_MS,
  CALLS_OPEN_MAX,
  FLIGHTS_MAX,
  type FlushReport,
  GATHER_MS,
  PENDING_MAX,
  QUEUE_WAIT_MS_MAX,
  RETRY_BUDGET,
  STALLED_UNITS_MIN,
  TRIES_MAX,
} from "./batcher.ts";

function setting(stock = 1_000) {
  const clock = new ManualClock();
  const ledger = new MemoryLedger();
  ledger.addItem(1, stock);
  const reports: FlushReport[] = [];
  const known = { epoch: 1, refreshes: 0 };
  const batcher = new Batcher({
    ledger,
    clock,
    random: evenRandom(),
    saleId: "demo" as SaleId,
    itemId: 1,
    epoch: () => known.epoch,
    refreshEpoch: async () => {
      known.refreshes += 1;
      known.epoch = ledger.item(1).epoch;
    },
    onFlush: (report) => reports.push(report),
  });
  return { clock, ledger, batcher, reports, known };
}

function attempt(rid: string, buyerId: string, quantity = 1): Attempt {
  return { rid: rid as Rid, buyerId: buyerId as BuyerId, quantity };
}

const many = (count: number) => Array.from({ length: count }, (_, index) => attempt(`r${index}`, `b${index}`));

describe("batcher", () => {
  test("sends a lone attempt after a millisecond of waiting for company", async () => {
    const { clock, ledger, batcher } = setting();
    const outcome = batcher.submit(attempt("r", "b"));
    await settle();
    expect(ledger.batches.length).toBe(0);
    await clock.advance(GATHER_MS);
    expect(await outcome).toMatchObject({ kind: "accepted", replayed: false });
    expect(ledger.batches.length).toBe(1);
  });

  test("sends attempts of the same millisecond together, in order of arrival", async () => {
    const { clock, ledger, batcher } = setting();
    const outcomes = many(100).map((each) => batcher.submit(each));
    await clock.advance(GATHER_MS);
    await Promise.all(outcomes);
    expect(ledger.batches.length).toBe(1);
    expect(ledger.batches[0]?.attempts.map((each) => each.rid as string)).toEqual(many(100).map((each) => each.rid));
  });

  test("sends a full batch at once, and never more than two at a time", async () => {
    const { clock, ledger, batcher } = setting(2_000);
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
    const { clock, ledger, batcher } = setting();
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
    const { clock, ledger, batcher } = setting();
    const first = batcher.submit(attempt("r", "b"));
    const second = batcher.submit(attempt("r", "b"));
    await clock.advance(GATHER_MS);
    expect(await first).toMatchObject({ kind: "accepted", replayed: false });
    expect(await second).toMatchObject({ kind: "accepted", replayed: true });
    expect(ledger.batches.flatMap((batch) => batch.attempts).length).toBe(1);
  });

  test("a refusal decided before the identical attempt came again is not its answer", async () => {
    const { clock, ledger, batcher } = setting(0);
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
    const { clock, batcher } = setting();
    const first = batcher.submit(attempt("r", "b", 1));
    const second = batcher.submit(attempt("r", "b", 2));
    await clock.advance(5);
    expect(await first).toMatchObject({ kind: "accepted" });
    expect(await second).toEqual({ kind: "refused", reason: "key_reused" });
  });

  test("two attempts of one buyer go in two batches, in order", async () => {
    const { clock, ledger, batcher } = setting();
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
    const { clock, ledger, batcher } = setting();
    const fates: Fate[] = ["lose-answer", "answer"];
    ledger.fateOf = () => fates.shift() ?? "answer";
    const outcome = batcher.submit(attempt("r", "b"));
    await clock.advance(200);
    expect(await outcome).toMatchObject({ kind: "accepted" });
    expect(ledger.batches.length).toBe(2);
    expect(ledger.item(1).free).toBe(999);
  });

  test("gives up after three tries as unavailable, never as a refusal", async () => {
    const { clock, ledger, batcher, reports } = setting();
    ledger.fateOf = () => "lose-answer";
    const outcome = batcher.submit(attempt("r", "b"));
    const caught = outcome.catch((error: unknown) => error);
    await clock.advance(1_000);
    expect(await caught).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    expect(ledger.batches.length).toBe(TRIES_MAX);
    expect(reports.map((report) => report.answer)).toEqual([null]);
  });

  test("counts a call without an answer as unknown when its deadline has passed", async () => {
    const { clock, ledger, batcher } = setting();
    const fates: Fate[] = ["hang", "answer"];
    ledger.fateOf = () => fates.shift() ?? "answer";
    const outcome = batcher.submit(attempt("r", "b"));
    await clock.advance(CALL_DEADLINE_MS - 10);
    expect(ledger.batches.length).toBe(1);
    await clock.advance(200);
    expect(await outcome).toMatchObject({ kind: "accepted", replayed: true });
  });

  test("a refusal does not count while an earlier call may still accept the attempt", async () => {
    const { clock, ledger, batcher } = setting(0);
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
    const { clock, ledger, batcher } = setting(0);
    ledger.delay = () => (ledger.batches.length === 1 ? new Promise(() => undefined) : Promise.resolve());
    const caught = batcher.submit(attempt("r", "b")).catch((error: unknown) => error);
    await clock.advance(CALL_DEADLINE_MS + 1_000);
    expect(await caught).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  });

  test("stops calling a ledger that leaves every call open", async () => {
    const { clock, ledger, batcher } = setting();
    ledger.fateOf = () => "hang";
    for (let round = 0; round < 20; round += 1) {
      void batcher.submit(attempt(`r${round}`, `b${round}`)).catch((error: unknown) => error);
      await clock.advance(1_000);
    }
    expect(ledger.batches.length).toBe(CALLS_OPEN_MAX);
  });

  test("reads the epoch again when fenced, and resends", async () => {
    const { clock, ledger, batcher, known } = setting();
    ledger.item(1).epoch = 7;
    const outcome = batcher.submit(attempt("r", "b"));
    await clock.advance(5);
    expect(await outcome).toMatchObject({ kind: "accepted", replayed: false });
    expect(known.refreshes).toBe(1);
    expect(ledger.batches.map((batch) => batch.epoch)).toEqual([1, 7]);
  });

  test("one attempt that the database refuses does not take the others with it", async () => {
    const { clock, ledger, batcher } = setting();
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

  test("does not send an attempt that waited too long, and calls that overloaded", async () => {
    const { clock, ledger, batcher } = setting();
    let open: (() => void) | null = null;
    ledger.delay = () =>
      new Promise((resolve) => {
        open = resolve;
      });
    ledger.fateOf = () => "hang";
    for (const each of many(FLIGHTS_MAX * BATCH_ATTEMPTS_MAX)) {
      void batcher.submit(each).catch((error: unknown) => error);
    }
    await settle();
    const late = batcher.submit(attempt("late", "b-late")).catch((error: unknown) => error);
    await clock.advance(QUEUE_WAIT_MS_MAX + 3 * CALL_DEADLINE_MS);
    expect(await late).toMatchObject({ code: "LEDGER_OVERLOADED" });
    expect(open).not.toBeNull();
    expect(ledger.batches.some((batch) => batch.attempts.some((each) => (each.rid as string) === "late"))).toBe(false);
  });

  test("tells those whose time is over although no flight is free to notice", async () => {
    const { clock, ledger, batcher } = setting();
    ledger.delay = () => new Promise(() => undefined);
    for (const each of many(FLIGHTS_MAX * BATCH_ATTEMPTS_MAX)) {
      void batcher.submit(each).catch((error: unknown) => error);
    }
    await settle();
    let ended: unknown = null;
    void batcher.submit(attempt("late", "b-late")).catch((error: unknown) => (ended = error));
    await clock.advance(QUEUE_WAIT_MS_MAX);
    expect(ended).toBeNull();
    await clock.advance(2 * GATHER_MS);
    expect(ended).toMatchObject({ code: "LEDGER_OVERLOADED" });
  });

  /** Two full flights are under way and 300 more wait; then one of them, asked for, comes back after the time. */
  async function queueBehindFlights(waitMs: number) {
    const world = setting(5_000);
    const gates: (() => void)[] = [];
    world.ledger.delay = () => new Promise((resolve) => gates.push(resolve));
    const submit = (prefix: string, count: number) => {
      for (const { rid, buyerId } of many(count)) {
        void world.batcher.submit(attempt(`${prefix}${rid}`, `${prefix}${buyerId}`)).catch((error: unknown) => error);
      }
    };
    submit("flying-", FLIGHTS_MAX * BATCH_ATTEMPTS_MAX);
    await settle();
    submit("old-", BATCH_ATTEMPTS_MAX);
    await world.clock.advance(waitMs);
    submit("new-", 100);
    gates.shift()?.();
    await settle();
    return {
      ...world,
      gates,
      sent: () => world.ledger.batches.map((batch) => batch.attempts.map(({ rid }) => rid as string)),
    };
  }

  test("a queue that moves is served in order of arrival", async () => {
    const { sent } = await queueBehindFlights(BEHIND_MS);
    expect(sent()[FLIGHTS_MAX]).toEqual(Array.from({ length: BATCH_ATTEMPTS_MAX }, (_, index) => `old-r${index}`));
  });

  test("a queue that is behind is served from its newest, and the rest as soon as there is room", async () => {
    const { clock, gates, sent, batcher, reports } = await queueBehindFlights(BEHIND_MS + 1);
    const newest = sent()[FLIGHTS_MAX] ?? [];
    expect(newest.length).toBe(BATCH_ATTEMPTS_MAX);
    expect(newest.slice(-100)).toEqual(Array.from({ length: 100 }, (_, index) => `new-r${index}`));
    expect(newest[0]).toBe(`old-r${100}`);
    expect(reports[0]?.oldestWaitingMs).toBe(BEHIND_MS + 1);
    gates.shift()?.();
    await settle();
    expect(sent()[FLIGHTS_MAX + 1]).toEqual(Array.from({ length: 100 }, (_, index) => `old-r${index}`));
    for (let turn = 0; turn < 4; turn += 1) {
      gates.shift()?.();
      await clock.advance(GATHER_MS);
    }
    expect(batcher.pendingCount).toBe(0);
  });

  test("a buyer's own attempts keep their order although the newest go first", async () => {
    const { clock, ledger, batcher, gates } = await queueBehindFlights(BEHIND_MS + 1);
    const first = batcher.submit(attempt("first", "one-buyer"));
    const second = batcher.submit(attempt("second", "one-buyer"));
    for (let turn = 0; turn < 6; turn += 1) {
      gates.shift()?.();
      await clock.advance(GATHER_MS);
    }
    expect([await first, await second].map((outcome) => outcome.kind)).toEqual(["accepted", "accepted"]);
    const order = ledger.batches.flatMap((batch) => batch.attempts.map(({ rid }) => rid as string));
    expect(order.indexOf("first")).toBeLessThan(order.indexOf("second"));
  });

  test("stops sending everything again once its budget of retries is spent, and earns new ones", async () => {
    const { clock, ledger, batcher } = setting();
    ledger.fateOf = () => "lose-call";
    let asked = 0;
    const ask = async () => {
      asked += 1;
      const caught = batcher.submit(attempt(`r${asked}`, `b${asked}`)).catch((error: unknown) => error);
      await clock.advance(300);
      return caught;
    };
    const calls = async () => {
      const before = ledger.batches.length;
      expect(await ask()).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
      return ledger.batches.length - before;
    };
    expect(await calls()).toBe(TRIES_MAX);
    for (let call = 0; call < RETRY_BUDGET.savedMax; call += 1) await calls();
    const whenSpent = [await calls(), await calls(), await calls(), await calls()];
    expect(whenSpent.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(7);
    await clock.advance(30_000);
    expect(await calls()).toBe(TRIES_MAX);
  });

  test("refuses at once when too many wait", async () => {
    const { ledger, batcher } = setting();
    ledger.fateOf = () => "hang";
    for (const each of many(PENDING_MAX)) void batcher.submit(each).catch((error: unknown) => error);
    await expect(batcher.submit(attempt("one-more", "b"))).rejects.toMatchObject({ code: "LEDGER_OVERLOADED" });
  });

  test("asks again only for those of whom nothing is known, with the same rids", async () => {
    const { clock, ledger, batcher, reports } = setting();
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
    const { clock, ledger, batcher } = setting();
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

  test("while the ledger stalls, keeps no more waiting than is certain, and a few to notice its end", async () => {
    const { clock, ledger, batcher } = setting();
    const stalled: { certainUnits: number | null } = { certainUnits: null };
    Object.assign(ledger, { certainUnits: () => stalled.certainUnits });
    ledger.fateOf = () => "hang";
    const press = (prefix: string, count: number) =>
      many(count).map(({ rid, buyerId }) => {
        const outcome = batcher.submit(attempt(`${prefix}${rid}`, `${prefix}${buyerId}`, 2));
        return outcome.catch((error: unknown) => error);
      });
    void press("a", 10);
    await clock.advance(5);
    expect(batcher.pendingCount).toBe(10);
    stalled.certainUnits = 50;
    const refused = await Promise.race([Promise.all(press("b", 30).slice(15)), clock.advance(1).then(() => null)]);
    expect(batcher.pendingCount).toBe(25);
    expect(refused).toEqual(Array.from({ length: 15 }, () => expect.objectContaining({ code: "LEDGER_OVERLOADED" })));
    stalled.certainUnits = 0;
    await clock.advance(20_000);
    expect(batcher.pendingCount).toBe(0);
    void press("c", 30);
    expect(batcher.pendingCount).toBe(STALLED_UNITS_MIN / 2);
  });

  test("reports each flush before anybody gets his answer", async () => {
    const { clock, batcher, reports } = setting();
    const seen: number[] = [];
    const outcome = batcher.submit(attempt("r", "b")).then(() => seen.push(reports.length));
    await clock.advance(GATHER_MS);
    await outcome;
    expect(seen).toEqual([1]);
    expect(reports[0]?.answer?.stock?.free).toBe(999);
    expect(reports[0]?.latencyMs).toBe(GATHER_MS);
  });
});
