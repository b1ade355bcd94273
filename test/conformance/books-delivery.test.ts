/**
 * At least once in, exactly once stored: batches delivered twice and more, shuffled, by workers that overlap and whose
 * connections are cut around COMMIT; and the fence, which never falls into the middle of a transaction.
 *
 * Real PostgreSQL only: the embedded one has no second connection to cut.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import pg from "pg";
import { PostgresBooks } from "../../src/adapters/postgres/postgres-books.ts";
import { isFault } from "../../src/domain/faults.ts";
import type { Sale } from "../../src/domain/sale.ts";
import type { CommitOutcome, CommitRow } from "../../src/ports/books.ts";
import type { Database } from "../../src/ports/database.ts";
import { CuttingProxy } from "../support/cutting-proxy.ts";
import { waitUntil } from "../support/waiting.ts";
import {
  assertEquations,
  type BooksFixture,
  batchOf,
  openRedisSale,
  rowOf,
  rowsOf,
  stockRowOf,
  verdictsOf,
  withBooks,
} from "./books-fixture.ts";
import { createDice } from "./history.ts";
import { buyerOf, connect, openPostgresFixture, present, ridOf } from "./ledger-fixture.ts";

const MESSAGES = 20_000;
const ROWS_PER_ENTRY = 64;
const ENTRIES_PER_BATCH = 8;
const WORKERS = 3;
/** A batch that is cut so often in a row is cut by something else. */
const TRIES_MAX = 50;
const CUTS_MIN = 30;
const TIMEOUT_MS = 90_000;
/** Three seconds, and what a busy machine adds. */
const FENCE_WAIT_MS_MAX = 8_000;

