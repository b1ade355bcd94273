import { expect, test } from "bun:test";
import { ManualClock, settle } from "../../test/support/manual-clock.ts";
import { MemoryEvents, StreamReader } from "../../test/support/memory-events.ts";
import { buyerIdOf, MemoryOrders, PRICE } from "../../test/support/memory-orders.ts";
import { evenRandom, RecordingLog } from "../../test/support/recording-log.ts";
import { Fault } from "../domain/faults.ts";
import { createEventHub, type EventHubLimits } from "./hub.ts";

const POLL_MS = 250;
const CURSOR_KEY = new Uint8Array(32).fill(1);

function setUp(limits: Partial<EventHubLimits> = {}) {
  const clock = new ManualClock();
  const orders = new MemoryOrders(clock, 1_000);
  const events = new MemoryEvents();
  const log = new RecordingLog();
  const dependencies = { eventLog: events, orders, feed: events, clock, random: evenRandom(), log };
  const hub = createEventHub({ ...dependencies, cursorKey: CURSOR_KEY, limits });
  hub.start();

  function open(buyer: string, lastEventId: string | null = null, address = "203.0.113.7"): StreamReader {
    const outcome = hub.open({ buyerId: buyerIdOf(buyer), address, lastEventId });
    if (outcome.kind === "refused") throw new Error(outcome.refusal.reason);
    return new StreamReader(outcome.stream);
  }

  /** A hold of the buyer's, committed with its event. */
  function hold(rid: string, buyer: string): void {
    orders.hold(rid, { buyer });
    events.append("held", [rid, buyer]);
  }

  async function pay(rid: string): Promise<void> {
    const order = orders.order(rid);
    await orders.attachPayment({ rid: order.rid as never, paymentId: `pay-${rid}` });
    await orders.settlePayment({ provider: "p", notificationId: null, paymentId: `pay-${rid}`, amount: PRICE });
    events.append("paid", [rid, order.buyerId]);
  }

  return { clock, orders, events, log, hub, open, hold, pay };
}

test("tells a buyer what became of a reservation, with the owner's view and nothing more", async () => {
  const { clock, hub, open, hold, pay } = setUp();
  hold("rid-1", "ann");
  const ann = open("ann");
  await clock.advance(POLL_MS);
  await pay("rid-1");
  await clock.advance(POLL_MS);
  expect(ann.events.map((event) => event.event)).toEqual(["reservation"]);
  expect(JSON.parse(ann.events[0]?.data ?? "")).toEqual({
    rid: "rid-1",
    saleId: "sale",
    sku: "sku",
    quantity: 1,
    status: "paid",
    holdUntil: expect.any(Number),
    amount: PRICE,
    createdAt: expect.any(Number),
    updatedAt: expect.any(Number),
  });
  await hub.stop();
});

test("tells nobody about the reservations of others", async () => {
  const { clock, hub, open, hold, events } = setUp();
  const ann = open("ann");
  const bob = open("bob");
  await clock.advance(POLL_MS);
  hold("rid-1", "ann");
  // A log that named the wrong buyer would still show nothing: the order itself says whose it is.
  events.append("held", ["rid-1", "bob"]);
  await clock.advance(POLL_MS);
  expect([ann.events.length, bob.events.length]).toEqual([1, 0]);
  await hub.stop();
});

test("gives every stream of the buyer the same news", async () => {
  const { clock, hub, open, hold } = setUp();
  const tabs = [open("ann"), open("ann")];
  await clock.advance(POLL_MS);
  hold("rid-1", "ann");
  await clock.advance(POLL_MS);
  expect(tabs.map((tab) => tab.statuses)).toEqual([["held"], ["held"]]);
  await hub.stop();
});

test("asks the database nothing while nobody is connected", async () => {
  const { clock, hub, open, events, hold } = setUp();
  hold("rid-1", "ann");
  events.hint();
  await clock.advance(10_000);
  expect(events.queries).toBe(0);
  const ann = open("ann");
  await clock.advance(1_000);
  await ann.leave();
  await clock.advance(1_000);
  const asked = events.queries;
  await clock.advance(60_000);
  expect([asked > 0, events.queries, hub.connections(), clock.timerCount]).toEqual([true, asked, 0, 0]);
  await hub.stop();
});

test("hears a hint before its poll is due, and polls without hints", async () => {
  const { clock, hub, open, hold, events } = setUp();
  const ann = open("ann");
  await clock.advance(POLL_MS);
  await clock.advance(60);
  hold("rid-1", "ann");
  events.hint();
  await clock.advance(1);
  expect(ann.events.length).toBe(1);
  hold("rid-2", "ann");
  await clock.advance(POLL_MS);
  expect(ann.events.length).toBe(2);
  await hub.stop();
});

