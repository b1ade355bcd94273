/** The suites of people, log and approvals, on the embedded database and on a real PostgreSQL. */

import { openPgliteFixture, openPostgresFixture } from "./ledger-fixture.ts";
import { describeOperators } from "./operators.suite.ts";

describeOperators("pglite", openPgliteFixture);
describeOperators("postgres", openPostgresFixture);
