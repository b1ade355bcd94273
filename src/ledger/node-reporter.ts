/**
 * Says once a second that this node is there, what it does, and whether it reaches Redis: what the conductor counts.
 *
 * A report that could not be written is not repeated: the next one says more.
 */
import { createLoop, type Loop } from "../orders/loop.ts";
import type { Books } from "../ports/books.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";

const REPORT_INTERVAL_MS = 900;
/** While the database is away this is said only so often. */
const COMPLAINT_INTERVAL_MS = 30_000;

/** Builds the loop; nothing runs until `start`. `canReachRedis` null: this node has no Redis configured. */
export function createNodeReporter(parts: {
  books: Pick<Books, "reportNode">;
  nodeId: string;
  roles: readonly string[];
  canReachRedis: () => boolean | null;
  clock: Clock;
  random: Random;
  log: Log;
}): Loop {
  const { books, nodeId, roles, canReachRedis, clock, random, log } = parts;
  let complainedAtMs = Number.NEGATIVE_INFINITY;
  return createLoop({
    name: "node reporter",
    clock,
    random,
    log,
    intervalMs: REPORT_INTERVAL_MS,
    run: async () => {
      try {
        await books.reportNode({ nodeId, roles, canReachRedis: canReachRedis() });
      } catch (error) {
        // Not thrown: the loop would come back ever more seldom, and the conductor would miss this node.
        if (clock.monotonicMs() - complainedAtMs < COMPLAINT_INTERVAL_MS) return;
        complainedAtMs = clock.monotonicMs();
        log.warn({ nodeId, error }, "this node could not report; the next report follows in a second");
      }
    },
  });
}
