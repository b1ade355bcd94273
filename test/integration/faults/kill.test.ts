/**
 * `kill -9` of the whole node during a rush, again and again: what was acknowledged is there, the books balance, the
 * sale goes on. In solo mode the node takes its database down with it.
 */

import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SessionMint } from "../../support/minted-session.ts";
import { type NodeOptions, NodeProcess, type Runtime } from "../../support/node-process.ts";
import { OPEN_LIMITS } from "../../support/open-limits.ts";
import { Operator, seat } from "../../support/operator-client.ts";
import { PostgresCluster } from "../../support/postgres-cluster.ts";
import { Rush } from "../../support/rush.ts";
import { waitUntil } from "../../support/waiting.ts";

setDefaultTimeout(300_000);

const SECRET = "a-secret-that-outlives-the-process-0123456789";
const ADMIN_TOKEN = "an-operator-token-that-outlives-it";
const CONCURRENCY = 48;
const isLong = process.env["RUNS"] !== undefined;
const SOLO_ROUNDS = isLong ? 20 : 3;
const POSTGRES_ROUNDS = isLong ? 20 : 3;
/** A different moment of the rush in each round: from its first answers to its full flow. */
const ACCEPTED_BEFORE_KILL = [1, 5, 20, 60, 150, 40, 10, 300, 80, 2];

async function killInRushes(options: Omit<NodeOptions, "runtime" | "env">, rounds: number): Promise<void> {
  const mint = new SessionMint(SECRET);
  const promised = new Set<string>();
  let item: { saleId: string; sku: string } | null = null;
  const runtimeOf = (round: number): Runtime => (round % 2 === 0 ? "bun" : "node");
  const start = async (round: number): Promise<NodeProcess> =>
    await NodeProcess.start({
      ...options,
      secret: SECRET,
      adminToken: ADMIN_TOKEN,
      runtime: runtimeOf(round),
      env: OPEN_LIMITS,
    });
  let node = await start(0);
  try {
    for (let round = 0; round < rounds; round += 1) {
      item ??= await new Operator(node).createSale({ items: [seat({ stock: 1_000_000 })] }, [node.buyerUrl]);
      const rush = new Rush({ mint, item, buyerUrls: [node.buyerUrl], concurrencyMax: CONCURRENCY });
      rush.begin();
      const enough = ACCEPTED_BEFORE_KILL[round % ACCEPTED_BEFORE_KILL.length] as number;
      await waitUntil(`${enough} acceptances in round ${round}`, () => rush.acceptedCount >= enough, { everyMs: 1 });
      const killed = node.kill();
      await Promise.all([killed, rush.end()]);
      expect(Object.keys(rush.counts).filter((word) => word !== "201" && word !== "broken")).toEqual([]);

      node = await start(round + 1);
      for (const rid of await rush.proveAt(node.buyerUrl)) promised.add(rid);
      const audit = await new Operator(node).audit(item.saleId);
      expect(audit).toMatchObject({ balanced: true, violations: [], items: [{ held: promised.size }] });
    }
  } finally {
    await node.kill();
  }
}

test(`loses no acknowledged reservation of solo mode in ${SOLO_ROUNDS} kills during the rush`, async () => {
  const dataFolder = mkdtempSync(join(tmpdir(), "doorbuster-kill-"));
  try {
    await killInRushes({ databaseUrl: null, dataFolder }, SOLO_ROUNDS);
  } finally {
    rmSync(dataFolder, { recursive: true, force: true });
  }
});

test(`loses no acknowledged reservation on PostgreSQL in ${POSTGRES_ROUNDS} kills of the node during the rush`, async () => {
  const cluster = await PostgresCluster.start();
  try {
    await killInRushes({ databaseUrl: await cluster.createDatabase() }, POSTGRES_ROUNDS);
  } finally {
    await cluster.stop();
  }
});
