/**
 * A very small shop for simple designs: buyers, nodes, a worker and a queue, interleaved step by step from a seed.
 *
 * A design is a handful of generators; between any two of their remote calls everybody else may move, a process may die,
 * and an answer may get lost. The one thing to know: the same checks are made as on the real design, in the same words: S1
 * nothing oversold, L1 everything sellable in the end, L2 nobody is turned away falsely, S3 one key one unit, S5 nobody is
 * told that he has won and gets nothing.
 */
import { createSeededRandom, type SeededRandom } from "../../swarm/seeded-random.ts";

export type Answer = "won" | "sold_out";
/** Runs until its next remote call arrives, or its answer comes back. */
export type Program<Value> = Generator<undefined, Value, undefined>;

export interface Visit {
  readonly rid: string;
  readonly buyer: number;
  readonly node: number;
}

/** What a design brings along. */
export interface SimpleShop {
  buy(visit: Visit): Program<Answer>;
  /** What a worker does with a message of the queue; one that throws gets the message again. */
  work?(message: Visit): Program<void>;
  /** A winner gives his unit back. */
  giveBack?(visit: Visit): Program<void>;
  /** Who has a unit in the end, as the books say; without it whoever was told so. */
  owners?(): readonly string[];
}

export interface SimpleDesign {
  /** Its number among the defects of the seeds; "–" for the control. */
  readonly id: string;
  /** The rule, as the seed has it. */
  readonly rule: string;
  /** What goes wrong, and how it is done here instead. */
  readonly lesson: string;
  /** What has to happen besides people buying. */
  readonly faults: readonly Misfortune[];
  readonly returnsUnits: boolean;
  open(market: Market): SimpleShop;
}

export type Misfortune = "a process dies" | "an answer is lost" | "a message comes twice";

/** The call has no answer; nobody knows whether it was made. */
export class NoAnswer extends Error {}

/** What a design may use. */
export interface Market {
  readonly total: number;
  readonly nodes: number;
  readonly queue: Visit[];
  readonly random: SeededRandom;
  /** One remote call: others move before it arrives and before its answer comes. */
  remote<Value>(effect: () => Value): Program<Value>;
}

export interface Finding {
  readonly check: "S1" | "S3" | "S5" | "L1" | "L2";
  readonly detail: string;
}

interface Task {
  readonly program: Program<unknown>;
  readonly end: (value: unknown) => void;
  /** Its process died, or its answer was lost; null = not anybody's misfortune. */
  readonly fail: ((why: Misfortune) => void) | null;
}

const TRIES_MAX = 3;
const GRAVEST_FIRST: readonly Finding["check"][] = ["S1", "S3", "S5", "L1", "L2"];

/** One schedule of one design: the first finding of each check, the gravest first. */
export function visitShop(design: SimpleDesign, seed: number): readonly Finding[] {
  return new Bazaar(design, seed).run();
}

class Bazaar implements Market {
  readonly total: number;
  readonly nodes = 2;
  readonly queue: Visit[] = [];
  readonly random: SeededRandom;
  readonly #design: SimpleDesign;
  readonly #shop: SimpleShop;
  readonly #tasks: Task[] = [];
  readonly #won = new Set<string>();
  /** By rid: when it was given back. */
  readonly #returned = new Map<string, number>();
  readonly #refused = new Set<string>();
  /** Everybody who ever asked. */
  readonly #asked = new Set<string>();
  #misfortunes: number;
  #step = 0;
  readonly #findings = new Map<Finding["check"], Finding>();

  constructor(design: SimpleDesign, seed: number) {
    this.random = createSeededRandom(seed, 77);
    this.total = 4 + this.random.below(5);
    this.#misfortunes = design.faults.length === 0 ? 0 : 1 + this.random.below(2);
    this.#design = design;
    this.#shop = design.open(this);
  }

  *remote<Value>(effect: () => Value): Program<Value> {
    yield;
    const value = effect();
    yield;
    return value;
  }

