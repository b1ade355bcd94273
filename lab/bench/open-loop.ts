/**
 * A crowd that does not wait for answers, in a process of its own: requests leave on a schedule, whatever comes back.
 *
 * Each phase has a rate. Latency counts from the scheduled instant, also where a connection had to be opened first or none
 * was free, so a slow server cannot hide its queue. A request that was refused goes to the end of the book and comes again,
 * as its buyer would; one that was accepted is used up. Reads its task from the first argument, prints a line when each
 * phase begins, and one line of JSON at the end.
 */
import { Histogram } from "../swarm/histogram.ts";
import { type Answer, Connection, type Sender } from "./connection.ts";
import { type BookOptions, buildRequests } from "./request-book.ts";

export interface LoadPhase {
  readonly name: string;
  readonly ratePerS: number;
  readonly durationMs: number;
}

export interface OpenLoopTask {
  readonly port: number;
  readonly connectionsMax: number;
  /** Open before the first request is due, as those of buyers are who look at the page; all of them are used in turn. */
  readonly connectionsReady: number;
  readonly phases: readonly LoadPhase[];
  readonly book: BookOptions;
}

/** What came back for the requests that were scheduled in an interval. */
export interface IntervalResult {
  readonly sinceStartMs: number;
  readonly phase: string;
  readonly scheduled: number;
  readonly answered: number;
  readonly accepted: number;
  readonly latencyMsP99: number;
}

export interface PhaseResult {
  readonly name: string;
  readonly scheduled: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly acceptedPerS: number;
  readonly acceptedMsP50: number;
  readonly acceptedMsP99: number;
  readonly refusedMsP50: number;
  readonly refusedMsP99: number;
}

export interface OpenLoopResult {
  readonly phases: readonly PhaseResult[];
  readonly intervals: readonly IntervalResult[];
  readonly failures: number;
  /** Requests that never got an answer; those that were still waiting at the end among them. */
  readonly unanswered: number;
}

const TICK_MS = 1;
const INTERVAL_MS = 250;
/** After the last phase: who has no answer by then gets none. */
const PATIENCE_MS = 5_000;
/** Connections being opened at once; a machine has a bounded backlog. */
const OPENING_MAX = 64;
const ADDRESSES = 200;

interface PhaseBook {
  readonly phase: LoadPhase;
  readonly outcomes: Map<string, number>;
  readonly accepted: Histogram;
  readonly refused: Histogram;
  scheduled: number;
}

interface Interval {
  readonly phase: string;
  readonly latencies: Histogram;
  scheduled: number;
  answered: number;
  accepted: number;
}

/** First in, first out, without moving the rest. */
class Line<Value> {
  #values: Value[] = [];
  #start = 0;

  get length(): number {
    return this.#values.length - this.#start;
  }

  push(value: Value): void {
    this.#values.push(value);
  }

  take(): Value | undefined {
    const value = this.#values[this.#start];
    if (this.length > 0) this.#start += 1;
    if (this.#start * 2 > this.#values.length) {
      this.#values = this.#values.slice(this.#start);
      this.#start = 0;
    }
    return value;
  }
}

class OpenLoop implements Sender {
  readonly #task: OpenLoopTask;
  readonly #phases: readonly PhaseBook[];
  readonly #intervals: Interval[] = [];
  /** The one that was used longest ago comes first, so that none is idle for long. */
  readonly #idle = new Line<Connection>();
  readonly #busy = new Set<Connection>();
  /** Requests whose turn has come and that found no connection. */
  readonly #due = new Line<number>();
  readonly #book = new Line<Buffer>();
  #opened = 0;
  #opening = 0;
  #failures = 0;
  #startMs = 0;

