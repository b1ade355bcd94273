/**
 * What the batcher does when more comes than the ledger takes: deadlines, the order of a queue that is behind, budgets.
 */
import { describe, expect, test } from "bun:test";
import { attempt, batcherSetting, many } from "../../test/support/batcher-setting.ts";
import { settle } from "../../test/support/manual-clock.ts";
import {
  BATCH_ATTEMPTS_MAX,
  BEHIND_MS,
  CALL_DEADLINE_MS,
  FLIGHTS_MAX,
  GATHER_MS,
  PENDING_MAX,
  QUEUE_WAIT_MS_MAX,
  RETRY_BUDGET,
  STALLED_UNITS_MIN,
  TRIES_MAX,
} from "./batcher.ts";

describe("a batcher under overload", () => {
  test("does not send an attempt that waited too long, and calls that overloaded", async () => {
    const { clock, ledger, batcher } = batcherSetting();
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
    const { clock, ledger, batcher } = batcherSetting();
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
    const world = batcherSetting(5_000);
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
    const { clock, ledger, batcher } = batcherSetting();
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
    const { ledger, batcher } = batcherSetting();
    ledger.fateOf = () => "hang";
    for (const each of many(PENDING_MAX)) void batcher.submit(each).catch((error: unknown) => error);
    await expect(batcher.submit(attempt("one-more", "b"))).rejects.toMatchObject({ code: "LEDGER_OVERLOADED" });
  });

  test("while the ledger stalls, keeps no more waiting than is certain, and a few to notice its end", async () => {
    const { clock, ledger, batcher } = batcherSetting();
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
});