test("reads at most twenty times a second, however many hints there are", async () => {
  const { clock, hub, open, events } = setUp();
  open("ann");
  await clock.advance(POLL_MS);
  const asked = events.queries;
  for (let ms = 0; ms < 1_000; ms += 1) {
    events.hint();
    await clock.advance(1);
  }
  expect(events.queries - asked).toBeLessThanOrEqual(21);
  expect(events.queries - asked).toBeGreaterThan(10);
  await hub.stop();
});

test("replays the present state of what changed while the buyer was away, and nothing from before", async () => {
  const { clock, hub, open, hold, pay } = setUp();
  const first = open("ann");
  hold("rid-old", "ann");
  await clock.advance(POLL_MS);
  await clock.advance(POLL_MS);
  hold("rid-1", "ann");
  await clock.advance(POLL_MS);
  await first.leave();
  hold("rid-2", "ann");
  await pay("rid-2");
  hold("rid-bob", "bob");
  const again = open("ann", first.lastEventId);
  await clock.advance(POLL_MS);
  const seen = again.events.map((event) => JSON.parse(event.data));
  expect(seen.map((reservation) => [reservation.rid, reservation.status]).sort()).toEqual([
    ["rid-1", "held"],
    ["rid-2", "paid"],
  ]);
  await hub.stop();
});

test("loses nothing between replay and live: what changes while the replay is read comes after it", async () => {
  const { clock, hub, open, hold, pay, events } = setUp();
  const first = open("ann");
  await clock.advance(POLL_MS);
  await first.leave();
  hold("rid-1", "ann");
  let changed = false;
  events.before = async (method) => {
    if (method !== "changedSince" || changed) return;
    changed = true;
    await pay("rid-1");
    hold("rid-2", "ann");
  };
  const again = open("ann", first.lastEventId);
  await clock.advance(2 * POLL_MS);
  const last = new Map(again.events.map((event) => [JSON.parse(event.data).rid, JSON.parse(event.data).status]));
  expect([...last].sort()).toEqual([
    ["rid-1", "paid"],
    ["rid-2", "held"],
  ]);
  await hub.stop();
});

test("lets a stream that was cut in the middle of a replay have all of it again", async () => {
  const { clock, hub, open, hold } = setUp();
  const first = open("ann");
  await clock.advance(POLL_MS);
  await first.leave();
  hold("rid-1", "ann");
  hold("rid-2", "ann");
  const cut = open("ann", first.lastEventId);
  await clock.advance(POLL_MS);
  const idAfterFirstFrame = cut.events[0]?.id ?? "";
  await cut.leave();
  const again = open("ann", idAfterFirstFrame);
  await clock.advance(POLL_MS);
  expect(again.events.length).toBe(2);
  await hub.stop();
});

test("gives no position to a stream before its replay: cut there, it has missed nothing", async () => {
  const { clock, hub, open, hold, orders, events } = setUp();
  const first = open("ann");
  const other = open("ann");
  await clock.advance(POLL_MS);
  await first.leave();
  hold("rid-1", "ann");
  let again: StreamReader | null = null;
  const list = orders.listOrdersByRid.bind(orders);
  orders.listOrdersByRid = (rids) => {
    again ??= open("ann", first.lastEventId);
    return list(rids);
  };
  events.before = (method) => {
    if (method === "changedSince") throw new Fault("DATABASE_UNAVAILABLE");
  };
  await clock.advance(POLL_MS);
  const joined = again as StreamReader | null;
  expect([other.events.length, joined?.events.length, joined?.lastEventId]).toEqual([1, 0, ""]);
  await hub.stop();
});

test("sends what changed in the order of its last change, so that positions only move forward", async () => {
  const { clock, hub, open, hold, pay } = setUp();
  const ann = open("ann");
  await clock.advance(POLL_MS);
  hold("rid-1", "ann");
  hold("rid-2", "ann");
  await pay("rid-1");
  await clock.advance(POLL_MS);
  expect(ann.events.map((event) => JSON.parse(event.data).rid)).toEqual(["rid-2", "rid-1"]);
  await hub.stop();
});

test("replays nobody else's reservation, whatever the log says", async () => {
  const { clock, hub, open, hold, events } = setUp();
  const first = open("ann");
  await clock.advance(POLL_MS);
  await first.leave();
  hold("rid-1", "bob");
  events.append("held", ["rid-1", "ann"]);
  const again = open("ann", first.lastEventId);
  await clock.advance(POLL_MS);
  expect(again.events).toEqual([]);
  await hub.stop();
});

