import { expect, test } from "bun:test";
import fc from "fast-check";
import type { BucketModel } from "../../lab/simulation/model/bucket-model.ts";
import { attemptOf, BucketWorld, ITEM_ID } from "../../test/support/bucket-world.ts";
import type { Books } from "../ports/books.ts";
import type { BucketAudit, BucketStore } from "../ports/bucket-store.ts";
import { BucketAuditor } from "./bucket-auditor.ts";
import { PLACE_VIOLATIONS, type PlacesReport, type PlaceViolationCode } from "./places.ts";

/** An auditor over a world in redis mode; three of its ten units are held, two more accepted and on their way. */
async function setUp(options: { buckets?: number } = {}) {
  const world = await BucketWorld.inRedis({ stock: 10, ...options });
  const auditor = new BucketAuditor(world);
  const check = async (): Promise<PlacesReport> => {
    const report = await auditor.check(world.sale.id);
    if (report === null) throw new Error("a report is expected");
    return report;
  };
  await world.finish(world.reserve([attemptOf("a", { quantity: 2 }), attemptOf("b")]));
  await world.commit();
  await check();
  await world.finish(world.reserve([attemptOf("c", { quantity: 2 })]));
  const bucket = (index = 0) => {
    const data = [...world.redis.data.buckets.values()].find((each) => each.bucket === index);
    if (data === undefined) throw new Error("a bucket is expected");
    return data;
  };
  const shiftEpoch = (by: number) => {
    for (const [key, data] of world.redis.data.buckets) {
      world.redis.data.buckets.set(key, { ...data, epoch: data.epoch + by });
    }
  };
  return { world, auditor, check, bucket, shiftEpoch, stock: () => world.books.tables.stockRow(ITEM_ID) };
}

test("every unit is in exactly one of the seven places, and the report says in which", async () => {
  const { check } = await setUp();
  const report = await check();
  expect(report).toMatchObject({ mode: "redis", violations: [], trouble: null });
  expect(report.items).toMatchObject([
    { total: 10, free: 0, unapplied: 0, available: 5, leased: 0, uncommitted: 2, held: 3, sold: 0, sum: 10 },
  ]);
  expect(report.items[0]?.buckets).toMatchObject([{ bucket: 0, seq: 3, provenSeq: 2, isOpen: true, gapMs: 0 }]);
});

test("units that were granted and not yet credited are on their way, and in no other place", async () => {
  const { world, check } = await setUp();
  world.books.adjustStock(ITEM_ID, 4);
  const address = { saleId: world.sale.id, itemId: ITEM_ID, bucket: 0, epoch: world.sale.epoch };
  await world.books.placeGrant({ ...address, grantId: "g", units: 4 });
  expect((await check()).items).toMatchObject([{ total: 14, unapplied: 4, available: 5, sum: 14 }]);
});

test("in postgres mode the row alone is judged, and no bucket is asked", async () => {
  const { world, check } = await setUp();
  await world.leaveRedis();
  world.link = () => "lose-call";
  expect(await check()).toMatchObject({ mode: "postgres", violations: [], items: [{ free: 5, held: 5, sum: 10 }] });
});

/** For each code the smallest damage that must be reported. */
const DAMAGES: Record<PlaceViolationCode, (stage: Awaited<ReturnType<typeof setUp>>) => void> = {
  granted_mismatch: ({ world, stock }) => {
    const row = stock();
    world.books.tables.data.stock.set(ITEM_ID, { ...row, granted: row.granted - 1, free: row.free + 1 });
  },
  places_mismatch: ({ world, stock }) => {
    const row = stock();
    world.books.tables.data.stock.set(ITEM_ID, { ...row, free: row.free + 1 });
  },
  bucket_unbalanced: ({ bucket }) => {
    bucket().available += 1;
  },
  leases_unbalanced: ({ bucket }) => {
    bucket().leases.set("x", { left: 1, expiresAtMs: 9e15, nodeId: "n" });
  },
  redis_rolled_back: ({ bucket }) => {
    bucket().seq = 1;
    bucket().reserved = 1;
    bucket().available = 9;
  },
  phantom_credit: ({ bucket }) => {
    bucket().available += 3;
    bucket().grantedIn += 3;
  },
  cut_mismatch: ({ world, bucket }) => {
    bucket().reserved += 1;
    bucket().available -= 1;
    const row = { seq: 3, rid: "c-k", buyerId: "c", quantity: 2, promisedUntil: 0 };
    const address = { saleId: world.sale.id, itemId: ITEM_ID, bucket: 0, epoch: world.sale.epoch };
    void world.books.commitBatch({ ...address, rows: [row] });
  },
};

