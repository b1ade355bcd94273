/** The money suite on a real PostgreSQL. */

import { openPostgresFixture } from "./ledger-fixture.ts";
import { describeMoney } from "./money.suite.ts";

describeMoney("postgres", openPostgresFixture);