describe("books: delivery", () => {
  let fixture: BooksFixture & { readonly url: string };
  before(async () => {
    fixture = await withBooks(openPostgresFixture);
  });
  after(() => fixture.close());

  async function deadlocks(): Promise<number> {
    const [row] = await fixture.database.query<{ deadlocks: number }>({
      text: "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
    });
    return row?.deadlocks ?? 0;
  }

  /** Ends a backend that is in the middle of a commit, if there is one; answers how many. */
  async function killOne(): Promise<number> {
    const killed = await fixture.database.query({
      text: `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE state = 'active' AND query LIKE '%commit_batch(%' AND query NOT LIKE '%pg_terminate_backend%' LIMIT 1`,
    });
    return killed.length;
  }

  /** Everything a bucket accepted, as batches that deliver each row at least twice, in no order. */
  function deliveriesOf(rows: readonly CommitRow[], seed: number): CommitRow[][] {
    const dice = createDice(seed);
    const entries: CommitRow[][] = [];
    for (let at = 0; at < rows.length; at += ROWS_PER_ENTRY) entries.push(rows.slice(at, at + ROWS_PER_ENTRY));
    const deliveries = [...entries, ...entries, ...entries.filter(() => dice(5) === 0)];
    for (let at = deliveries.length - 1; at > 0; at--) {
      const other = dice(at + 1);
      [deliveries[at], deliveries[other]] = [present(deliveries[other]), present(deliveries[at])];
    }
    const batches: CommitRow[][] = [];
    for (let at = 0; at < deliveries.length; at += ENTRIES_PER_BATCH) {
      batches.push([...new Set(deliveries.slice(at, at + ENTRIES_PER_BATCH).flat())]);
    }
    return batches;
  }

  /** Several workers take batches from one list; each repeats a batch until it has an answer. */
  async function deliver(options: {
    sale: Sale;
    batches: CommitRow[][];
    pools: readonly Database[];
    onOutcome?: (outcome: CommitOutcome) => Promise<void>;
  }): Promise<CommitOutcome[]> {
    const outcomes: CommitOutcome[] = [];
    await Promise.all(
      options.pools.map(async (pool) => {
        const books = new PostgresBooks(pool);
        for (let rows = options.batches.shift(); rows !== undefined; rows = options.batches.shift()) {
          const outcome = await untilAnswered(() => books.commitBatch(batchOf(options.sale, present(rows))));
          outcomes.push(outcome);
          await options.onOutcome?.(outcome);
        }
      }),
    );
    return outcomes;
  }

  async function untilAnswered<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      try {
        return await call();
      } catch (error) {
        if (!isFault(error, "DATABASE_UNAVAILABLE") || tries >= TRIES_MAX) throw error;
      }
    }
  }

  async function assertDense(sale: Sale, count: number): Promise<void> {
    const [facts] = await fixture.database.query<Record<string, number>>(
      {
        text: `SELECT count(*)::integer AS orders, count(DISTINCT seq)::integer AS numbers, min(seq) AS lowest,
                      max(seq) AS highest FROM orders WHERE sale_id = $1`,
      },
      [sale.id],
    );
    assert.deepEqual(facts, { orders: count, numbers: count, lowest: 1, highest: count });
  }

  test(`${MESSAGES} acceptances delivered twice and more, connections cut around COMMIT: each is one order`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    const sale = await openRedisSale(fixture, { stocks: [MESSAGES + 7], perBuyerMax: 2 });
    const rows = Array.from({ length: MESSAGES }, (_, index) => {
      const buyer = buyerOf(`b${index % ((MESSAGES * 3) / 4)}`);
      return rowOf(sale, { seq: index + 1, buyer, key: `key-${index}` });
    });
    const dice = createDice(7);
    const draw = () => (["after_request", "before_answer", "none", "none", "none"] as const)[dice(5)] ?? "none";
    const targetPort = Number(new URL(fixture.url).port);
    const proxy = await CuttingProxy.start({ targetPort, requestBytesMin: 4_000, draw });
    const url = new URL(fixture.url);
    url.port = String(proxy.port);
    const pools = Array.from({ length: WORKERS }, () => connect(url.href, 2));
    const deadlocksBefore = await deadlocks();
    let kills = 0;
    try {
      const onOutcome = async (): Promise<void> => {
        if (dice(3) === 0) kills += await killOne();
        if (dice(4) === 0) await assertEquations(fixture, sale.id);
      };
      const outcomes = await deliver({ sale, batches: deliveriesOf(rows, 11), pools, onOutcome });
      const committed = outcomes.flatMap((outcome): readonly string[] => {
        return outcome.kind === "done" ? outcome.verdicts : ["fenced"];
      });
      assert.ok(!committed.includes("fenced") && !committed.includes("seq_taken"));
      assert.ok(committed.filter((verdict) => verdict === "committed").length <= MESSAGES);
    } finally {
      await Promise.all(pools.map((pool) => pool.close()));
      await proxy.stop();
    }
    assert.ok(proxy.cuts + kills >= CUTS_MIN, `only ${proxy.cuts} connections were cut and ${kills} backends killed`);
    await assertDense(sale, MESSAGES);
    await assertEquations(fixture, sale.id);
    const stock = await stockRowOf(fixture, sale);
    assert.deepEqual([stock.free, stock.granted, stock.held, stock.seq], [0, 7, MESSAGES, MESSAGES]);
    assert.equal(await deadlocks(), deadlocksBefore);
  });

  test("the same batch by two workers at once is committed by exactly one of them, row by row", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const sale = await openRedisSale(fixture, { stocks: [2_000], perBuyerMax: 2 });
    const pools = [connect(fixture.url, 1), connect(fixture.url, 1)];
    try {
      for (let round = 0; round < 15; round++) {
        const rows = rowsOf(sale, { first: 1 + round * 100, count: 120 });
        const both = await Promise.all(pools.map((pool) => verdictsOf(new PostgresBooks(pool), batchOf(sale, rows))));
        const fresh = rows.filter((row) => row.seq > 1 + round * 100 + 19 || round === 0);
        for (const [index, row] of rows.entries()) {
          const words = both.map((verdicts) => verdicts[index]).sort();
          assert.deepEqual(words, fresh.includes(row) ? ["committed", "known"] : ["known", "known"]);
        }
      }
    } finally {
      await Promise.all(pools.map((pool) => pool.close()));
    }
    await assertDense(sale, 1_520);
    await assertEquations(fixture, sale.id);
  });

  test("different rows of the same buyers, in opposite order, by workers at once: no deadlock", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const buyers = 120;
    const rounds = 25;
    const sale = await openRedisSale(fixture, { stocks: [buyers * rounds * WORKERS], perBuyerMax: rounds * WORKERS });
    const pools = Array.from({ length: WORKERS }, () => connect(fixture.url, 1));
    const deadlocksBefore = await deadlocks();
    try {
      for (let round = 0; round < rounds; round++) {
        const batches = pools.map((_pool, worker) => {
          const first = (round * WORKERS + worker) * buyers;
          return Array.from({ length: buyers }, (_row, index) => {
            const buyer = buyerOf(worker % 2 === 0 ? index : buyers - 1 - index);
            return rowOf(sale, { seq: first + index + 1, buyer, key: `key-${round}-${worker}` });
          });
        });
        await Promise.all(
          pools.map((pool, worker) => verdictsOf(new PostgresBooks(pool), batchOf(sale, batches[worker] ?? []))),
        );
      }
    } finally {
      await Promise.all(pools.map((pool) => pool.close()));
    }
    await assertDense(sale, buyers * rounds * WORKERS);
    await assertEquations(fixture, sale.id);
    assert.equal(await deadlocks(), deadlocksBefore);
  });

  test("a fence in the middle of the run: what was committed stays, everything later is fenced, the sum is exact", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const units = 6_000;
    const sale = await openRedisSale(fixture, { stocks: [units], perBuyerMax: 2 });
    const batches = deliveriesOf(rowsOf(sale, { first: 1, count: units }), 5);
    const pools = Array.from({ length: WORKERS }, () => connect(fixture.url, 1));
    let answered = 0;
    let fenced: Promise<boolean> | null = null;
    const onOutcome = async (): Promise<void> => {
      answered += 1;
      if (answered === 5) {
        fenced = fixture.books.fence({ saleId: sale.id, seenEpoch: sale.epoch, mode: "postgres", reason: "test" });
        await fenced;
      }
      await assertEquations(fixture, sale.id);
    };
    try {
      const outcomes = await deliver({ sale, batches, pools, onOutcome });
      assert.equal(await fenced, true);
      const done = outcomes.flatMap((outcome) => (outcome.kind === "done" ? outcome.verdicts : []));
      const committed = done.filter((verdict) => verdict === "committed").length;
      assert.ok(committed > 0 && outcomes.some((outcome) => outcome.kind === "fenced"));
      const stock = await stockRowOf(fixture, sale);
      assert.deepEqual([stock.free, stock.granted, stock.held], [units - committed, 0, committed]);
      assert.equal(outcomes.at(-1)?.kind, "fenced");
    } finally {
      await Promise.all(pools.map((pool) => pool.close()));
    }
  });

  describe("the fence", () => {
    let inside: pg.Client;
    before(async () => {
      inside = new pg.Client({ connectionString: fixture.url });
      await inside.connect();
    });
    after(() => inside.end());

    async function waitsForALock(query: string): Promise<void> {
      const looked = async (): Promise<boolean> => {
        const waiting = await fixture.database.query({
          text: `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%${query}%'`,
        });
        return waiting.length > 0;
      };
      await waitUntil(`${query} to wait`, looked, { withinMs: 5_000 });
    }

    test("waits for a commit that is under way, and the one behind it finds the epoch over", async () => {
      const sale = await openRedisSale(fixture, { stocks: [9] });
      const [first, second] = rowsOf(sale, { first: 1, count: 2 });
      await inside.query("BEGIN");
      await inside.query(`SELECT commit_batch($1, $2, $3, 0, $4::text[], $5::text[], '{1}', '{1}', $6::bigint[])`, [
        sale.id,
        present(sale.items[0]).itemId,
        sale.epoch,
        [first?.rid],
        [first?.buyerId],
        [first?.promisedUntil],
      ]);
      const fence = fixture.books.fence({ saleId: sale.id, seenEpoch: sale.epoch, mode: "warming", reason: "test" });
      await waitsForALock("fence_sale");
      const late = verdictsOf(fixture.books, batchOf(sale, [present(second)]));
      await waitsForALock("commit_batch");
      await inside.query("COMMIT");
      assert.deepEqual([await fence, await late], [true, "fenced"]);
      const stock = await stockRowOf(fixture, sale);
      assert.deepEqual([stock.free, stock.granted, stock.held], [8, 0, 1]);
      await assertEquations(fixture, sale.id);
    });

    test("waits for an ending that has decided whether to tell the buckets, so that none is filled with its hold", async () => {
      const { books, database } = fixture;
      const sale = await openRedisSale(fixture, { stocks: [9] });
      await books.commitBatch(batchOf(sale, rowsOf(sale, { first: 1, count: 1 })));
      assert.ok(await books.fence({ saleId: sale.id, seenEpoch: sale.epoch, mode: "postgres", reason: "test" }));
      // The ending is held up after that decision and before it touches a stock row.
      await database.query({
        text: `CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF current_setting('application_name') = 'held up' THEN PERFORM pg_advisory_xact_lock(99); END IF;
                 RETURN NULL; END $$`,
      });
      await database.query({
        text: "CREATE TRIGGER hold_up BEFORE UPDATE ON stock FOR EACH STATEMENT EXECUTE FUNCTION hold_up()",
      });
      await inside.query("SELECT pg_advisory_lock(99)");
      const ending = new pg.Client({ connectionString: fixture.url, application_name: "held up" });
      await ending.connect();
      const cancelled = ending.query("SELECT cancel_hold($1, $2)", [ridOf(sale, buyerOf(1), "k"), buyerOf(1)]);
      await waitsForALock("cancel_hold");
      const fence = books.fence({ saleId: sale.id, seenEpoch: sale.epoch + 1, mode: "warming", reason: "test" });
      try {
        await waitsForALock("fence_sale");
      } finally {
        await inside.query("SELECT pg_advisory_unlock(99)");
        await cancelled;
        assert.equal(await fence, true);
        await ending.end();
        await database.query({ text: "DROP TRIGGER hold_up ON stock" });
      }
      const page = { itemId: present(sale.items[0]).itemId, cursor: "", rowsMax: 9 };
      assert.equal((await books.readReservations(page)).reservations[0]?.hasEnded, true);
      await assertEquations(fixture, sale.id);
    });

    test("gives up after three seconds behind a transaction that hangs, and has changed nothing", async () => {
      const sale = await openRedisSale(fixture, { stocks: [9] });
      await inside.query("BEGIN");
      await inside.query("SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))", [sale.id]);
      const startedAtMs = performance.now();
      const fence = fixture.books.fence({ saleId: sale.id, seenEpoch: sale.epoch, mode: "postgres", reason: "test" });
      await assert.rejects(fence, (error) => isFault(error, "DATABASE_CONFLICT"));
      const waitedMs = performance.now() - startedAtMs;
      assert.ok(waitedMs < FENCE_WAIT_MS_MAX, `everybody waited ${waitedMs} ms behind the fence`);
      await inside.query("ROLLBACK");
      assert.deepEqual(await verdictsOf(fixture.books, batchOf(sale, rowsOf(sale, { first: 1, count: 1 }))), [
        "committed",
      ]);
      await assertEquations(fixture, sale.id);
    });
  });
});
