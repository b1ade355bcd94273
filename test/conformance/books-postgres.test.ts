/** The books of the redis ledger on a real PostgreSQL. */

import { describeBooks } from "./books.suite.ts";
import { describeBooksHistories } from "./books-history.suite.ts";
import { openPostgresFixture } from "./ledger-fixture.ts";

describeBooks("postgres", openPostgresFixture);
describeBooksHistories("postgres", 2_000, openPostgresFixture);
