/**
 * K18: somebody restores PostgreSQL from an older base backup while Redis knows better.
 *
 * The sale must stop by itself, and `doorbuster recover SALE --from-stream` must bring back every acceptance. Nobody pays,
 * gives back or looks at a reservation in this scenario: what was in PostgreSQL alone is gone, as after every restore.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { waitUntil } from "../../../test/support/waiting.ts";
import { KEEPERS } from "../buyers.ts";
import { FIRST_SALE_MS, type Scenario } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { USUAL_SHAPE } from "../stack.ts";

const MAIN = fileURLToPath(new URL("../../../src/main.ts", import.meta.url));
/** Long enough for the conductor to have told the buckets what was committed: that is what proves the step back. */
const OLD_MS_MIN = 2_500;
const OLD_MS_MAX = 4_000;
const STOPS_WITHIN_MS = 10_000;
const RECOVERED_WITHIN_MS = 30_000;
const WATCHED_FOR_MS = 800;

export const databaseRestored: Scenario = {
  id: "K18",
  title: "PostgreSQL restored from an older base backup",
  mustHold: "stops safely; `recover --from-stream` brings everything back",
  variants: [
    {
      name: "pg_basebackup",
      shape: USUAL_SHAPE,
      habits: KEEPERS,
      holdMs: 600_000,
      stock: 6_000,
      disturb: restoreDatabase,
      firstSale: { withinMs: FIRST_SALE_MS.postgres, after: "healing" },
      allowances: { renumbered: true },
    },
  ],
};

async function restoreDatabase(scene: Scene): Promise<void> {
  const { stack } = scene;
  const backup = join(stack.folder, `backup-${scene.saleId}`);
  await stack.postgres.baseBackup(backup);
  await scene.last(scene.between(OLD_MS_MIN, OLD_MS_MAX));
  const before = await countOrders(scene);
  scene.injected("PostgreSQL is restored from a base backup");
  await stack.postgres.stopServer("immediate");
  await stack.postgres.restore(backup);
  const after = await countOrders(scene);
  scene.injections.push(`${before} orders before, ${after} after`);
  scene.expect(after < before, "the backup was not older");
  await waitUntil("the sale to stop", () => isQuiet(scene), { withinMs: STOPS_WITHIN_MS });
  await recover(scene);
  scene.healed();
}

async function countOrders(scene: Scene): Promise<number> {
  const [row] = await scene.stack.query<{ count: string }>("select count(*) from orders where sale_id = $1", [
    scene.saleId,
  ]);
  return Number(row?.count ?? 0);
}

async function isQuiet(scene: Scene): Promise<boolean> {
  const before = scene.buyers.acceptedCount;
  await scene.last(WATCHED_FOR_MS);
  return scene.buyers.acceptedCount === before;
}

/** As an operator would, from a shell. */
async function recover(scene: Scene): Promise<void> {
  const { adminAddress, adminToken } = scene.stack;
  const target = ["--url", adminAddress, "--token", adminToken];
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [MAIN, "recover", scene.saleId, "--from-stream", ...target],
    { timeout: RECOVERED_WITHIN_MS, env: { PATH: process.env["PATH"], NO_COLOR: "1" } },
  );
  scene.injections.push(`recover: ${stdout.trim().split("\n").at(-1)}`);
}
