/**
 * An API node of the simulation: the production batcher, router, redis ledger, relay and checkout over faulty links.
 */
import { Batcher } from "../../src/ledger/batcher.ts";
import { BucketLedger } from "../../src/ledger/bucket-ledger.ts";
import { createNodeReporter } from "../../src/ledger/node-reporter.ts";
import { Relay } from "../../src/ledger/relay.ts";
import { RoutedLedger } from "../../src/ledger/routed-ledger.ts";
import { type CheckoutService, createCheckoutService } from "../../src/orders/checkout.ts";
import { createSettlement } from "../../src/orders/settlement.ts";
import type { Attempt, AttemptOutcome } from "../../src/ports/ledger.ts";
import type { OrderStore } from "../../src/ports/order-store.ts";
import type { SeededRandom } from "../swarm/seeded-random.ts";
import { createPorts, followSales } from "./ports-of.ts";
import { ITEM_ID, type NodeFace, SALE_ID, type Scene } from "./scene.ts";
import type { SimProcess } from "./timeline.ts";

/** As the node's own pings would tell. */
const REACHED_MS_MAX = 1_000;

/** See the head of this file. One life of the node: a restart is another one. */
export class ApiNode implements NodeFace {
  readonly process: SimProcess;
  readonly orders: OrderStore;
  readonly checkout: CheckoutService;
  readonly #batcher: Batcher;
  readonly #takeStock: (units: number) => Promise<void>;

  constructor(world: Scene, process: SimProcess, random: SeededRandom) {
    this.process = process;
    const ports = createPorts(world, process, random);
    const { clock, orders, sales, provider, log } = ports;
    followSales(world, process, ports);
    const nodeId = process.id;
    const relay = new Relay(ports);
    const redis = new BucketLedger({ ...ports, relay, nodeId, ackWaitMs: world.config.ackWaitMs });
    const ledger = new RoutedLedger({ postgres: ports.postgres, redis, sales, clock });
    redis.start();
    this.#batcher = new Batcher({
      ...{ ledger, clock, random: ports.random, saleId: SALE_ID, itemId: ITEM_ID },
      epoch: () => sales.findSale(SALE_ID)?.epoch ?? 0,
      refreshEpoch: () => sales.refresh(),
      onFlush: () => undefined,
    });
    this.orders = orders;
    const settlement = createSettlement({ orders, provider, log });
    this.checkout = createCheckoutService({ orders, provider, settlement, clock, log });
    this.#takeStock = async (units) => {
      const sale = sales.findSale(SALE_ID);
      if (sale?.mode === "redis") await relay.recall({ sale, itemId: ITEM_ID, units });
      const { free } = world.books.tables.stockRow(ITEM_ID);
      if (free > 0) world.books.adjustStock(ITEM_ID, -Math.min(units, free));
    };
    const canReachRedis = () => world.faults.redisReachedAgoMs(process) < REACHED_MS_MAX;
    createNodeReporter({ ...ports, nodeId, roles: ["api"], canReachRedis }).start();
  }

  /** The operator takes units away, as far as there are any that nobody has. */
  takeStock(units: number): void {
    if (this.process.state === "dead") return;
    this.#takeStock(units).catch(() => undefined);
  }

  /** As stage 7 answers: an acceptance waits for its commit as long as that is worth waiting for. */
  async submit(attempt: Attempt): Promise<AttemptOutcome> {
    const outcome = await this.#batcher.submit(attempt);
    if (outcome.kind === "refused" || outcome.confirmation === undefined) return outcome;
    const confirmed = await outcome.confirmation;
    const { replayed, status, holdUntil } = outcome;
    return { kind: "accepted", replayed, ...(confirmed ?? { status, holdUntil }) };
  }
}
