/**
 * The black-box suite of the API on the embedded database, with the node under test running on Bun.
 */
import { describeApi } from "./api/api.suite.ts";

describeApi({ database: "pglite", runtime: "bun" });
