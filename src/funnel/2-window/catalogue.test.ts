/**
 * The catalogue follows the store on hints and by polling, one refresh at a time, and survives a store that is away.
 */
import { describe, expect, test } from "bun:test";
import { ManualFeed, MemorySaleStore, SALE_ID, saleAt } from "../../../test/support/funnel-fixture.ts";
import { ManualClock, settle } from "../../../test/support/manual-clock.ts";
import { evenRandom, RecordingLog } from "../../../test/support/recording-log.ts";
import { Catalogue, POLL_INTERVAL_MS, POLL_JITTER_FRACTION } from "./catalogue.ts";

function setting(random = evenRandom()) {
  const clock = new ManualClock();
  const store = new MemorySaleStore();
  const feed = new ManualFeed();
  const log = new RecordingLog();
  store.sales = [saleAt(clock.nowMs())];
  const catalogue = new Catalogue({ saleStore: store, allowlists: store, feed, clock, random, log });
  return { clock, store, feed, log, catalogue };
}

describe("catalogue", () => {
  test("knows a sale and its items after start, and nothing that does not exist", async () => {
    const { catalogue } = setting();
    await catalogue.start();
    expect(catalogue.find(SALE_ID)?.places.get("one")?.item.itemId).toBe(1);
    expect(catalogue.findSale(SALE_ID)?.id).toBe(SALE_ID);
    for (const hostile of ["", "Demo", "__proto__", "constructor", "demo\n", "%64emo"]) {
      expect(catalogue.find(hostile)).toBeNull();
    }
    expect(catalogue.find(SALE_ID)?.places.get("__proto__")).toBeUndefined();
  });

  test("sees a change at once on a hint, and within a second without one", async () => {
    const { clock, store, feed, catalogue } = setting();
    await catalogue.start();
    store.change(SALE_ID, { phase: "paused" });
    feed.tell({ topic: "catalogue" });
    await settle();
    expect(catalogue.findSale(SALE_ID)?.phase).toBe("paused");
    store.change(SALE_ID, { phase: "scheduled" });
    await clock.advance(POLL_INTERVAL_MS);
    expect(catalogue.findSale(SALE_ID)?.phase).toBe("scheduled");
  });

  test("polls of nodes that started together drift apart, within a fifth of the interval", async () => {
    for (const [fraction, dueMs] of [
      [0, POLL_INTERVAL_MS * (1 - POLL_JITTER_FRACTION)],
      [0.999_999, POLL_INTERVAL_MS * (1 + POLL_JITTER_FRACTION)],
    ] as const) {
      const { clock, store, catalogue } = setting({ id: () => "id", fraction: () => fraction });
      await catalogue.start();
      const before = store.lookCount;
      await clock.advance(dueMs - 1);
      expect(store.lookCount).toBe(before);
      await clock.advance(1);
      expect(store.lookCount).toBe(before + 1);
      await catalogue.stop();
    }
  });

  test("reads the sales themselves only when one of them has changed", async () => {
    const { clock, store, catalogue } = setting();
    await catalogue.start();
    const before = store.listCount;
    await clock.advance(5 * POLL_INTERVAL_MS);
    expect(store.listCount).toBe(before);
    store.change(SALE_ID, { phase: "paused" });
    await clock.advance(5 * POLL_INTERVAL_MS);
    expect([store.listCount, catalogue.findSale(SALE_ID)?.phase]).toEqual([before + 1, "paused"]);
    store.sales = [];
    await clock.advance(2 * POLL_INTERVAL_MS);
    expect([store.listCount, catalogue.findSale(SALE_ID)]).toEqual([before + 2, null]);
  });

  test("any number of names that do not exist costs the store nothing: the copy is complete", async () => {
    const { store, catalogue } = setting();
    await catalogue.start();
    const before = store.lookCount;
    for (let count = 0; count < 100_000; count += 1) expect(catalogue.findSale(`no-such-${count}`)).toBeNull();
    await settle();
    expect(store.lookCount).toBe(before);
  });

  test("turns a thousand hints during a refresh into one more refresh", async () => {
    const { store, feed, catalogue } = setting();
    await catalogue.start();
    const before = store.lookCount;
    const { promise, resolve: open } = Promise.withResolvers<void>();
    store.gate = promise;
    for (let hint = 0; hint < 1_000; hint += 1) feed.tell({ topic: "catalogue" });
    await settle();
    expect(store.lookCount).toBe(before + 1);
    store.gate = null;
    open();
    await settle();
    await settle();
    expect(store.lookCount).toBe(before + 2);
  });

  test("a refresh that was asked for during another one sees what was committed in between", async () => {
    const { store, catalogue } = setting();
    await catalogue.start();
    const { promise, resolve: open } = Promise.withResolvers<void>();
    store.gate = promise;
    const first = catalogue.refresh();
    store.change(SALE_ID, { epoch: 2 });
    const second = catalogue.refresh();
    store.gate = null;
    open();
    await first;
    expect(catalogue.findSale(SALE_ID)?.epoch).toBe(1);
    await second;
    expect(catalogue.findSale(SALE_ID)?.epoch).toBe(2);
  });

  test("keeps the last copy while the store is away, says so, and recovers by itself", async () => {
    const { clock, store, log, catalogue } = setting();
    await catalogue.start();
    store.fail = new Error("away");
    await clock.advance(5 * POLL_INTERVAL_MS);
    expect(catalogue.findSale(SALE_ID)).not.toBeNull();
    expect(log.count("warn")).toBe(5);
    expect(catalogue.ageMs()).toBeGreaterThanOrEqual(5 * POLL_INTERVAL_MS);
    store.fail = null;
    store.change(SALE_ID, { phase: "closed" });
    await clock.advance(POLL_INTERVAL_MS);
    expect(catalogue.findSale(SALE_ID)?.phase).toBe("closed");
  });

  test("gives up a refresh that hangs, and its late answer does not undo a newer one", async () => {
    const { clock, store, catalogue } = setting();
    await catalogue.start();
    const { promise, resolve: open } = Promise.withResolvers<void>();
    store.gate = promise;
    await clock.advance(POLL_INTERVAL_MS);
    store.gate = null;
    store.change(SALE_ID, { name: "Newer" });
    await clock.advance(5_000 + POLL_INTERVAL_MS);
    expect(catalogue.findSale(SALE_ID)?.name).toBe("Newer");
    open();
    await settle();
    expect(catalogue.findSale(SALE_ID)?.name).toBe("Newer");
  });

  test("reads the allowlist of a sale again only when the sale changed", async () => {
    const { clock, store, feed, catalogue } = setting();
    store.change(SALE_ID, { eligibility: { allowlist: true } });
    store.allowlist = ["ann"];
    await catalogue.start();
    expect(catalogue.find(SALE_ID)?.allowlist?.has("ann")).toBe(true);
    const entry = catalogue.find(SALE_ID);
    await clock.advance(POLL_INTERVAL_MS);
    expect(catalogue.find(SALE_ID)).toBe(entry);
    store.allowlist = ["bob"];
    store.change(SALE_ID, {});
    feed.tell({ topic: "catalogue" });
    await settle();
    expect(catalogue.find(SALE_ID)?.allowlist?.has("bob")).toBe(true);
    expect(catalogue.find(SALE_ID)?.allowlist?.has("ann")).toBe(false);
  });

  test("nobody is on a list that is not there yet, and the old one counts while a newer one is read", async () => {
    const { clock, store, feed, catalogue } = setting();
    store.change(SALE_ID, { eligibility: { allowlist: true } });
    store.allowlist = ["ann"];
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const readPart = store.readPart.bind(store);
    store.readPart = async (part) => {
      await held;
      return readPart(part);
    };
    const started = catalogue.start();
    await clock.advance(500);
    expect(catalogue.find(SALE_ID)?.allowlist?.has("ann")).toBe(false);
    // The rest of the catalogue does not wait for the list.
    for (const phase of ["paused", "scheduled", "paused"] as const) {
      store.change(SALE_ID, { phase });
      feed.tell({ topic: "catalogue" });
      await settle();
      expect(catalogue.findSale(SALE_ID)?.phase).toBe(phase);
    }
    release();
    await started;
    expect(catalogue.find(SALE_ID)?.allowlist?.has("ann")).toBe(true);

    store.readPart = async () => {
      throw new Error("the database is away");
    };
    store.allowlist = ["bob"];
    store.change(SALE_ID, {});
    await clock.advance(POLL_INTERVAL_MS);
    expect(catalogue.find(SALE_ID)?.allowlist?.has("ann")).toBe(true);
    store.readPart = readPart;
    await clock.advance(POLL_INTERVAL_MS);
    expect(catalogue.find(SALE_ID)?.allowlist?.has("ann")).toBe(false);
    expect(catalogue.find(SALE_ID)?.allowlist?.has("bob")).toBe(true);
  });

  test("knows bans of buyers and of networks until they end", async () => {
    const { clock, store, catalogue } = setting();
    const ban = { reason: "bot", createdAt: 0, effect: "refuse", origin: "operator" } as const;
    store.bans = [
      { ...ban, id: "1", kind: "buyer", subject: "ann", expiresAt: clock.nowMs() + 100 },
      { ...ban, id: "2", kind: "ip", subject: "2001:DB8:0:1:0:0:0:5", expiresAt: null },
    ];
    await catalogue.start();
    const nowMs = clock.nowMs();
    expect(catalogue.isBanned({ buyerId: "ann", ipKey: "x" }, nowMs)).toBe(true);
    expect(catalogue.isBanned({ buyerId: "ann", ipKey: "x" }, nowMs + 100)).toBe(false);
    expect(catalogue.isBanned({ buyerId: null, ipKey: "2001:db8:0:1::/64" }, nowMs + 1e9)).toBe(true);
    expect(catalogue.isBanned({ buyerId: "bob", ipKey: "203.0.113.1" }, nowMs)).toBe(false);
  });

  test("reads bans again only when one changed", async () => {
    const { store, catalogue } = setting();
    let reads = 0;
    const listBans = store.listBans.bind(store);
    store.listBans = async () => {
      reads += 1;
      return listBans();
    };
    await catalogue.start();
    await catalogue.refresh();
    expect(reads).toBe(1);
    const ban = { id: "1", kind: "buyer", subject: "ann", reason: "bot", createdAt: 0, expiresAt: null } as const;
    store.bans = [{ ...ban, effect: "exempt", origin: "operator" }];
    await catalogue.refresh();
    expect(reads).toBe(2);
    expect(catalogue.isExempt({ buyerId: "ann", ipKey: "x" }, 0)).toBe(true);
    expect(catalogue.isBanned({ buyerId: "ann", ipKey: "x" }, 0)).toBe(false);
  });

  test("leaves no timer and no listener behind when stopped", async () => {
    const { clock, feed, catalogue } = setting();
    await catalogue.start();
    expect(feed.listenerCount).toBe(1);
    await catalogue.stop();
    expect(clock.timerCount).toBe(0);
    expect(feed.listenerCount).toBe(0);
  });

  test("started twice still polls once", async () => {
    const { clock, store, catalogue } = setting();
    await catalogue.start();
    await catalogue.start();
    const before = store.lookCount;
    await clock.advance(POLL_INTERVAL_MS);
    expect(store.lookCount).toBe(before + 1);
    expect(clock.timerCount).toBe(1);
  });

  test("does not start on a store that cannot be read, and does when it can", async () => {
    const { clock, store, catalogue } = setting();
    store.fail = new Error("away");
    await expect(catalogue.start()).rejects.toThrow("away");
    expect(clock.timerCount).toBe(0);
    store.fail = null;
    await catalogue.start();
    expect(catalogue.findSale(SALE_ID)).not.toBeNull();
  });
});
