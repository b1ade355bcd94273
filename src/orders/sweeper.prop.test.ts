import { expect, test } from "bun:test";
import fc from "fast-check";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { buyerIdOf, MemoryOrders } from "../../test/support/memory-orders.ts";
import { evenRandom, RecordingLog } from "../../test/support/recording-log.ts";
import { ScriptedProvider } from "../../test/support/scripted-provider.ts";
import { Fault } from "../domain/faults.ts";
import { createCheckoutService } from "./checkout.ts";
import { createSettlement } from "./settlement.ts";
import { createSweeper } from "./sweeper.ts";

const UNITS = 3;
const RUNS = Number(process.env["RUNS"] ?? 300);
const SEED = process.env["SEED"] === undefined ? {} : { seed: Number(process.env["SEED"]) };

/** What may happen between two looks: buyers, money, time, and answers that get lost. */
const step = fc.oneof(
  fc.record({ kind: fc.constant("hold" as const) }),
  fc.record({
    kind: fc.constantFrom("checkout", "pay", "start paying", "misprice", "give back", "notify"),
    which: fc.nat(9),
  }),
  fc.record({ kind: fc.constant("time" as const), ms: fc.constantFrom(1_000, 30_000, 300_000, 601_000) }),
  fc.record({ kind: fc.constant("sweep" as const), lost: fc.constantFrom("nothing", "before", "after") }),
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

class World {
  readonly clock = new ManualClock();
  readonly orders = new MemoryOrders(this.clock, UNITS);
  readonly provider = new ScriptedProvider();
  readonly #log = new RecordingLog();
  readonly #settlement = createSettlement({ orders: this.orders, provider: this.provider, log: this.#log });
  readonly #checkout = createCheckoutService({
    orders: this.orders,
    provider: this.provider,
    settlement: this.#settlement,
    clock: this.clock,
    log: this.#log,
  });
  readonly sweeper = createSweeper({
    orders: this.orders,
    provider: this.provider,
    settlement: this.#settlement,
    clock: this.clock,
    random: evenRandom(),
    log: this.#log,
  });
  readonly rids: string[] = [];

  async apply(next: Step): Promise<void> {
    if (next.kind === "time") this.clock.jump(next.ms);
    else if (next.kind === "sweep") await this.#sweep(next.lost);
    else if (next.kind === "hold") {
      if (this.orders.free > 0) this.rids.push(this.orders.hold(`rid-${this.rids.length}`));
    } else if ("which" in next) await this.#touch(next.kind, this.rids[next.which % Math.max(1, this.rids.length)]);
  }

  async #touch(kind: string, rid: string | undefined): Promise<void> {
    if (rid === undefined) return;
    const order = this.orders.order(rid);
    if (kind === "checkout") await this.#checkout.checkout(order, "https://shop.example/");
    if (kind === "give back") await this.orders.cancelHold({ rid: order.rid as never, buyerId: buyerIdOf("buyer") });
    if (order.paymentId === null) return;
    const payment = this.provider.payments.get(order.paymentId);
    if (kind === "pay") this.provider.pay(order.paymentId);
    if (kind === "misprice") this.provider.pay(order.paymentId, { amount: 1, currency: "EUR" });
    if (kind === "start paying" && payment?.status === "open") payment.status = "processing";
    if (kind === "notify")
      await this.#settlement.notified("scripted", `n-${rid} ${order.paymentId}`, { signed: "yes" });
  }

  async #sweep(lost: string): Promise<void> {
    const lose = (): never => {
      throw new Fault("PROVIDER_UNAVAILABLE");
    };
    if (lost === "before" || lost === "after") this.provider[lost] = lose;
    await this.sweeper.runOnce();
    this.provider.before = () => undefined;
    this.provider.after = () => undefined;
  }

  /** A unit is back in stock only when nobody can pay for it any more. */
  check(): void {
    for (const rid of this.rids) {
      const { status, paymentId } = this.orders.order(rid);
      if (paymentId === null || (status !== "expired" && status !== "cancelled")) continue;
      expect(this.provider.payments.get(paymentId)?.status).toBe("cancelled");
    }
  }

  /** After the last fault healed and all money has arrived, nothing is left undecided. */
  async heal(): Promise<void> {
    for (const payment of this.provider.payments.values()) {
      if (payment.status === "processing") this.provider.pay(payment.paymentId);
    }
    for (let round = 0; round < 5; round += 1) {
      this.clock.jump(700_000);
      await this.sweeper.runOnce();
    }
  }
}

test("keeps every unit and every cent, whatever is lost between buyer, provider and sweeper", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), async (steps) => {
      const world = new World();
      for (const next of steps) {
        await world.apply(next);
        world.check();
      }
      await world.heal();
      world.check();
      const statuses = world.rids.map((rid) => world.orders.order(rid).status);
      for (const status of statuses) expect(["paid", "expired", "cancelled", "refunded"]).toContain(status);
      for (const rid of world.rids) {
        const { status, paymentId } = world.orders.order(rid);
        const money = paymentId === null ? "none" : world.provider.payments.get(paymentId)?.status;
        expect(money === "succeeded").toBe(status === "paid");
        expect(money === "refunded").toBe(status === "refunded");
      }
      expect(world.orders.sold).toBe(statuses.filter((status) => status === "paid").length);
      expect(world.orders.free).toBe(UNITS - world.orders.sold);
    }),
    { numRuns: RUNS, ...SEED },
  );
}, 60_000);
