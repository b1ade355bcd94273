/**
 * K8: PostgreSQL crashes, is stopped at once, waits for a lock, or finds its disk full.
 *
 * Buyers may hear that they should come back; nobody may hear that anything is sold out, and the sale goes on by itself.
 * A server that ends because its disk was full is started again once there is room, as its supervisor would.
 */
import pg from "pg";
import { whyNoSmallDisk } from "../../../test/support/small-disk.ts";
import { waitUntil } from "../../../test/support/waiting.ts";
import { FIRST_SALE_MS, type Scenario } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { USUAL_SHAPE } from "../stack.ts";

const LOCKED_FOR_MS = 10_000;
const STOPPED_FOR_MS_MAX = 2_500;
const FULL_FOR_MS_MAX = 2_500;
const after = (moment: "injection" | "healing") => ({ withinMs: FIRST_SALE_MS.postgres, after: moment });

export const postgresFails: Scenario = {
  id: "K8",
  title: "PostgreSQL: a backend killed, an immediate restart, a lock, a full disk",
  mustHold: "backlog ≤ granted; nobody hears sold_out; the sale resumes",
  variants: [
    { name: "kill -9 of a backend", shape: USUAL_SHAPE, disturb: killBackend, firstSale: after("injection") },
    { name: "immediate restart", shape: USUAL_SHAPE, disturb: restart, firstSale: after("injection") },
    { name: "a lock for ten seconds", shape: USUAL_SHAPE, disturb: lock, firstSale: after("healing") },
    {
      name: "disk full",
      shape: { ...USUAL_SHAPE, postgresDisk: "160m" },
      whyNot: whyNoSmallDisk,
      disturb: fillDisk,
      firstSale: after("healing"),
    },
  ],
};

async function killBackend(scene: Scene): Promise<void> {
  const backends = await scene.stack.query<{ pid: number }>(
    "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() order by pid",
  );
  const { pid } = scene.pick(backends);
  scene.injected("kill -9 of a backend: the whole server recovers");
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It ended between our looking and the signal.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    return await killBackend(scene);
  }
  await scene.untilSelling();
}

async function restart(scene: Scene): Promise<void> {
  const { postgres } = scene.stack;
  scene.injected("an immediate stop and start of PostgreSQL");
  await postgres.stopServer("immediate");
  await scene.last(scene.between(0, STOPPED_FOR_MS_MAX));
  await postgres.startServer();
}

/** The row that every decision and every commit needs. */
async function lock(scene: Scene): Promise<void> {
  const client = new pg.Client({ connectionString: scene.stack.databaseUrl });
  await client.connect();
  try {
    await client.query("begin");
    await client.query(
      "select 1 from stock where item_id in (select item_id from item where sale_id = $1) for update",
      [scene.saleId],
    );
    scene.injected("a lock on the stock row for ten seconds");
    await scene.last(LOCKED_FOR_MS);
    await client.query("rollback");
    scene.healed();
  } finally {
    await client.end();
  }
}

async function fillDisk(scene: Scene): Promise<void> {
  const disk = scene.stack.postgresDisk;
  if (disk === null) throw new Error("this stack's PostgreSQL has no disk of its own");
  const free = disk.fill();
  scene.injected("the disk of PostgreSQL is full");
  const before = scene.buyers.acceptedCount;
  await scene.last(scene.between(500, FULL_FOR_MS_MAX));
  scene.injections.push(`${scene.buyers.acceptedCount - before} acceptances while it was full`);
  free();
  await scene.stack.restore();
  await waitUntil("PostgreSQL to write again", async () => {
    await scene.stack.query("create temporary table room as select 1 as one");
    return true;
  });
  scene.healed();
}
