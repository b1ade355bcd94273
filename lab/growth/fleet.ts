/**
 * More nodes than this machine has, simulated: API processes, one Redis, workers over PostgreSQL, from measured unit costs.
 *
 * Not a measurement. Every input is one (what a process, Redis and PostgreSQL spend on an acceptance here), and what comes out
 * is what follows if each part had a core of its own and nothing else were in the way. Events, not formulae: nodes batch as
 * the product's batcher does (what arrives while two batches are under way leaves with the next), so batches grow with load
 * as they do. No chance is in it: the same inputs give the same answer.
 */

/** Microseconds, unless a name says otherwise. */
export interface FleetCosts {
  /** What a node's process spends on an acceptance. */
  readonly nodeUs: number;
  /** What Redis spends on a call, and on each unit in it. */
  readonly redisCallUs: number;
  readonly redisUnitUs: number;
  /** What workers and PostgreSQL spend on an order; any number of cores shares it. */
  readonly workerUs: number;
  readonly postgresUs: number;
  /** One way between two machines. */
  readonly networkUs: number;
}

export interface FleetForm {
  /** API processes, a core each. */
  readonly nodes: number;
  /** Buyers at each of them who attempt again as soon as they are answered. */
  readonly buyersPerNode: number;
  readonly workerCores: number;
  readonly postgresCores: number;
  readonly batchMax: number;
  readonly flightsMax: number;
}

export interface FleetAnswer {
  /** What nodes and Redis accept while PostgreSQL may lag behind: a burst. */
  readonly burstPerS: number;
  /** What goes on for ever. */
  readonly sustainedPerS: number;
  readonly limitedBy: "nodes" | "redis" | "workers" | "postgres";
  readonly meanBatch: number;
  /** Shares of the simulated time. */
  readonly nodeBusy: number;
  readonly redisBusy: number;
}

const SIMULATED_US = 500_000;
/** The beginning is not like the rest. */
const WARM_UP_US = 100_000;

/** Lets a fleet run for half a second of its own time. */
export function simulateFleet(costs: FleetCosts, form: FleetForm): FleetAnswer {
  const run = new FleetRun(costs, form).finish();
  const measuredUs = SIMULATED_US - WARM_UP_US;
  const burstPerS = (run.accepted * 1_000_000) / measuredUs;
  const workersPerS = (form.workerCores * 1_000_000) / costs.workerUs;
  const postgresPerS = (form.postgresCores * 1_000_000) / costs.postgresUs;
  const sustainedPerS = Math.min(burstPerS, workersPerS, postgresPerS);
  const redisBusy = run.redisBusyUs / measuredUs;
  const nodeBusy = run.nodeBusyUs / measuredUs / form.nodes;
  const front = redisBusy > nodeBusy ? "redis" : "nodes";
  const behind = workersPerS < postgresPerS ? "workers" : "postgres";
  return {
    burstPerS,
    sustainedPerS,
    limitedBy: sustainedPerS < burstPerS ? behind : front,
    meanBatch: run.accepted / Math.max(1, run.calls),
    nodeBusy,
    redisBusy,
  };
}

interface Batch {
  readonly node: SimulatedNode;
  readonly units: number;
}

interface SimulatedNode {
  /** Attempts that the process has worked on and that wait for a batch. */
  waiting: number;
  flights: number;
  freeAtUs: number;
}

class FleetRun {
  accepted = 0;
  calls = 0;
  redisBusyUs = 0;
  nodeBusyUs = 0;
  readonly #costs: FleetCosts;
  readonly #form: FleetForm;
  readonly #agenda = new Agenda();
  #redisFreeAtUs = 0;

  constructor(costs: FleetCosts, form: FleetForm) {
    this.#costs = costs;
    this.#form = form;
  }

