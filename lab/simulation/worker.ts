/**
 * A worker of the simulation: the production commit worker, sweeper, settlement and conductor over faulty links.
 */
import type { Sale } from "../../src/domain/sale.ts";
import { Conductor } from "../../src/ledger/conductor.ts";
import { Relay } from "../../src/ledger/relay.ts";
import { CommitWorker } from "../../src/orders/commit-worker.ts";
import { createSettlement, type SettlementService } from "../../src/orders/settlement.ts";
import { StreamRecovery } from "../../src/orders/stream-recovery.ts";
import { createSweeper } from "../../src/orders/sweeper.ts";
import type { SeededRandom } from "../swarm/seeded-random.ts";
import { PollClock } from "./poll-clock.ts";
import { createPorts, followSales } from "./ports-of.ts";
import type { Scene, WorkerFace } from "./scene.ts";
import { SimLeadership } from "./sim-leadership.ts";
import type { SimProcess } from "./timeline.ts";

/** A sale returns to redis mode after it, so that a schedule sees several changes of mode. */
const DWELL_MS = 2_000;

/** The mutant without a conductor has one until the sale is in redis mode. */
const LAST_CONDUCTED_MS = 350;

/** See the head of this file. One life of the worker: a restart is another one. */
export class SimWorker implements WorkerFace {
  readonly process: SimProcess;
  readonly #settlement: SettlementService;
  readonly #providerName: string;
  readonly #recovery: StreamRecovery;

  constructor(world: Scene, process: SimProcess, random: SeededRandom) {
    this.process = process;
    const ports = createPorts(world, process, random);
    followSales(world, process, ports);
    this.#settlement = createSettlement(ports);
    this.#recovery = new StreamRecovery(ports);
    this.#providerName = ports.provider.name;
    // Distinct for each life, as a process id would be.
    const consumerId = `${process.id}.${ports.random.id()}`;
    const { timeline, sleepers } = world;
    const hasNews = () => world.hasNewEntries();
    const clock = new PollClock({ clock: ports.clock, timeline, process, sleepers, hasNews });
    const commits = new CommitWorker({ ...ports, clock, consumerId });
    commits.start();
    createSweeper({ ...ports, settlement: this.#settlement }).start();
    if (world.weakened.hasNoConductor === true && world.timeline.nowMs > 0) return;
    const { lock } = world;
    const canReachPostgres = () => !world.faults.isDown("postgres", process);
    const leadership = new SimLeadership({ lock, process, timeline, canReachPostgres });
    const relay = new Relay(ports);
    const drain = world.weakened.hasNoDrain === true ? () => Promise.resolve() : commits.drain.bind(commits);
    const conductor = new Conductor({ ...ports, relay, leadership, drain, dwellMs: DWELL_MS });
    conductor.start();
    if (world.weakened.hasNoConductor !== true) return;
    world.timeline.after(process, LAST_CONDUCTED_MS, () => void conductor.stop());
  }

  /** The operator makes orders again of what Postgres has forgotten. */
  async recover(sale: Sale): Promise<void> {
    await this.#recovery.recover(sale);
  }

  /** The provider says that something happened to a payment. */
  async notified(body: string): Promise<void> {
    await this.#settlement.notified(this.#providerName, body, {});
  }
}
