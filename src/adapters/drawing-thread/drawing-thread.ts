/**
 * Puzzles that lie ready, drawn by a thread: `implements PuzzleDrawings`.
 *
 * For each kind and level a bounded number is kept; what is taken is drawn anew, a few at a time and never faster than a
 * fixed pace, whoever empties the shelf. One order is out at a time. A thread that dies is started again after a pause; all
 * that is missed meanwhile are pictures, and whoever asks for one gets another kind of challenge.
 */
import { Worker } from "node:worker_threads";
import type { Clock } from "../../ports/clock.ts";
import type { ArithmeticDrawing, DrawingLevel, PuzzleDrawings, SlideDrawing } from "../../ports/puzzle-drawings.ts";
import type { Log } from "../../ports/telemetry.ts";

/** Ready at most, of each kind and level. A slide takes some 20 KB. */
export const READY_MAX = 96;
const ORDER_MAX = 6;
/** Between two orders: some forty drawings a second at most, of one to five milliseconds each. */
export const ORDER_INTERVAL_MS = 150;
export const RESTART_DELAY_MS = 5_000;

/** What the thread is told. */
export interface DrawingOrder {
  readonly kind: "arithmetic" | "slide";
  readonly level: DrawingLevel;
  readonly count: number;
}

/** What the thread sends back. */
export type DrawnPuzzles =
  | { readonly kind: "arithmetic"; readonly level: DrawingLevel; readonly drawings: readonly ArithmeticDrawing[] }
  | { readonly kind: "slide"; readonly level: DrawingLevel; readonly drawings: readonly SlideDrawing[] };

type Shelf<Drawing> = Readonly<Record<DrawingLevel, Drawing[]>>;

/** One per process. */
export class DrawingThread implements PuzzleDrawings {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #program: URL;
  readonly #arithmetic: Shelf<ArithmeticDrawing> = { plain: [], hard: [] };
  readonly #slide: Shelf<SlideDrawing> = { plain: [], hard: [] };
  #worker: Worker | null = null;
  #isWaiting = false;
  #isStopped = false;
  #cancelTimer: () => void = () => undefined;

  /** `program` replaces the thread's code in tests. */
  constructor(options: { clock: Clock; log: Log; program?: URL }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#program = options.program ?? new URL("./thread.ts", import.meta.url);
  }

  /** Starts drawing in the background. */
  start(): void {
    if (this.#worker !== null || this.#isStopped) return;
    const worker = new Worker(this.#program);
    this.#worker = worker;
    worker.on("message", (drawn: DrawnPuzzles) => this.#receive(drawn));
    worker.on("error", (error) => this.#log.error({ error }, "the thread that draws puzzles failed"));
    worker.on("exit", () => this.#lost(worker));
    worker.unref();
    this.#order();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer();
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  takeArithmetic(level: DrawingLevel): ArithmeticDrawing | null {
    return this.#take(this.#arithmetic[level]);
  }

  takeSlide(level: DrawingLevel): SlideDrawing | null {
    return this.#take(this.#slide[level]);
  }

  /** How many of a kind and level lie ready. */
  readyCount(kind: DrawingOrder["kind"], level: DrawingLevel): number {
    return this.#shelfOf(kind)[level].length;
  }

  #take<Drawing>(shelf: Drawing[]): Drawing | null {
    const drawing = shelf.pop() ?? null;
    if (!this.#isWaiting) this.#order();
    return drawing;
  }

  #shelfOf(kind: DrawingOrder["kind"]): Shelf<unknown> {
    return kind === "slide" ? this.#slide : this.#arithmetic;
  }

  /** Orders some of what there is least of, unless an order is out or all shelves are full. */
  #order(): void {
    if (this.#worker === null) return;
    const wanted = (["arithmetic", "slide"] as const)
      .flatMap((kind) => (["plain", "hard"] as const).map((level) => ({ kind, level })))
      .map((what) => ({ ...what, count: Math.min(READY_MAX - this.readyCount(what.kind, what.level), ORDER_MAX) }))
      .sort((one, other) => this.readyCount(one.kind, one.level) - this.readyCount(other.kind, other.level))[0];
    if (wanted === undefined || wanted.count === 0) return;
    this.#isWaiting = true;
    const order: DrawingOrder = wanted;
    this.#worker.postMessage(order);
  }

  #receive(drawn: DrawnPuzzles): void {
    if (drawn.kind === "slide") this.#slide[drawn.level].push(...drawn.drawings);
    else this.#arithmetic[drawn.level].push(...drawn.drawings);
    this.#later(ORDER_INTERVAL_MS, () => {
      this.#isWaiting = false;
      this.#order();
    });
  }

  #lost(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#log.warn({ restartInMs: RESTART_DELAY_MS }, "the thread that draws puzzles has ended; it is started again");
    this.#later(RESTART_DELAY_MS, () => {
      this.#isWaiting = false;
      this.start();
    });
  }

  #later(delayMs: number, callback: () => void): void {
    if (this.#isStopped) return;
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.setTimer(delayMs, callback);
  }
}
