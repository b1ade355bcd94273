/**
 * The ports of one process: every server behind a link of its own, time and chance of its own, its own copy of the sales.
 */
import { Fault } from "../../src/domain/faults.ts";
import type { Books } from "../../src/ports/books.ts";
import type { BucketStore } from "../../src/ports/bucket-store.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { CommitFeed, CommitHint } from "../../src/ports/commit-feed.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import type { OrderStore } from "../../src/ports/order-store.ts";
import type { PaymentProvider } from "../../src/ports/payment-provider.ts";
import type { Random } from "../../src/ports/random.ts";
import type { Log } from "../../src/ports/telemetry.ts";
import type { SeededRandom } from "../swarm/seeded-random.ts";
import { Link, overLink, type Weather } from "./link.ts";
import { ModelDirectory, salesOf } from "./model/model-sale.ts";
import type { Scene, Server } from "./scene.ts";
import { ProcessClock, type SimProcess } from "./timeline.ts";

const REDIS_PATIENCE_MS = 500;
const POSTGRES_PATIENCE_MS = 1_500;
const PROVIDER_PATIENCE_MS = 1_000;
const CATALOGUE_INTERVAL_MS = 1_500;

const STORE_METHODS: readonly (keyof BucketStore)[] = [
  "reserve",
  "credit",
  "lease",
  "audit",
  "prepare",
  "load",
  "setGate",
  "applySettings",
  "markCommitted",
  "remove",
  "readNew",
  "readNewOfEach",
  "claimStale",
  "acknowledge",
  "readFrom",
  "trim",
  "findReservation",
  "findBySeq",
  "health",
  "warmUp",
  "close",
];
const BOOKS_METHODS: readonly (keyof Books)[] = [
  "commitBatch",
  "voidRow",
  "voidSeq",
  "recordLost",
  "recordDeadLetter",
  "placeGrant",
  "askBack",
  "listUnsettledGrants",
  "settleGrant",
  "listNotes",
  "deleteNotes",
  "fence",
  "changeMode",
  "readLedgerStates",
  "listLedgersDue",
  "readReservations",
  "readGrantedItems",
  "readBooks",
  "sumOrders",
  "missingSeqs",
  "hintEvents",
  "reportNode",
  "listNodeReports",
];
const LEDGER_METHODS: readonly (keyof Ledger)[] = ["reserve", "readStock", "readHolders", "findQueued"];
const ORDERS_METHODS: readonly (keyof OrderStore)[] = [
  "findOrder",
  "findOrderOfPayment",
  "listOrdersOfBuyer",
  "listOrdersByRid",
  "listOrdersOfSale",
  "attachPayment",
  "cancelHold",
  "beginExpiry",
  "finishEnding",
  "settlePayment",
  "takeRefundsDue",
  "completeRefund",
];
const PROVIDER_METHODS: readonly (keyof PaymentProvider)[] = ["createCheckout", "retrieve", "cancel", "refund"];

/** What the classes of a process are given. */
export interface ProcessPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: BucketStore;
  readonly books: Books;
  readonly postgres: Ledger;
  readonly orders: OrderStore;
  readonly provider: PaymentProvider;
  readonly sales: ModelDirectory;
  readonly commits: CommitFeed;
}

/** Builds them. `random` is the stream of this life of the process. */
export function createPorts(world: Scene, process: SimProcess, random: SeededRandom): ProcessPorts {
  const link = (server: Server, code: LinkFault, patienceMs: number): Link =>
    new Link({
      timeline: world.timeline,
      process,
      random,
      patienceMs,
      weather: (): Weather => world.faults.weatherOf(server),
      isDown: () => world.faults.isDown(server, process),
      unavailable: (why) => new Fault(code, { internal: why }),
      onDecided: (method, request) => world.onDecided({ server, method, request, process }),
      takeTrap: (trapped, method) => world.faults.takeTrap(trapped, method),
      onTrapped: (trapped, trap) => world.faults.onTrapped(trapped, trap),
    });
  const redis = link("redis", "LEDGER_UNAVAILABLE", REDIS_PATIENCE_MS);
  const database = link("postgres", "DATABASE_UNAVAILABLE", POSTGRES_PATIENCE_MS);
  const deciding = link("postgres", "LEDGER_UNAVAILABLE", POSTGRES_PATIENCE_MS);
  const money = link("provider", "PROVIDER_UNAVAILABLE", PROVIDER_PATIENCE_MS);
  const store = overLink<BucketStore>(redis, STORE_METHODS, () => world.redis.routeOf(process));
  // As a Cluster has it: a look at each bucket, with a fate of its own.
  store.auditEach = (addresses) => Promise.all(addresses.map((address) => store.audit(address)));
  const books = overLink<Books>(database, BOOKS_METHODS, () => world.books);
  const provider = overLink<PaymentProvider>(money, PROVIDER_METHODS, () => world.provider);
  const servers = world.weakened.servers?.({ store, books, provider }) ?? { store, books, provider };
  return {
    clock: new ProcessClock(world.timeline, process),
    random: createRandom(process, random),
    log: world.logOf(process),
    store: servers.store,
    books: servers.books,
    postgres: overLink<Ledger>(deciding, LEDGER_METHODS, () => world.books.ledger),
    orders: overLink<OrderStore>(database, ORDERS_METHODS, () => world.books.orders),
    provider: withName(servers.provider, world.provider),
    sales: new ModelDirectory(() => database.call("readSales", () => Promise.resolve(salesOf(world.books)))),
    commits: createFeed(world, process),
  };
}

type LinkFault = "LEDGER_UNAVAILABLE" | "DATABASE_UNAVAILABLE" | "PROVIDER_UNAVAILABLE";

/** What of a provider needs no link. */
function withName(provider: PaymentProvider, known: PaymentProvider): PaymentProvider {
  return { ...provider, name: known.name, verifyNotification: (request) => known.verifyNotification(request) };
}

/** Reads the sales now and then, as the catalogue does, and whenever it is told. */
export function followSales(world: Scene, process: SimProcess, ports: ProcessPorts): void {
  const poll = () => {
    ports.sales.refresh().catch(() => undefined);
    world.timeline.after(process, CATALOGUE_INTERVAL_MS * (0.8 + 0.4 * ports.random.fraction()), poll);
  };
  world.onAnnounced(process, () => {
    ports.sales.refresh().catch(() => undefined);
  });
  poll();
}

function createRandom(process: SimProcess, random: SeededRandom): Random {
  const life = random.below(1_000_000);
  let drawn = 0;
  return {
    id: () => {
      drawn += 1;
      return `${process.id}.${life}.${drawn}`;
    },
    fraction: () => random.fraction(),
  };
}

function createFeed(world: Scene, process: SimProcess): CommitFeed {
  return {
    publish: (hints: readonly CommitHint[]) => world.publishCommits(process, hints),
    subscribe: (listener) => world.subscribeCommits(process, listener),
    // Always lost: that it may be is what the protocol has to live with.
    wake: () => undefined,
    onWake: () => () => undefined,
  };
}
