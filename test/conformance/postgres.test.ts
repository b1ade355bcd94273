/** The conformance suites on a real PostgreSQL. */

import { describeHistories } from "./history.suite.ts";
import { describeLedger } from "./ledger.suite.ts";
import { openPostgresFixture } from "./ledger-fixture.ts";
import { describeOrders } from "./orders.suite.ts";

describeLedger("postgres", openPostgresFixture);
describeOrders("postgres", openPostgresFixture);
describeHistories("postgres", 10_000, openPostgresFixture);