test.each(Object.keys(PLACE_VIOLATIONS) as PlaceViolationCode[])(
  "reports %s, each time it is looked at",
  async (code) => {
    const stage = await setUp();
    DAMAGES[code](stage);
    for (let look = 0; look < 2; look += 1) {
      expect((await stage.check()).violations.map((violation) => violation.code)).toContain(code);
    }
  },
);

test("units that a bucket forgot to have given are a loss, although it remembers the number", async () => {
  const { check, bucket } = await setUp();
  bucket().reserved = 2;
  bucket().available = 8;
  expect((await check()).violations.map((violation) => violation.code)).toContain("redis_rolled_back");
});

test("what is granted or committed while it looks is no alarm: Postgres is read before the buckets and after", async () => {
  const { world } = await setUp();
  let round = 0;
  const store: Pick<BucketStore, "auditEach"> = {
    auditEach: async (addresses) => {
      for (const address of addresses) {
        round += 1;
        world.books.adjustStock(ITEM_ID, 1);
        await world.relay.run(world.sale);
        const attempts = [attemptOf(`during-${round}`)];
        await world.redis.reserve({ ...address, epoch: world.sale.epoch, leaseId: null, attempts });
        await world.commit();
      }
      return addresses.map((address) => world.redis.auditNow(address));
    },
  };
  const report = await new BucketAuditor({ ...world, store }).check(world.sale.id);
  expect(report).toMatchObject({ violations: [], trouble: null });
});

test("a bucket that is gone, foreign or of an old epoch is trouble, not a violation: nothing can be said of it", async () => {
  const gone = await setUp();
  await gone.world.redis.remove({ itemId: ITEM_ID, bucket: 0, epoch: gone.world.sale.epoch });
  expect(await gone.check()).toMatchObject({ violations: [], trouble: { kind: "redis_lost" }, items: [{ sum: 10 }] });

  const foreign = await setUp();
  foreign.world.redis.runId = "another";
  expect((await foreign.check()).trouble).toMatchObject({ kind: "redis_lost" });

  const old = await setUp();
  old.shiftEpoch(-1);
  expect((await old.check()).trouble).toMatchObject({ kind: "redis_lost" });
});

test("a Postgres that went back in time is told from a Redis that did", async () => {
  const marked = await setUp();
  await marked.world.redis.markCommitted({ itemId: ITEM_ID, bucket: 0, epoch: marked.world.sale.epoch, seq: 2 });
  for (const rid of ["a-k", "b-k"]) marked.world.books.tables.data.orders.delete(rid);
  for (const auditor of [marked.auditor, new BucketAuditor(marked.world)]) {
    expect((await auditor.check(marked.world.sale.id))?.trouble).toMatchObject({ kind: "postgres_rolled_back" });
  }
  const later = await setUp();
  later.shiftEpoch(1);
  expect((await later.check()).trouble).toMatchObject({ kind: "postgres_rolled_back" });
});

test("buckets that do not answer are a fault, never a verdict", async () => {
  const { world, check } = await setUp();
  world.link = (call) => (call === "auditEach" ? "lose-call" : "answer");
  await expect(check()).rejects.toThrow();
});

test("the age of the oldest gap is told, and forgotten when it closes", async () => {
  const { world, check } = await setUp();
  await world.finish(world.reserve([attemptOf("d")]));
  const address = { saleId: world.sale.id, itemId: ITEM_ID, bucket: 0, epoch: world.sale.epoch };
  const rowOf = (seq: number, buyerId: string, quantity: number) => {
    return { seq, rid: `${buyerId}-k`, buyerId, quantity, promisedUntil: 0 };
  };
  await world.books.commitBatch({ ...address, rows: [rowOf(4, "d", 1)] });
  await check();
  world.clock.jump(4_000);
  expect((await check()).items[0]?.buckets[0]?.gapMs).toBe(4_000);
  await world.books.commitBatch({ ...address, rows: [rowOf(3, "c", 2)] });
  expect((await check()).items[0]?.buckets).toMatchObject([{ gapMs: 0, provenSeq: 4 }]);
});

