/**
 * The black-box suite of the API: one function of a database and a runtime, called once by each test file.
 *
 * A database or runtime that cannot keep a promise of the contract is a bug here, not a skip.
 */
import { afterAll, beforeAll, describe, setDefaultTimeout } from "bun:test";
import { Deployment, type Target } from "../../support/deployment.ts";
import { describeBodies } from "./bodies.suite.ts";
import { describeChallenges } from "./challenges.suite.ts";
import { describeEvents, watchHeartbeat } from "./events.suite.ts";
import { describeIdempotency } from "./idempotency.suite.ts";
import { describeIdentity } from "./identity.suite.ts";
import { describeOperator } from "./operator.suite.ts";
import { describePasses } from "./passes.suite.ts";
import { describePaths } from "./paths.suite.ts";
import { describePayments } from "./payments.suite.ts";
import { describeRefusals } from "./refusals.suite.ts";
import { describeReservations } from "./reservations.suite.ts";
import { describeThrottle } from "./throttle.suite.ts";
import { describeWindow } from "./window.suite.ts";

const START_WITHIN_MS = 60_000;
const TEST_WITHIN_MS = 30_000;

export function describeApi(target: Target): void {
  setDefaultTimeout(TEST_WITHIN_MS);

  describe(`the API on ${target.database} and ${target.runtime}`, () => {
    let deployment: Deployment | undefined;
    const get = (): Deployment => {
      if (deployment === undefined) throw new Error("the deployment did not start; see the first failure");
      return deployment;
    };
    const heartbeat = watchHeartbeat(get);

    beforeAll(async () => {
      deployment = await Deployment.start(target);
      await heartbeat.begin();
    }, START_WITHIN_MS);
    afterAll(async () => await deployment?.stop(), START_WITHIN_MS);

    describe("refusals", () => describeRefusals(get));
    describe("window", () => describeWindow(get));
    describe("identity", () => describeIdentity(get));
    describe("passes and tiers", () => describePasses(get));
    describe("bodies and ids", () => describeBodies(get));
    describe("idempotency", () => describeIdempotency(get));
    describe("challenges", () => describeChallenges(get));
    describe("reservations", () => describeReservations(get));
    describe("payments", () => describePayments(get));
    describe("events", () => describeEvents(get));
    describe("operator", () => describeOperator(get));
    describe("heartbeat", () => heartbeat.describe());
  });

  describe(`limits on ${target.database} and ${target.runtime}`, () => {
    let deployment: Deployment | undefined;
    beforeAll(async () => {
      deployment = await Deployment.start(target, {});
    }, START_WITHIN_MS);
    afterAll(async () => await deployment?.stop(), START_WITHIN_MS);

    const get = (): Deployment => {
      if (deployment === undefined) throw new Error("the deployment did not start; see the first failure");
      return deployment;
    };
    describeThrottle(get);
    describe("paths", () => describePaths(get));
  });
}