  constructor(task: OpenLoopTask) {
    this.#task = task;
    this.#phases = task.phases.map((phase) => ({
      phase,
      outcomes: new Map(),
      accepted: new Histogram(),
      refused: new Histogram(),
      scheduled: 0,
    }));
    for (const request of buildRequests(task.book)) this.#book.push(request);
  }

  async run(): Promise<OpenLoopResult> {
    // Counted by those that were begun: with a server that is not there it ends, too.
    for (let begun = 0; begun < this.#task.connectionsReady; begun += OPENING_MAX) {
      const count = Math.min(OPENING_MAX, this.#task.connectionsReady - begun);
      await Promise.all(Array.from({ length: count }, () => this.#open()));
    }
    this.#startMs = performance.now();
    let phaseStartMs = this.#startMs;
    for (const book of this.#phases) {
      process.stdout.write(`${JSON.stringify({ begins: book.phase.name })}\n`);
      await this.#runPhase(book, phaseStartMs);
      phaseStartMs += book.phase.durationMs;
    }
    await this.#untilAnswered();
    return this.#result();
  }

  answered(connection: Connection, answer: Answer, scheduledMs: number): void {
    const nowMs = performance.now();
    this.#busy.delete(connection);
    const isAccepted = answer.outcome === "accepted" || answer.outcome === "queued";
    if (!isAccepted) this.#book.push(answer.request);
    const book = this.#phaseAt(scheduledMs);
    book.outcomes.set(answer.outcome, (book.outcomes.get(answer.outcome) ?? 0) + 1);
    (isAccepted ? book.accepted : book.refused).record(nowMs - scheduledMs);
    const interval = this.#intervalAt(scheduledMs);
    interval.answered += 1;
    if (isAccepted) interval.accepted += 1;
    interval.latencies.record(nowMs - scheduledMs);
    this.#idle.push(connection);
    this.#sendDue();
  }

  failed(): void {
    this.#failures += 1;
  }

  /** Still counts from the instant it was scheduled for; `closed` puts the request back. */
  resent(scheduledMs: number): boolean {
    this.#due.push(scheduledMs);
    return true;
  }

  closed(connection: Connection): void {
    this.#opened -= 1;
    if (this.#busy.delete(connection)) this.#book.push(connection.request);
  }

  /** Lets each request of the phase become due at its instant. A timer, not a spin: the load shares the cores. */
  #runPhase(book: PhaseBook, startMs: number): Promise<void> {
    const { ratePerS, durationMs } = book.phase;
    const count = Math.round((ratePerS * durationMs) / 1_000);
    return new Promise((resolve) => {
      const tick = (): void => {
        const nowMs = performance.now();
        const dueCount = Math.min(count, Math.floor(((nowMs - startMs) * ratePerS) / 1_000));
        for (; book.scheduled < dueCount; book.scheduled += 1) {
          const scheduledMs = startMs + (book.scheduled * 1_000) / ratePerS;
          this.#intervalAt(scheduledMs).scheduled += 1;
          this.#due.push(scheduledMs);
        }
        this.#sendDue();
        if (nowMs < startMs + durationMs) setTimeout(tick, TICK_MS);
        else resolve();
      };
      tick();
    });
  }

  #sendDue(): void {
    while (this.#due.length > 0) {
      const connection = this.#idle.take();
      if (connection === undefined) {
        this.#openMore();
        return;
      }
      if (!connection.isOpen) continue;
      const request = this.#book.take();
      const scheduledMs = this.#due.take();
      if (request === undefined || scheduledMs === undefined) throw new Error("the book of requests is too small");
      this.#busy.add(connection);
      connection.send(request, scheduledMs);
    }
  }

  #openMore(): void {
    const { connectionsMax } = this.#task;
    while (this.#opening < Math.min(OPENING_MAX, this.#due.length) && this.#opened < connectionsMax) {
      void this.#open();
    }
  }

  /** One more connection, in use or failed when this resolves. */
  async #open(): Promise<void> {
    this.#opening += 1;
    this.#opened += 1;
    const address = `127.1.0.${1 + (this.#opened % ADDRESSES)}`;
    try {
      this.#idle.push(await Connection.open(this.#task.port, this, address));
    } catch {
      this.#opened -= 1;
      this.#failures += 1;
      return;
    } finally {
      this.#opening -= 1;
    }
    this.#sendDue();
  }

  async #untilAnswered(): Promise<void> {
    const endsMs = performance.now() + PATIENCE_MS;
    while ((this.#busy.size > 0 || this.#due.length > 0) && performance.now() < endsMs) {
      this.#sendDue();
      await new Promise((resolve) => setTimeout(resolve, TICK_MS * 10));
    }
  }

  #phaseAt(scheduledMs: number): PhaseBook {
    let endMs = this.#startMs;
    for (const book of this.#phases) {
      endMs += book.phase.durationMs;
      if (scheduledMs < endMs) return book;
    }
    return this.#phases.at(-1) as PhaseBook;
  }

  #intervalAt(scheduledMs: number): Interval {
    const index = Math.floor((scheduledMs - this.#startMs) / INTERVAL_MS);
    let interval = this.#intervals[index];
    if (interval === undefined) {
      const phase = this.#phaseAt(scheduledMs).phase.name;
      interval = { phase, latencies: new Histogram(), scheduled: 0, answered: 0, accepted: 0 };
      this.#intervals[index] = interval;
    }
    return interval;
  }

  #result(): OpenLoopResult {
    const scheduled = this.#phases.reduce((sum, book) => sum + book.scheduled, 0);
    const answered = this.#intervals.reduce((sum, interval) => sum + interval.answered, 0);
    return {
      phases: this.#phases.map((book) => {
        const accepted = (book.outcomes.get("accepted") ?? 0) + (book.outcomes.get("queued") ?? 0);
        return {
          name: book.phase.name,
          scheduled: book.scheduled,
          outcomes: Object.fromEntries(book.outcomes),
          acceptedPerS: accepted / (book.phase.durationMs / 1_000),
          acceptedMsP50: book.accepted.percentileMs(0.5),
          acceptedMsP99: book.accepted.percentileMs(0.99),
          refusedMsP50: book.refused.percentileMs(0.5),
          refusedMsP99: book.refused.percentileMs(0.99),
        };
      }),
      intervals: this.#intervals.map(({ phase, latencies, ...counts }, index) => ({
        sinceStartMs: index * INTERVAL_MS,
        phase,
        ...counts,
        latencyMsP99: latencies.percentileMs(0.99),
      })),
      failures: this.#failures,
      unanswered: scheduled - answered,
    };
  }
}

const task = JSON.parse(process.argv[2] ?? "null") as OpenLoopTask;
process.stdout.write(`${JSON.stringify(await new OpenLoop(task).run())}\n`);
process.exit(0);