test("a long sale is proven by what is new only", async () => {
  const world = await BucketWorld.inRedis({ stock: 400 });
  const asked: { afterSeq: number; throughSeq: number }[] = [];
  const books: Books = new Proxy(world.books as Books, {
    get: (target, name) => {
      const method: unknown = Reflect.get(target, name, target);
      if (name !== "sumOrders" || typeof method !== "function") return method;
      return (request: { afterSeq: number; throughSeq: number }) => {
        asked.push(request);
        return Reflect.apply(method, target, [request]);
      };
    },
  });
  const auditor = new BucketAuditor({ ...world, books });
  for (let round = 0; round < 20; round += 1) {
    await world.redis.reserve({
      ...{ itemId: ITEM_ID, bucket: 0, epoch: world.sale.epoch, leaseId: null },
      attempts: Array.from({ length: 10 }, (_, index) => attemptOf(`r${round}-${index}`)),
    });
    await auditor.check(world.sale.id);
    await world.commit();
  }
  await auditor.check(world.sale.id);
  expect(asked.length).toBeGreaterThan(15);
  expect(Math.max(...asked.map((request) => request.throughSeq - request.afterSeq))).toBeLessThanOrEqual(20);
});

test("whatever happens between its reads, it raises no false alarm", async () => {
  const step = fc.constantFrom("reserve", "commit", "grow", "relay", "lease", "end", "fence");
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), async (steps, buckets) => {
      const world = await BucketWorld.inRedis({ stock: 12, buckets, perBuyerMax: 3 });
      const waiting = [...steps];
      let last = Promise.resolve();
      const before = (): Promise<void> => {
        last = last.then(async () => {
          for (const each of waiting.splice(0, 2)) await takeStep(world, each);
        });
        return last;
      };
      const auditor = new BucketAuditor({ ...world, ...interrupted(world, before) });
      while (waiting.length > 0) {
        const report = await auditor.check(world.sale.id);
        expect(report?.violations).toEqual([]);
        expect(report?.trouble).toBe(null);
      }
    }),
    { numRuns: Number(process.env["RUNS"] ?? 150) },
  );
});

/** The two sides as the auditor sees them, with something happening before each of its reads. */
function interrupted(
  world: BucketWorld,
  before: () => Promise<void>,
): { store: Pick<BucketStore, "auditEach">; books: Books } {
  const books = new Proxy(world.books as Books, {
    get: (target, name) => {
      const method: unknown = Reflect.get(target, name, target);
      if (typeof method !== "function") return method;
      return async (...values: unknown[]) => {
        await before();
        return Reflect.apply(method, target, values);
      };
    },
  });
  const redis: BucketModel = world.redis;
  return {
    books,
    store: {
      auditEach: async (addresses) => {
        const audits: (BucketAudit | null)[] = [];
        for (const address of addresses) {
          await before();
          audits.push(redis.auditNow(address));
        }
        return audits;
      },
    },
  };
}

let buyers = 0;

async function takeStep(world: BucketWorld, step: string): Promise<void> {
  const { sale, redis, books, relay } = world;
  const address = { itemId: ITEM_ID, bucket: buyers % sale.buckets, epoch: sale.epoch };
  buyers += 1;
  if (step === "fence") {
    await world.leaveRedis();
    await world.enterRedis();
  } else if (step === "reserve") {
    const attempts = [attemptOf(`p${buyers}`, { quantity: 1 + (buyers % 3) })];
    await redis.reserve({ ...address, leaseId: null, attempts });
  } else if (step === "commit") {
    await world.commit();
  } else if (step === "grow") {
    books.adjustStock(ITEM_ID, 2);
  } else if (step === "relay") {
    await relay.run(sale);
  } else if (step === "lease") {
    await redis.lease({ ...address, op: "acquire", leaseId: `l${buyers}`, nodeId: "n", units: 2, ttlMs: 3_000 });
  } else {
    const [order] = [...books.tables.data.orders.values()].filter((row) => row.status === "held");
    if (order !== undefined) {
      await books.orders.cancelHold({ rid: order.rid as never, buyerId: order.buyerId as never });
    }
  }
}
