/** The conformance suites on the redis ledger: a real PostgreSQL and a real Redis, one bucket an item and several. */

import { describeHistories } from "./history.suite.ts";
import { describeLedger } from "./ledger.suite.ts";
import { describeOrders } from "./orders.suite.ts";
import { openRedisFixture } from "./redis-fixture.ts";

const ONE = { isOneQueue: true, seesKeysOfAllItems: false, readsHoldersOnce: false };
const SEVERAL = { ...ONE, isOneQueue: false };

describeLedger("redis", openRedisFixture, ONE);
describeLedger("redis with three buckets an item", () => openRedisFixture({ buckets: 3 }), SEVERAL);
describeOrders("redis", openRedisFixture);
describeHistories("redis", 500, openRedisFixture, ONE);
describeHistories("redis with three buckets an item", 250, () => openRedisFixture({ buckets: 3 }), SEVERAL);
