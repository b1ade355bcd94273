/**
 * THE list of scenarios, in the order of the design.
 */
import type { Scenario } from "./scenario.ts";
import { apiKilled } from "./scenarios/k01-api-killed.ts";
import { workerKilled } from "./scenarios/k02-worker-killed.ts";
import { redisKilled } from "./scenarios/k03-redis-killed.ts";
import { powerCut } from "./scenarios/k04-power-cut.ts";
import { splitBrain } from "./scenarios/k05-split-brain.ts";
import { apiFrozen } from "./scenarios/k06-api-frozen.ts";
import { workerFrozen } from "./scenarios/k07-worker-frozen.ts";
import { postgresFails } from "./scenarios/k08-postgres.ts";
import { badLinks } from "./scenarios/k09-bad-links.ts";
import { slowDisk } from "./scenarios/k10-slow-disk.ts";
import { memoryFull } from "./scenarios/k11-memory-full.ts";
import { wrongClocks } from "./scenarios/k12-clocks.ts";
import { notifications } from "./scenarios/k13-notifications.ts";
import { flips } from "./scenarios/k14-flips.ts";
import { thunderingRestart } from "./scenarios/k15-restart.ts";
import { entriesDeleted } from "./scenarios/k17-entries-deleted.ts";
import { databaseRestored } from "./scenarios/k18-database-restored.ts";

export const SCENARIOS: readonly Scenario[] = [
  apiKilled,
  workerKilled,
  redisKilled,
  powerCut,
  splitBrain,
  apiFrozen,
  workerFrozen,
  postgresFails,
  badLinks,
  slowDisk,
  memoryFull,
  wrongClocks,
  notifications,
  flips,
  thunderingRestart,
  entriesDeleted,
  databaseRestored,
];
