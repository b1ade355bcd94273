import { expect, test } from "bun:test";
import fc from "fast-check";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { MemoryEvents, StreamReader } from "../../test/support/memory-events.ts";
import { buyerIdOf, MemoryOrders } from "../../test/support/memory-orders.ts";
import { evenRandom, RecordingLog } from "../../test/support/recording-log.ts";
import { Fault } from "../domain/faults.ts";
import type { Order } from "../ports/order-store.ts";
import { createEventHub } from "./hub.ts";

const RUNS = Number(process.env["RUNS"] ?? 200);
const SEED = process.env["SEED"] === undefined ? {} : { seed: Number(process.env["SEED"]) };
const RIDS = 4;

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("change" as const), which: fc.nat(RIDS - 1), hint: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("connect" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("leave" as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("time" as const), ms: fc.constantFrom(1, 60, 300, 20_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("outage" as const), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lose an answer" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("change while reading" as const), which: fc.nat(RIDS - 1) }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** One buyer with a few reservations whose `updatedAt` is a version number, and a page that comes and goes. */
class World {
  readonly clock = new ManualClock();
  readonly events = new MemoryEvents();
  readonly versions: number[] = Array.from({ length: RIDS }, () => 0);
  readonly readers: StreamReader[] = [];
  /** The newest version that the page has seen of each reservation, over all its streams. */
  readonly #seen: number[] = Array.from({ length: RIDS }, () => 0);
  readonly #template: Order;
  readonly hub: ReturnType<typeof createEventHub>;
  #whileReading: number | null = null;
  #isAway = false;
  #answersLost = 0;
  #lastEventId: string | null = null;
  /** Changes before the page had its first position are not the stream's to tell. */
  #versionsAtStart: number[] | null = null;

  constructor() {
    const store = new MemoryOrders(this.clock, 10);
    this.#template = store.order(store.hold("template", { buyer: "ann" }));
    const orders = Object.assign(store, { listOrdersByRid: (rids: readonly string[]) => this.#list(rids) });
    this.events.before = (method) => {
      if (this.#isAway) throw new Fault("DATABASE_UNAVAILABLE");
      if (method === "tip" || this.#whileReading === null) return;
      const which = this.#whileReading;
      this.#whileReading = null;
      this.#change(which);
    };
    const dependencies = { eventLog: this.events, orders, feed: this.events, clock: this.clock };
    const cursorKey = new Uint8Array(16).fill(3);
    this.hub = createEventHub({ ...dependencies, random: evenRandom(), log: new RecordingLog(), cursorKey });
    this.hub.start();
  }

  async apply(next: Step): Promise<void> {
    if (next.kind === "time") await this.clock.advance(next.ms);
    else if (next.kind === "change") {
      this.#change(next.which);
      if (next.hint) this.events.hint();
    } else if (next.kind === "change while reading") this.#whileReading = next.which;
    else if (next.kind === "lose an answer") this.#answersLost = 1;
    else if (next.kind === "outage") this.#isAway = next.on;
    else if (next.kind === "connect") await this.connect();
    else await this.#leave();
  }

  async connect(): Promise<void> {
    if (this.hub.connections() > 0) return;
    const outcome = this.hub.open({
      buyerId: buyerIdOf("ann"),
      address: "203.0.113.7",
      lastEventId: this.#lastEventId,
    });
    if (outcome.kind === "opened") this.readers.push(new StreamReader(outcome.stream));
    await this.clock.advance(0);
  }

  /** Everything seen so far: never older than before on one stream, and remembered for the next one. */
  look(): void {
    const reader = this.readers.at(-1);
    if (reader === undefined) return;
    const latest = Array.from({ length: RIDS }, () => 0);
    for (const event of reader.events) {
      const { rid, updatedAt } = JSON.parse(event.data);
      const index = Number(rid.slice(4));
      expect(updatedAt).toBeGreaterThanOrEqual(latest[index] ?? 0);
      latest[index] = updatedAt;
      this.#seen[index] = Math.max(this.#seen[index] ?? 0, updatedAt);
    }
    if (reader.lastEventId === "") return;
    this.#lastEventId = reader.lastEventId;
    this.#versionsAtStart ??= [...this.versions];
  }

  /** With time and a database, the page knows the present state of all that changed since it first came. */
  async heal(): Promise<void> {
    this.#isAway = false;
    await this.connect();
    await this.clock.advance(30_000);
    this.look();
    const start = this.#versionsAtStart ?? this.versions;
    const missing = this.versions.filter(
      (version, index) => version > (start[index] ?? 0) && (this.#seen[index] ?? 0) < version,
    );
    expect(missing).toEqual([]);
    await this.hub.stop();
    expect(this.clock.timerCount).toBe(0);
  }

  async #leave(): Promise<void> {
    if (this.hub.connections() === 0) return;
    await this.readers.at(-1)?.leave();
  }

  #change(which: number): void {
    this.versions[which] = (this.versions[which] ?? 0) + 1;
    this.events.append("held", [`rid-${which}`, "ann"]);
  }

  async #list(rids: readonly string[]): Promise<readonly Order[]> {
    if (this.#answersLost > 0) {
      this.#answersLost = 0;
      throw new Fault("DATABASE_UNAVAILABLE");
    }
    return rids.map((rid) => ({ ...this.#template, rid, updatedAt: this.versions[Number(rid.slice(4))] ?? 0 }));
  }
}

test("shows every change to a page that comes and goes, never an older state after a newer one", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
      const world = new World();
      for (const next of steps) {
        await world.apply(next);
        world.look();
      }
      await world.heal();
    }),
    { numRuns: RUNS, ...SEED },
  );
}, 60_000);
