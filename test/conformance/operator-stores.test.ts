/** The suites of what the operator side reads, on the embedded database and on a real PostgreSQL. */

import { describeAudit } from "./audit.suite.ts";
import { openPgliteFixture, openPostgresFixture } from "./ledger-fixture.ts";
import { describeStats } from "./stats.suite.ts";

describeAudit("pglite", openPgliteFixture);
describeStats("pglite", openPgliteFixture);
describeAudit("postgres", openPostgresFixture);
describeStats("postgres", openPostgresFixture);
