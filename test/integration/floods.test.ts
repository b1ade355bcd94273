/**
 * A short flood of each kind: every request is answered, no honest buyer is refused, and the node stays as big as it was.
 *
 * How long honest buyers wait is judged by `npm run floods`, on a machine that does nothing else.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { floodAddressOf } from "../../lab/floods/flood.ts";
import { FLOOD_KINDS } from "../../lab/floods/flood-requests.ts";
import { problemsOf, runFloods } from "../../lab/floods/run.ts";
import type { Runtime } from "../support/node-process.ts";
import { PostgresCluster } from "../support/postgres-cluster.ts";

const COUNT = 6_000;
const TEST_WITHIN_MS = 120_000;

test("no two of a million addresses are the same", () => {
  const seen = new Set<string>();
  for (let index = 0; index < 1_000_000; index += 1) seen.add(floodAddressOf(index));
  expect(seen.size).toBe(1_000_000);
});

// Every night, and in `npm run floods`; by day src/funnel/flood.test.ts has the floods without the network.
const RUNTIMES: readonly Runtime[] = process.env["RUNS"] === undefined ? [] : ["bun", "node"];
describe.if(RUNTIMES.length > 0)("a node under floods", () => {
  let cluster: PostgresCluster;

  beforeAll(async () => {
    cluster = await PostgresCluster.start();
  }, 60_000);
  afterAll(async () => await cluster?.stop());

  for (const runtime of RUNTIMES) {
    test(
      `a node on ${runtime} answers floods of addresses, forged tokens and sessions, and stays as big as it was`,
      async () => {
        const rows = await runFloods({
          runtime,
          cluster,
          kinds: FLOOD_KINDS,
          count: COUNT,
          warmUpCount: COUNT,
          ratePerS: 3_000,
          honestPerS: 20,
          quietMs: 2_000,
          returnWithinMs: 20_000,
        });
        for (const row of rows) {
          expect(problemsOf(row, { isTimed: false }), JSON.stringify(row, null, 2)).toEqual([]);
          expect(row.flooded.accepted).toBeGreaterThan(0);
        }
        const [forged, addresses, sessions] = rows.map((row) => row.flood.statuses);
        // What is busy says so; nobody else gets past his own stage.
        const sum = (statuses: Readonly<Record<string, number>> | undefined, expected: readonly string[]) =>
          [...expected, "503"].reduce((total, status) => total + (statuses?.[status] ?? 0), 0);
        expect(sum(forged, ["401"])).toBe(COUNT);
        expect(sum(addresses, ["400", "429"])).toBe(COUNT);
        expect(sum(sessions, ["201"])).toBe(COUNT / 5);
      },
      TEST_WITHIN_MS,
    );
  }
});
