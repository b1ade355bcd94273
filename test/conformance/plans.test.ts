/**
 * The hot transactions (deciding a batch, committing what a bucket decided, committing it again) stay on indexes at many
 * orders (a million at night), whatever the statistics say, and their cost per decision is flat.
 *
 * Plans are read from the server itself (auto_explain, nested statements), not from a copy of the SQL. Flatness is judged
 * by pages touched, which repeats exactly, not by time. Real PostgreSQL only: the embedded one has no auto_explain.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import pg from "pg";
import type { Sale } from "../../src/domain/sale.ts";
import { COMMIT_ROWS_MAX } from "../../src/ports/books.ts";
import { type BooksFixture, batchOf, openRedisSale, rowsOf, withBooks } from "./books-fixture.ts";
import { buyerOf, itemIdOf, openPostgresFixture, openSale, ridOf } from "./ledger-fixture.ts";

/** By day a quarter of the million: its indexes are as deep, and it is written in a quarter of the time. */
const ROWS_MANY = process.env["RUNS"] === undefined ? 250_000 : 1_000_000;
const BUCKET_ROWS_MANY = 40_000;
const BATCH = 128;
/** A b-tree of a million keys is one or two levels deeper than a small one; nothing else may grow. */
const PAGES_GROWTH_MAX = 1.6;
const FILL_TIMEOUT_MS = 240_000;

interface Plans {
  readonly text: string;
  /** Pages read or hit by all statements of the call together. */
  readonly pages: number;
}

describe("plans of the hot transaction", () => {
  let fixture: BooksFixture & { readonly url: string };
  let client: pg.Client;
  let sale: Sale;
  let redisSale: Sale;
  let committed = 0;
  let notices: string[] = [];
  let calls = 0;

  before(async () => {
    fixture = await withBooks(openPostgresFixture);
    sale = await openSale(fixture, { stocks: [ROWS_MANY * 2] });
    redisSale = await openRedisSale(fixture, { stocks: [ROWS_MANY] });
    client = new pg.Client({ connectionString: fixture.url });
    await client.connect();
    client.on("notice", (notice) => notices.push(notice.message ?? ""));
    await client.query("LOAD 'auto_explain'");
    await client.query("SET auto_explain.log_min_duration = 0");
    await client.query("SET auto_explain.log_nested_statements = on");
    await client.query("SET auto_explain.log_analyze = on");
    await client.query("SET auto_explain.log_buffers = on");
    await client.query("SET client_min_messages = log");
  });
  after(async () => {
    await client.end();
    await fixture.close();
  });

  /** One batch of fresh buyers on the observed connection, whose cached plans live on from call to call. */
  async function reserveObserved(): Promise<Plans> {
    calls++;
    const buyers = Array.from({ length: BATCH }, (_, index) => buyerOf(`${calls}-${index}`));
    notices = [];
    await client.query("SELECT * FROM reserve_batch($1, $2, $3, $4::text[], $5::text[], $6::integer[])", [
      sale.id,
      itemIdOf(sale),
      sale.epoch,
      buyers.map((buyer) => ridOf(sale, buyer, "k")),
      buyers,
      buyers.map(() => 1),
    ]);
    const text = notices.filter((notice) => notice.includes("plan:")).join("\n");
    return { text, pages: topLevelPages(notices) };
  }

  /** One batch that a bucket accepted, or the one before it once more. */
  async function commitObserved(isAgain: boolean): Promise<Plans> {
    if (!isAgain) committed += BATCH;
    const rows = rowsOf(redisSale, { first: committed - BATCH + 1, count: BATCH });
    notices = [];
    await client.query(
      `SELECT * FROM commit_batch($1, $2, $3, 0, $4::text[], $5::text[], $6::integer[], $7::bigint[], $8::bigint[])`,
      [
        redisSale.id,
        itemIdOf(redisSale),
        redisSale.epoch,
        rows.map((row) => row.rid),
        rows.map((row) => row.buyerId),
        rows.map((row) => row.quantity),
        rows.map((row) => row.seq),
        rows.map((row) => row.promisedUntil),
      ],
    );
    const text = notices.filter((notice) => notice.includes("plan:")).join("\n");
    return { text, pages: topLevelPages(notices) };
  }

  /** A fresh batch and a repeated one. */
  async function assertCommitsOnIndexes(small: readonly Plans[], when: string): Promise<Plans[]> {
    const plans = [await commitObserved(false), await commitObserved(true)];
    for (const [index, each] of plans.entries()) {
      assertOnIndexes(each, when);
      const before = small[index]?.pages ?? each.pages;
      assert.ok(each.pages <= before * PAGES_GROWTH_MAX, `${each.pages} pages ${when}, ${before} when empty`);
    }
    return plans;
  }

  function assertOnIndexes(plans: Plans, when: string): void {
    assert.match(plans.text, /Insert on orders/, `the plans of the transaction were not captured (${when})`);
    assert.doesNotMatch(plans.text, /Seq Scan on/, `a table is scanned ${when}`);
    assert.doesNotMatch(plans.text, /Hash Join|Merge Join/, `a join reads a whole table ${when}`);
  }

  test("on indexes while the tables are empty and were never analysed", async () => {
    for (let times = 0; times < 7; times++) assertOnIndexes(await reserveObserved(), "when empty");
    for (let times = 0; times < 7; times++) await assertCommitsOnIndexes([], "when empty");
  });

  test(`on indexes and flat at ${ROWS_MANY} orders, with the old plans, fresh statistics, and wrong statistics`, {
    timeout: FILL_TIMEOUT_MS,
  }, async () => {
    const small = await reserveObserved();
    const smallCommits = await assertCommitsOnIndexes([], "when empty");
    await fill(client, sale, ROWS_MANY);
    for (; committed < BUCKET_ROWS_MANY; committed += COMMIT_ROWS_MAX) {
      const rows = rowsOf(redisSale, { first: committed + 1, count: COMMIT_ROWS_MAX });
      await fixture.books.commitBatch(batchOf(redisSale, rows));
    }
    await assertCommitsOnIndexes(smallCommits, "with the plans made when empty");
    const grown = await reserveObserved();
    assertOnIndexes(grown, "with the plans made when empty");
    assert.ok(
      grown.pages <= small.pages * PAGES_GROWTH_MAX,
      `${grown.pages} pages for ${BATCH} decisions at ${ROWS_MANY} orders, ${small.pages} when empty`,
    );
    await client.query("ANALYZE");
    assertOnIndexes(await reserveObserved(), "with fresh statistics");
    await assertCommitsOnIndexes(smallCommits, "with fresh statistics");
    await client.query(
      `UPDATE pg_class SET reltuples = 0, relpages = 0 WHERE relname IN ('orders', 'buyer_hold', 'stock', 'item', 'sale')`,
    );
    await client.query("DISCARD PLANS");
    const misled = await reserveObserved();
    assertOnIndexes(misled, "with statistics that say the tables are empty");
    assert.ok(misled.pages <= small.pages * PAGES_GROWTH_MAX, `${misled.pages} pages with wrong statistics`);
    await assertCommitsOnIndexes(smallCommits, "with statistics that say the tables are empty");
  });
});

