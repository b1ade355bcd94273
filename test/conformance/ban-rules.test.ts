/** The suite of automatic bans and cool-downs, on the embedded database and on a real PostgreSQL. */
import { describeBanRules } from "./ban-rules.suite.ts";
import { openPgliteFixture, openPostgresFixture } from "./ledger-fixture.ts";

describeBanRules("pglite", openPgliteFixture);
describeBanRules("postgres", openPostgresFixture);
