/** The conformance suites on the embedded database. */

import { describeLedger } from "./ledger.suite.ts";
import { openPgliteFixture } from "./ledger-fixture.ts";
import { describeOrders } from "./orders.suite.ts";

describeLedger("pglite", openPgliteFixture);
describeOrders("pglite", openPgliteFixture);
