/**
 * The black-box suite of the API on a real PostgreSQL, with the node under test running on Bun.
 */
import { describeApi } from "./api/api.suite.ts";

describeApi({ database: "postgres", runtime: "bun" });