/** The pages of the outermost statement, which include those of the statements inside it. */
function topLevelPages(notices: readonly string[]): number {
  const last = notices.filter((notice) => /(reserve|commit)_batch\(/.test(notice)).at(-1) ?? "";
  const match = /Buffers: shared hit=(\d+)(?: read=(\d+))?/.exec(last);
  return Number(match?.[1] ?? Number.NaN) + Number(match?.[2] ?? 0);
}

/** Orders of other buyers, written past the ledger but so that every constraint holds. */
async function fill(client: pg.Client, sale: Sale, rows: number): Promise<void> {
  await client.query("SET auto_explain.log_min_duration = -1");
  const itemId = itemIdOf(sale);
  await client.query(
    `INSERT INTO orders (rid, item_id, sale_id, buyer_id, quantity, epoch, seq, status, hold_until, amount,
                         created_at, updated_at)
     SELECT encode(sha256(n::text::bytea), 'hex'), $1, $2, 'filled-' || n, 1, $3, 1000000 + n, 'held',
            now_ms() + 600000, 1000, now_ms(), now_ms() FROM generate_series(1, $4::integer) n`,
    [itemId, sale.id, sale.epoch, rows],
  );
  await client.query(
    `INSERT INTO buyer_hold (item_id, buyer_id, quantity, per_buyer_max)
     SELECT $1, 'filled-' || n, 1, 2 FROM generate_series(1, $2::integer) n`,
    [itemId, rows],
  );
  await client.query("UPDATE stock SET free = free - $2, held = held + $2, seq = 1000000 + $2 WHERE item_id = $1", [
    itemId,
    rows,
  ]);
  await client.query("SET auto_explain.log_min_duration = 0");
}