  run(): readonly Finding[] {
    const buyers = 2 + this.random.below(3 * this.total);
    for (let buyer = 1; buyer <= buyers; buyer += 1) {
      this.#come({ rid: `r${buyer}`, buyer, node: this.random.below(this.nodes) }, TRIES_MAX);
      if (this.random.fraction() < 0.3) this.#runSome();
    }
    this.#runAll();
    this.#misfortunes = 0;
    this.#sellTheRest();
    this.#judge();
    return GRAVEST_FIRST.flatMap((check) => this.#findings.get(check) ?? []);
  }

  /** A buyer, who asks again with the same key when nobody answers. */
  #come(visit: Visit, tries: number): void {
    this.#asked.add(visit.rid);
    const beganAt = this.#step;
    const again = () => {
      if (tries > 1) this.#come(visit, tries - 1);
    };
    this.#tasks.push({
      program: this.#shop.buy(visit),
      end: (answer) => {
        if (answer === "sold_out") this.#checkRefusal(visit, beganAt);
        if (answer === "won") this.#celebrate(visit);
      },
      fail: again,
    });
  }

  #celebrate(visit: Visit): void {
    this.#won.add(visit.rid);
    const { giveBack } = this.#shop;
    if (giveBack === undefined || !this.#design.returnsUnits || this.random.fraction() < 0.6) return;
    this.#tasks.push({
      program: giveBack.call(this.#shop, visit),
      end: () => this.#returned.set(visit.rid, this.#step),
      fail: null,
    });
  }

  /** Falsely turned away: even if everybody who had asked by then has a unit, there is one left. */
  #checkRefusal(visit: Visit, beganAt: number): void {
    this.#refused.add(visit.rid);
    const isHopeful = (rid: string) => !this.#refused.has(rid) && (this.#returned.get(rid) ?? beganAt) >= beganAt;
    const hopeful = [...this.#asked].filter(isHopeful).length;
    if (hopeful < this.total) {
      this.#find(
        "L2",
        `buyer ${visit.buyer} is told "sold out" while at most ${hopeful} of ${this.total} can be taken`,
      );
    }
  }

  #runSome(): void {
    for (let steps = this.random.below(12); steps > 0; steps -= 1) this.#move();
  }

  #runAll(): void {
    while (this.#tasks.length > 0 || (this.queue.length > 0 && this.#shop.work !== undefined)) this.#move();
  }

  /** One step of somebody. */
  #move(): void {
    this.#step += 1;
    if (this.queue.length > 0 && this.random.fraction() < 0.3) this.#takeMessage();
    const index = this.random.below(Math.max(1, this.#tasks.length));
    const task = this.#tasks[index];
    if (task === undefined) return;
    const misfortune = this.#drawMisfortune(task);
    if (misfortune === "a process dies") {
      this.#tasks.splice(index, 1);
      task.fail?.(misfortune);
      return;
    }
    try {
      const moved = misfortune === null ? task.program.next() : task.program.throw(new NoAnswer());
      if (moved.done !== true) return;
      this.#tasks.splice(index, 1);
      task.end(moved.value);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.#tasks.splice(index, 1);
      task.fail?.("an answer is lost");
    }
  }

  #drawMisfortune(task: Task): Misfortune | null {
    const menu = this.#design.faults.filter((fault) => fault !== "a message comes twice");
    if (task.fail === null || this.#misfortunes === 0 || menu.length === 0) return null;
    if (this.random.fraction() > 0.06) return null;
    this.#misfortunes -= 1;
    return menu[this.random.below(menu.length)] ?? null;
  }

  #takeMessage(): void {
    const message = this.queue.shift();
    const { work } = this.#shop;
    if (message === undefined || work === undefined) return;
    const isDoubled = this.#design.faults.includes("a message comes twice") && this.#misfortunes > 0;
    if (isDoubled && this.random.fraction() < 0.2) {
      this.#misfortunes -= 1;
      this.queue.push(message);
    }
    const again = () => this.queue.push(message);
    this.#tasks.push({ program: work.call(this.#shop, message), end: () => undefined, fail: again });
  }

  /** Strangers come one after the other, to every node, until all of them are turned away. */
  #sellTheRest(): void {
    let refusals = 0;
    for (let stranger = 1_000; refusals < 4 * this.nodes && stranger < 1_100; stranger += 1) {
      const before = this.#won.size;
      this.#come({ rid: `r${stranger}`, buyer: stranger, node: stranger % this.nodes }, 1);
      this.#runAll();
      refusals = this.#won.size > before ? 0 : refusals + 1;
    }
  }

  #judge(): void {
    const told = [...this.#won].filter((rid) => !this.#returned.has(rid));
    const owners = this.#shop.owners?.() ?? told;
    if (owners.length > this.total) this.#find("S1", `${owners.length} units of ${this.total} are sold`);
    if (new Set(owners).size < owners.length) this.#find("S3", "one buyer has two units under one key");
    const cheated = told.filter((rid) => !owners.includes(rid));
    if (cheated.length > 0) {
      this.#find("S5", `${cheated.length} were told that they have won and get nothing`);
    }
    if (owners.length < this.total) {
      const stranded = this.total - owners.length;
      this.#find("L1", `${stranded} of ${this.total} can never be sold, though everybody else is turned away`);
    }
  }

  #find(check: Finding["check"], detail: string): void {
    if (!this.#findings.has(check)) this.#findings.set(check, { check, detail });
  }
}
