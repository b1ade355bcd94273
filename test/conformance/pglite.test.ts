/** The conformance suites on the embedded database. */

import { describeHistories } from "./history.suite.ts";
import { describeLedger } from "./ledger.suite.ts";
import { openPgliteFixture } from "./ledger-fixture.ts";
import { describeOrders } from "./orders.suite.ts";

describeLedger("pglite", openPgliteFixture);
describeOrders("pglite", openPgliteFixture);
describeHistories("pglite", 2_500, openPgliteFixture);
