/**
 * Threats that only a whole node can answer, each a suite, on one node with the embedded database.
 */
import { afterAll, beforeAll, describe, setDefaultTimeout } from "bun:test";
import { Deployment } from "../support/deployment.ts";
import { OPEN_LIMITS } from "../support/open-limits.ts";
import { describeCrossSite } from "./cross-site.suite.ts";
import { describeGuessing } from "./guessing.suite.ts";
import { describeHostileTexts } from "./hostile-texts.suite.ts";
import { describeLogs } from "./logs.suite.ts";
import { SHOP_ORIGIN } from "./shop-origin.ts";
import { describeOutgoingWebhooks } from "./webhooks.suite.ts";

const START_WITHIN_MS = 60_000;
setDefaultTimeout(30_000);

describe("a node", () => {
  let deployment: Deployment | undefined;
  const get = (): Deployment => {
    if (deployment === undefined) throw new Error("the deployment did not start; see the first failure");
    return deployment;
  };

  beforeAll(async () => {
    deployment = await Deployment.start(
      { database: "pglite", runtime: "bun" },
      { ...OPEN_LIMITS, CORS_ORIGINS: SHOP_ORIGIN, WEBHOOK_NETWORKS: "127.0.0.0/8", LOG_LEVEL: "debug" },
    );
  }, START_WITHIN_MS);
  afterAll(async () => await deployment?.stop(), START_WITHIN_MS);

  describe("T10", () => describeCrossSite(get));
  describe("T8", () => describeGuessing(get));
  describe("T11", () => describeOutgoingWebhooks(get));
  describe("T13, T27", () => describeHostileTexts(get));
  describe("T28", () => describeLogs(get));
});
