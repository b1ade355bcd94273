/** What the shop is told, on the embedded database and on a real PostgreSQL. */
import { openPgliteFixture, openPostgresFixture } from "./ledger-fixture.ts";
import { describeWebhooks } from "./webhooks.suite.ts";

describeWebhooks("pglite", openPgliteFixture);
describeWebhooks("postgres", openPostgresFixture);
