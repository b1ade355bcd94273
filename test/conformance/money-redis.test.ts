/** The money suite on the redis ledger. */

import { describeMoney } from "./money.suite.ts";
import { openRedisFixture } from "./redis-fixture.ts";

describeMoney("redis", openRedisFixture);
