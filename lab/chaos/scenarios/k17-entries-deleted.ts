/**
 * K17: somebody deletes entries of a stream by hand before a worker has read them.
 */
import { waitUntil } from "../../../test/support/waiting.ts";
import { FIRST_SALE_MS, type Scenario, type Variant } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { USUAL_SHAPE } from "../stack.ts";

const DELETED_MAX = 5;
const REPAIRED_WITHIN_MS = 30_000;
const PILES_UP_WITHIN_MS = 5_000;

export const entriesDeleted: Scenario = {
  id: "K17",
  title: "stream entries deleted by hand",
  mustHold: "the gap audit repairs them or gives the units back within 30 s",
  variants: [variant("XDEL", deleteSome), variant("XTRIM MAXLEN", trimAll)],
};

function variant(name: string, disturb: (scene: Scene) => Promise<void>): Variant {
  return {
    name,
    shape: USUAL_SHAPE,
    disturb,
    firstSale: { withinMs: FIRST_SALE_MS.worker, after: "injection" },
    settlesWithinMs: REPAIRED_WITHIN_MS,
  };
}

async function deleteSome(scene: Scene): Promise<void> {
  await withWaitingEntries(scene, async (stream, ids) => {
    const { primary } = scene.stack.redis;
    const victims = ids.filter(() => scene.random.fraction() < 0.5).slice(0, DELETED_MAX);
    const chosen = victims.length > 0 ? victims : [scene.pick(ids)];
    const deleted = Number(await primary.command("XDEL", stream, ...chosen));
    scene.expect(deleted === chosen.length, `${deleted} of ${chosen.length} entries were deleted`);
    scene.injected(`XDEL of ${chosen.length} entries that nobody has read: ${chosen.join(", ")}`);
  });
}

async function trimAll(scene: Scene): Promise<void> {
  await withWaitingEntries(scene, async (stream, ids) => {
    const trimmed = await scene.stack.redis.primary.command("XTRIM", stream, "MAXLEN", "0");
    scene.injected(`XTRIM of ${String(trimmed)} entries, ${ids.length} of them unread`);
  });
}

/** Freezes the workers until acceptances wait in a stream, lets the deed be done, and thaws them. */
async function withWaitingEntries(
  scene: Scene,
  deed: (stream: string, unreadIds: readonly string[]) => Promise<void>,
): Promise<void> {
  const { redis, workers } = scene.stack;
  const [item] = await scene.stack.query<{ itemId: number }>(
    'select item_id as "itemId" from item where sale_id = $1',
    [scene.saleId],
  );
  const { epoch } = await scene.desk.standing(scene.saleId);
  for (const worker of workers) process.kill(worker.shop.pid, "SIGSTOP");
  try {
    const [stream] = (await redis.primary.command("KEYS", `*.${item?.itemId}.0}:stream:${epoch}`)) as string[];
    if (stream === undefined) throw new Error(`no stream of item ${item?.itemId} in epoch ${epoch}`);
    const ids = await waitUntil(
      "entries that nobody has read",
      async () => {
        const unread = await unreadIds(redis.primary, stream);
        return unread.length >= 3 ? unread : null;
      },
      { withinMs: PILES_UP_WITHIN_MS, everyMs: 10 },
    );
    await deed(stream, ids);
  } finally {
    for (const worker of workers) process.kill(worker.shop.pid, "SIGCONT");
  }
  scene.healed();
}

async function unreadIds(
  server: { command: (...words: string[]) => Promise<unknown> },
  stream: string,
): Promise<readonly string[]> {
  const groups = (await server.command("XINFO", "GROUPS", stream)) as unknown;
  const text = JSON.stringify(groups);
  const last = /"last-delivered-id"[,:]"([^"]+)"/.exec(text)?.[1] ?? "0-0";
  const entries = (await server.command("XRANGE", stream, `(${last}`, "+")) as readonly (readonly [string, unknown])[];
  return entries.map(([id]) => id);
}