test("treats an id that it never gave as none", async () => {
  const { clock, hub, open, hold } = setUp();
  hold("rid-1", "ann");
  const ann = open("ann", "1000");
  await clock.advance(POLL_MS);
  expect(ann.events).toEqual([]);
  expect(ann.lastEventId).toMatch(/^[A-Za-z0-9_-]{22}$/);
  await hub.stop();
});

test("an address has its share of streams, and leaves the rest to others", async () => {
  const { hub, open } = setUp({ perAddressMax: 3 });
  const from = (index: number, address: string) => () => open(`buyer-${index}`, null, address);
  const streams = [0, 1, 2].map((index) => from(index, "198.51.100.1")());
  expect(from(3, "198.51.100.1")).toThrow("busy");
  expect(from(3, "198.51.100.2")).not.toThrow();
  await streams[0]?.leave();
  expect(from(4, "198.51.100.1")).not.toThrow();
  expect(from(5, "198.51.100.1")).toThrow("busy");
  await hub.stop();
});

test("refuses a third stream of a buyer and any beyond the node's cap, until one ends", async () => {
  const { hub, open, clock } = setUp({ perNodeMax: 3 });
  const ann = open("ann");
  open("ann");
  expect(() => open("ann")).toThrow("busy");
  open("bob");
  expect(() => open("carl")).toThrow("busy");
  await ann.leave();
  open("ann");
  expect(hub.connections()).toBe(3);
  await clock.advance(POLL_MS);
  await hub.stop();
});

test("breaks off a reader that does not read, and keeps the others", async () => {
  const { clock, hub, open, hold } = setUp({ bufferBytesMax: 2_048 });
  const slow = hub.open({ buyerId: buyerIdOf("ann"), address: "203.0.113.7", lastEventId: null });
  const quick = open("ann");
  await clock.advance(POLL_MS);
  for (let index = 0; index < 30; index += 1) {
    hold(`rid-${index}`, "ann");
    await clock.advance(POLL_MS);
  }
  expect([hub.connections(), quick.events.length]).toEqual([1, 30]);
  if (slow.kind !== "opened") throw new Error("refused");
  const late = new StreamReader(slow.stream);
  await settle();
  expect(late.ended).toBe("broken");
  await hub.stop();
});

test("beats every fifteen seconds for every stream, and moves their position on", async () => {
  const { clock, hub, open, events } = setUp();
  const streams = [open("ann"), open("bob"), open("carl")];
  await clock.advance(POLL_MS);
  const before = streams.map((stream) => stream.lastEventId);
  events.append("held", ["rid-else", "dora"]);
  await clock.advance(45_000);
  for (const stream of streams) expect(stream.text.split(": heartbeat").length - 1).toBe(3);
  expect(streams.every((stream, index) => stream.lastEventId !== before[index])).toBe(true);
  await hub.stop();
});

test("ends a stream politely once it is old, so that its reader authenticates again", async () => {
  const { clock, hub, open } = setUp({ ageMsMax: 60_000 });
  const ann = open("ann");
  await clock.advance(80_000);
  expect([ann.ended, hub.connections()]).toEqual(["closed", 0]);
  await hub.stop();
});

test("skips nothing when the database is away for a while", async () => {
  const { clock, hub, open, hold, events, log } = setUp();
  const ann = open("ann");
  await clock.advance(POLL_MS);
  events.before = () => {
    throw new Fault("DATABASE_UNAVAILABLE");
  };
  hold("rid-1", "ann");
  await clock.advance(20_000);
  expect(log.count("warn")).toBeGreaterThan(2);
  expect(log.count("warn")).toBeLessThan(20);
  events.before = () => undefined;
  await clock.advance(7_000);
  expect(ann.statuses).toEqual(["held"]);
  await hub.stop();
});

test("drains: tells readers when to come back, ends their streams, takes no new ones", async () => {
  const { clock, hub, open } = setUp();
  const ann = open("ann");
  await clock.advance(POLL_MS);
  await hub.stop();
  await settle();
  expect(ann.ended).toBe("closed");
  expect(ann.text).toMatch(/^retry: \d+\n\n/);
  expect(ann.text).toMatch(/retry: \d+\n\n$/);
  expect(() => open("bob")).toThrow("draining");
  expect([hub.connections(), clock.timerCount]).toEqual([0, 0]);
});

test("cannot be made to send an event by the name of a thing", async () => {
  const { clock, hub, open, hold, orders } = setUp();
  const ann = open("ann");
  await clock.advance(POLL_MS);
  hold("rid-1", "ann");
  Object.assign(orders.order("rid-1"), { sku: '\n\nevent: reservation\ndata: {"status":"paid"}\n\n' });
  await clock.advance(POLL_MS);
  expect(ann.statuses).toEqual(["held"]);
  await hub.stop();
});
