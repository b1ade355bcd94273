/** An operator sees the stock while Redis is away, and a database that is away is told as such. */
import { expect, test } from "bun:test";
import { BucketWorld, ITEM_ID } from "../../test/support/bucket-world.ts";
import { Fault } from "../domain/faults.ts";
import { createShownStock } from "./shown-stock.ts";

test("the ledger's word is shown, and PostgreSQL's rows while it gives none", async () => {
  const world = await BucketWorld.inRedis({ stock: 40 });
  const shown = createShownStock({ ledger: world.routed, stored: world.postgres });
  const [whole] = await world.finish(shown.readStock([ITEM_ID]));
  expect(whole).toMatchObject({ total: 40, free: 40, granted: 0 });
  world.link = () => "lose-call";
  const [stored] = await world.finish(shown.readStock([ITEM_ID]));
  expect(stored).toMatchObject({ total: 40, held: 0 });
  expect(stored?.granted).toBeGreaterThan(0);
  expect((stored?.free ?? 0) + (stored?.granted ?? 0)).toBe(40);
});

test("what is wrong with PostgreSQL is not hidden", async () => {
  const world = await BucketWorld.inRedis();
  const shown = createShownStock({ ledger: world.routed, stored: world.postgres });
  world.link = () => "lose-call";
  world.postgresFault = new Fault("DATABASE_UNAVAILABLE");
  const fault = await world.finish(shown.readStock([ITEM_ID]).catch((error: unknown) => error));
  expect((fault as Fault).code).toBe("DATABASE_UNAVAILABLE");
  const bug = new TypeError("a bug");
  const broken = createShownStock({ ledger: { readStock: () => Promise.reject(bug) }, stored: world.postgres });
  expect(await broken.readStock([ITEM_ID]).catch((error: unknown) => error)).toBe(bug);
});
