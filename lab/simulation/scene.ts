/**
 * What the parts of a simulation see of each other, and the names they share. The world (world.ts) is the whole of it.
 *
 * The one thing to know: processes, buyers, faults and checks never import each other; each is given the scene and finds
 * the others there.
 */
import type { SaleId } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import type { CheckoutService } from "../../src/orders/checkout.ts";
import type { Books } from "../../src/ports/books.ts";
import type { BucketStore } from "../../src/ports/bucket-store.ts";
import type { CommitHint } from "../../src/ports/commit-feed.ts";
import type { Attempt, AttemptOutcome, LedgerRefusal } from "../../src/ports/ledger.ts";
import type { OrderStore } from "../../src/ports/order-store.ts";
import type { PaymentProvider } from "../../src/ports/payment-provider.ts";
import type { Log } from "../../src/ports/telemetry.ts";
import type { SeededRandom } from "../swarm/seeded-random.ts";
import type { Ledgerbook } from "./acknowledgements.ts";
import type { Trap, Weather } from "./link.ts";
import type { BooksModel } from "./model/books-model.ts";
import type { BooksRules } from "./model/books-tables.ts";
import type { BucketRules } from "./model/bucket-scripts.ts";
import type { Sleepers } from "./poll-clock.ts";
import type { RedisSide } from "./redis-side.ts";
import type { Schedule, SimConfig } from "./schedule.ts";
import type { LeaderLock } from "./sim-leadership.ts";
import type { SimProvider } from "./sim-provider.ts";
import type { SimProcess, Timeline } from "./timeline.ts";

export const SALE_ID = "sale" as SaleId;
export const ITEM_ID = 1;

/** Whom processes talk to over links. */
export type Server = "redis" | "postgres" | "provider";

/** The servers as the classes of one process see them. */
export interface Servers {
  readonly store: BucketStore;
  readonly books: Books;
  readonly provider: PaymentProvider;
}

/** What a mutant takes away from the design. All of it is there in the real one. */
export interface Weakened {
  /** Stands between a process and its servers. */
  readonly servers?: (servers: Servers) => Servers;
  readonly booksRules?: Partial<BooksRules>;
  readonly bucketRules?: Partial<BucketRules>;
  /** Nobody conducts after the start. */
  readonly hasNoConductor?: boolean;
  /** An epoch ends without a look at what is left in its streams. */
  readonly hasNoDrain?: boolean;
}

export interface Failure {
  readonly check: string;
  readonly detail: string;
  readonly atMs: number;
}

/** An API node as buyers and the operator see it. */
export interface NodeFace {
  readonly process: SimProcess;
  readonly orders: OrderStore;
  readonly checkout: CheckoutService;
  submit(attempt: Attempt): Promise<AttemptOutcome>;
  takeStock(units: number): void;
}

/** A worker as the payment provider and the operator see it. */
export interface WorkerFace {
  readonly process: SimProcess;
  notified(body: string): Promise<void>;
  recover(sale: Sale): Promise<void>;
}

/** What is wrong now. */
export interface FaultsFace {
  /** The last moment at which any fault was at work. */
  readonly untilMs: number;
  readonly hadLateMoney: boolean;
  /** Postgres forgot what it had promised: the assumption on which most promises rest. */
  readonly hasRestored: boolean;
  /** And nobody has recovered the sale since. */
  isUnrecovered: boolean;
  weatherOf(server: Server): Weather;
  isDown(server: Server, process: SimProcess): boolean;
  redisReachedAgoMs(process: SimProcess): number;
  areReachedSince(sinceMs: number): boolean;
  takeTrap(process: SimProcess, method: string): Trap | null;
  onTrapped(process: SimProcess, trap: Trap): void;
}

export interface ChecksFace {
  refused(
    attempt: Attempt,
    told: { readonly reason: LedgerRefusal; readonly left?: number },
    ask: { readonly askedAtMs: number; readonly isAlone: boolean },
  ): void;
}

/** A decision that a server has just made. */
export interface Decided {
  readonly server: Server;
  readonly method: string;
  readonly request: unknown;
  readonly process: SimProcess;
}

/** See the head of this file. */
export interface Scene {
  readonly schedule: Schedule;
  readonly config: SimConfig;
  readonly weakened: Weakened;
  readonly timeline: Timeline;
  readonly sleepers: Sleepers;
  /** Never killed, never paused. */
  readonly outside: SimProcess;
  readonly redis: RedisSide;
  readonly books: BooksModel;
  readonly provider: SimProvider;
  readonly lock: LeaderLock;
  readonly book: Ledgerbook;
  readonly faults: FaultsFace;
  readonly checks: ChecksFace;
  /** One stream for each use, so that more of one thing does not change another. */
  readonly random: Readonly<Record<"feed" | "news" | "money" | "wire" | "faults", SeededRandom>>;
  readonly nodes: ReadonlyMap<string, NodeFace>;
  readonly workers: ReadonlyMap<string, WorkerFace>;
  readonly failure: Failure | null;
  readonly healedAtMs: number;
  readonly hasHealed: boolean;
  readonly sale: Sale;
  startProcess(name: string): void;
  processOf(name: string): SimProcess | undefined;
  kill(process: SimProcess): void;
  /** The first finding is the schedule's. */
  fail(check: string, detail: string): void;
  note(who: string, what: string): void;
  logOf(process: SimProcess): Log;
  /** Some stream has an entry that no worker was given. */
  hasNewEntries(): boolean;
  onDecided(decided: Decided): void;
  publishCommits(from: SimProcess, hints: readonly CommitHint[]): void;
  subscribeCommits(process: SimProcess, listener: (hint: CommitHint) => void): () => void;
  onAnnounced(process: SimProcess, listener: () => void): void;
  /** The provider tells about a payment: once or more, soon or late, to anybody. */
  notify(paymentId: string): void;
}
