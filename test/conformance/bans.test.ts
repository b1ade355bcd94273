/**
 * A ban made on one node is in force on the others as soon as their hint arrives: no node waits for its poll.
 *
 * Each node's clock stands still, so that polls cannot be what spreads the news.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { PostgresAllowlistStore } from "../../src/adapters/postgres/postgres-allowlist-store.ts";
import { PostgresChangeFeed } from "../../src/adapters/postgres/postgres-change-feed.ts";
import { PostgresSaleStore } from "../../src/adapters/postgres/postgres-sale-store.ts";
import type { BuyerId } from "../../src/domain/ids.ts";
import { Catalogue } from "../../src/funnel/2-window/catalogue.ts";
import { Throttle } from "../../src/funnel/4-throttle/throttle.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { evenRandom } from "../support/recording-log.ts";
import { waitUntil } from "../support/waiting.ts";
import { connect, type LedgerFixture, openPostgresFixture, silentLog } from "./ledger-fixture.ts";

const BANS = 20;

/** Stage 4 of a node, on connections of its own. */
async function openNode(url: string) {
  const database = connect(url, 2);
  const feed = new PostgresChangeFeed();
  await feed.start(database);
  const clock = new ManualClock(Date.now());
  const random = evenRandom();
  const store = new PostgresSaleStore(database);
  const catalogue = new Catalogue({
    saleStore: store,
    allowlists: new PostgresAllowlistStore(database),
    feed,
    clock,
    random,
    log: silentLog,
  });
  await catalogue.start();
  const limits = { buyerPerS: 0, buyerPerMin: 0, ipPerS: 0 };
  const throttle = new Throttle({ limits, trustedProxies: [], bans: catalogue, clock, random });
  return {
    store,
    reasonFor: (buyerId: string, remoteAddress: string) =>
      throttle.admit({ remoteAddress, header: () => null }, { buyerId: buyerId as BuyerId, device: "" }, null)
        ?.reason ?? "admitted",
    async close() {
      await catalogue.stop();
      await feed.stop();
      await database.close();
    },
  };
}

describe("bans between nodes", () => {
  let fixture: LedgerFixture & { readonly url: string };
  let first: Awaited<ReturnType<typeof openNode>>;
  let second: Awaited<ReturnType<typeof openNode>>;
  before(async () => {
    fixture = await openPostgresFixture();
    [first, second] = await Promise.all([openNode(fixture.url), openNode(fixture.url)]);
  });
  after(async () => {
    await Promise.all([first.close(), second.close()]);
    await fixture.close();
  });

  test("one made here is in force there within a tenth of a second, and so is its end", async () => {
    const delaysMs: number[] = [];
    for (let count = 0; count < BANS; count += 1) {
      const buyerId = `scalper-${count}`;
      assert.equal(second.reasonFor(buyerId, "203.0.113.1"), "admitted");
      await first.store.createBan({
        id: `ban-${count}`,
        kind: "buyer",
        subject: buyerId,
        reason: "bot",
        expiresAt: null,
      });
      const madeMs = performance.now();
      await waitUntil("the ban", () => second.reasonFor(buyerId, "203.0.113.1") === "banned", { everyMs: 1 });
      delaysMs.push(performance.now() - madeMs);
      assert.equal(first.reasonFor("somebody", "203.0.113.1"), "admitted");
      await first.store.deleteBan(`ban-${count}`);
      await waitUntil("its end", () => second.reasonFor(buyerId, "203.0.113.1") === "admitted", { everyMs: 1 });
    }
    delaysMs.sort((left, right) => left - right);
    const median = delaysMs[BANS / 2] ?? Number.NaN;
    assert.ok(median < 100, `half of the bans took longer than ${median} ms`);
  });

  test("one on a network counts on every node, whichever of its addresses is used", async () => {
    await first.store.createBan({ id: "net", kind: "ip", subject: "2001:db8:1:2::", reason: "farm", expiresAt: null });
    await waitUntil("the ban", () => second.reasonFor("ann", "2001:db8:1:2::77") === "banned", { everyMs: 1 });
    assert.equal(second.reasonFor("ann", "2001:db8:1:3::77"), "admitted");
  });
});