  finish(): this {
    for (let index = 0; index < this.#form.nodes; index += 1) {
      const node: SimulatedNode = { waiting: 0, flights: 0, freeAtUs: 0 };
      for (let buyer = 0; buyer < this.#form.buyersPerNode; buyer += 1) this.#arrive(node, 0);
    }
    this.#agenda.runUntil(SIMULATED_US);
    return this;
  }

  /** An attempt reaches a node, which works on one after the other. */
  #arrive(node: SimulatedNode, nowUs: number): void {
    const { nodeUs } = this.#costs;
    node.freeAtUs = Math.max(node.freeAtUs, nowUs) + nodeUs;
    this.nodeBusyUs += counted(node.freeAtUs - nodeUs, node.freeAtUs);
    this.#agenda.add(node.freeAtUs, (atUs) => {
      node.waiting += 1;
      this.#flush(node, atUs);
    });
  }

  #flush(node: SimulatedNode, nowUs: number): void {
    const { flightsMax, batchMax } = this.#form;
    if (node.waiting === 0 || node.flights >= flightsMax) return;
    const batch = { node, units: Math.min(node.waiting, batchMax) };
    node.waiting -= batch.units;
    node.flights += 1;
    this.#agenda.add(nowUs + this.#costs.networkUs, (atUs) => this.#decide(batch, atUs));
  }

  /** Redis works on one call after the other. */
  #decide(batch: Batch, nowUs: number): void {
    const { redisCallUs, redisUnitUs, networkUs } = this.#costs;
    const startUs = Math.max(this.#redisFreeAtUs, nowUs);
    this.#redisFreeAtUs = startUs + redisCallUs + redisUnitUs * batch.units;
    this.redisBusyUs += counted(startUs, this.#redisFreeAtUs);
    this.#agenda.add(this.#redisFreeAtUs + networkUs, (atUs) => this.#answer(batch, atUs));
  }

  #answer({ node, units }: Batch, nowUs: number): void {
    if (nowUs > WARM_UP_US) {
      this.accepted += units;
      this.calls += 1;
    }
    node.flights -= 1;
    this.#flush(node, nowUs);
    for (let unit = 0; unit < units; unit += 1) this.#arrive(node, nowUs);
  }
}

/** The part of a stretch that lies in the measured time. */
function counted(fromUs: number, toUs: number): number {
  return Math.max(0, Math.min(toUs, SIMULATED_US) - Math.max(fromUs, WARM_UP_US));
}

interface Appointment {
  readonly atUs: number;
  readonly number: number;
  readonly work: (atUs: number) => void;
}

/** Appointments in order of time, and of having been made: a binary heap. */
class Agenda {
  readonly #heap: Appointment[] = [];
  #made = 0;

  add(atUs: number, work: (atUs: number) => void): void {
    const heap = this.#heap;
    heap.push({ atUs, number: this.#made++, work });
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(at, parent)) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  runUntil(endUs: number): void {
    for (let first = this.#heap[0]; first !== undefined && first.atUs <= endUs; first = this.#heap[0]) {
      this.#removeFirst();
      first.work(first.atUs);
    }
  }

  #removeFirst(): void {
    const heap = this.#heap;
    this.#swap(0, heap.length - 1);
    heap.pop();
    let at = 0;
    for (;;) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let first = at;
      if (left < heap.length && this.#isBefore(left, first)) first = left;
      if (right < heap.length && this.#isBefore(right, first)) first = right;
      if (first === at) return;
      this.#swap(at, first);
      at = first;
    }
  }

  #isBefore(one: number, other: number): boolean {
    const [left, right] = [this.#heap[one], this.#heap[other]];
    if (left === undefined || right === undefined) return false;
    return left.atUs < right.atUs || (left.atUs === right.atUs && left.number < right.number);
  }

  #swap(one: number, other: number): void {
    const [left, right] = [this.#heap[one], this.#heap[other]];
    if (left === undefined || right === undefined) return;
    this.#heap[one] = right;
    this.#heap[other] = left;
  }
}
