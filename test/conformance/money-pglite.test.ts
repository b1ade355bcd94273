/** The money suite on the embedded database. */

import { openPgliteFixture } from "./ledger-fixture.ts";
import { describeMoney } from "./money.suite.ts";

describeMoney("pglite", openPgliteFixture);
