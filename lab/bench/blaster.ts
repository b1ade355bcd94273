/**
 * The load of a measurement, in a process of its own: raw sockets, one request at a time on each connection.
 *
 * Two ways to load. Closed loop: every connection sends as soon as it was answered; finds the maximum. Open loop: requests
 * leave on a schedule and latency counts from the scheduled instant, so a slow server cannot hide its queue (coordinated
 * omission): whatever was due before the end counts, however late it is sent and answered, and as failed when patience ends.
 * Reads its task from the first argument, prints a line when its connections are open, and its result as the last.
 */
import { type Answer, Connection } from "./connection.ts";
import { Follower } from "./follower.ts";
import { type BookOptions, buildRequests } from "./request-book.ts";

export interface BlastTask {
  /** The nodes; connections are spread over them. */
  readonly ports: readonly number[];
  readonly connections: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Null = closed loop. */
  readonly ratePerS: number | null;
  /** Null = a plain GET / for the bare server. */
  readonly book: BookOptions | null;
  /** False: stop when every request was sent once. */
  readonly repeat: boolean;
  /** Closed loop: who hears "busy" waits so long before he comes again, as he was told to; absent = comes at once. */
  readonly busyPauseMs?: number;
  /** Open loop: every connection in its turn, instead of the one that was used last. */
  readonly isSpread?: boolean;
  /** Asks about every n-th reservation that was answered as queued until it is held; absent = about none. */
  readonly followEvery?: number;
}

export interface BlastResult {
  readonly answers: number;
  readonly elapsedMs: number;
  /** How often each reason (or "accepted", "queued", or a status) was answered. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly latencyMsP50: number;
  readonly latencyMsP99: number;
  readonly failures: number;
  /** Requests sent in all, warm-up included: what the server's processor time is shared among. */
  readonly sentTotal: number;
  /** Answers of the whole load, warm-up included, that a unit is taken for; the queued ones as far as the ledger has it. */
  readonly acceptedTotal: number;
  readonly queuedTotal: number;
  /** From the answer "queued" to the first that says more, milliseconds, in no order. */
  readonly followedMs: readonly number[];
}

const LATENCY_STEP_US = 10;
const LATENCY_STEPS = 500_000;
/** Connections that are being opened at the same time: fewer than a listener keeps waiting. */
const OPENING_MAX = 100;
/** Below the nodes' own IDLE_TIMEOUT_MS, with room for the first use of each connection. */
const TOUCHED_EVERY_MS = 1_500;
const TOUCH = Buffer.from("GET /v1/time HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
/** In the place of an instant: not part of the load. */
const TOUCHED = -1;
/** One address of this side has ports for so many connections to one of the other. */
const CONNECTIONS_PER_ADDRESS = 20_000;
/** A list of idle connections is made anew when so many of its front were taken. */
const TAKEN_MAX = 10_000;
/** Scheduled requests leave in steps of this; it counts as latency. */
const SCHEDULE_TICK_MS = 1;
/** Open loop: so long after the end, what was due before it is still sent and its answer awaited. */
const PATIENCE_MS = 5_000;

class Blaster {
  readonly #task: BlastTask;
  readonly #requests: readonly Buffer[];
  readonly #latencies = new Uint32Array(LATENCY_STEPS + 1);
  readonly #outcomes = new Map<string, number>();
  #idle: Connection[] = [];
  /** How many at the front of #idle were taken already, when they are used in turns. */
  #taken = 0;
  #sent = 0;
  #answers = 0;
  #failures = 0;
  #measureFromMs = 0;
  #endMs = 0;
  #lastAnswerMs = 0;
  #inFlight = 0;
  #finish: (() => void) | null = null;
  #accepted = 0;
  #queued = 0;
  #followable = 0;
  /** Open loop: requests that were due are still to be sent. */
  #isScheduling = false;
  /** Open loop: whoever has no answer by now was counted as failed. */
  #hasGivenUp = false;
  readonly #follower: Follower;

  constructor(task: BlastTask) {
    this.#task = task;
    this.#follower = new Follower(task.ports);
    const plain = Buffer.from("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    this.#requests = task.book === null ? [plain] : buildRequests(task.book);
  }

  async run(): Promise<BlastResult> {
    const { connections, ports, warmUpMs, durationMs } = this.#task;
    await this.#open(connections, ports);
    process.stdout.write(`${JSON.stringify({ begins: connections })}\n`);
    this.#measureFromMs = performance.now() + warmUpMs;
    this.#endMs = this.#measureFromMs + durationMs;
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    if (this.#task.ratePerS === null) {
      for (const connection of this.#idle.splice(0)) {
        if (this.#hasMore()) this.#sendOn(connection, performance.now());
      }
    } else {
      this.#schedule(performance.now(), this.#task.ratePerS);
    }
    await finished;
    return this.#result(await this.#follower.finish());
  }

  /** Opens all connections. The first are asked something now and then, or they would be closed before the last is open. */
  async #open(connections: number, ports: readonly number[]): Promise<void> {
    const usedMs: number[] = [];
    while (this.#idle.length < connections) {
      const first = this.#idle.length;
      const opening = Array.from({ length: Math.min(OPENING_MAX, connections - first) }, (_, index) =>
        Connection.open(ports[(first + index) % ports.length] ?? 0, this, addressOf(first + index)),
      );
      this.#idle.push(...(await Promise.all(opening)));
      const nowMs = performance.now();
      this.#idle.forEach((connection, index) => {
        usedMs[index] ??= nowMs;
        if (nowMs - (usedMs[index] ?? nowMs) < TOUCHED_EVERY_MS) return;
        usedMs[index] = nowMs;
        this.#inFlight++;
        connection.send(TOUCH, TOUCHED);
      });
      while (this.#inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Called by a connection whose request was answered. */
  answered(connection: Connection, answer: Answer, scheduledMs: number): void {
    if (scheduledMs === TOUCHED) {
      this.#inFlight--;
      return;
    }
    const nowMs = performance.now();
    const outcome = answer.outcome;
    this.#inFlight--;
    if (outcome === "accepted") this.#accepted++;
    if (outcome === "queued") this.#queued++;
    // On a schedule the instant that counts is the scheduled one: a late answer must not be left out for being late.
    const countedMs = this.#task.ratePerS === null ? nowMs : scheduledMs;
    if (!this.#hasGivenUp && scheduledMs >= this.#measureFromMs && countedMs <= this.#endMs) {
      this.#answers++;
      this.#lastAnswerMs = nowMs;
      this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
      const step = Math.min(LATENCY_STEPS, Math.floor(((nowMs - scheduledMs) * 1_000) / LATENCY_STEP_US));
      this.#latencies[step] = (this.#latencies[step] ?? 0) + 1;
      if (outcome === "queued") this.#follow(answer);
    }
    if (this.#task.ratePerS !== null) this.#idle.push(connection);
    else if (outcome === "busy" && this.#task.busyPauseMs !== undefined) {
      setTimeout(() => this.#goOn(connection), this.#task.busyPauseMs);
    } else this.#goOn(connection);
    this.#finishIfOver(nowMs);
  }

  /** Closed loop: the next request, as long as there is time. */
  #goOn(connection: Connection): void {
    const nowMs = performance.now();
    if (nowMs < this.#endMs && this.#hasMore()) this.#sendOn(connection, nowMs);
    else this.#finishIfOver(nowMs);
  }

  #follow(answer: Answer): void {
    const every = this.#task.followEvery;
    if (every !== undefined && this.#followable++ % every === 0) this.#follower.follow(answer.request, answer.body);
  }

  failed(): void {
    this.#failures++;
    this.#inFlight--;
    this.#finishIfOver(performance.now());
  }

  #hasMore(): boolean {
    return this.#task.repeat || this.#sent < this.#requests.length;
  }

  #sendOn(connection: Connection, scheduledMs: number): void {
    const request = this.#requests[this.#sent % this.#requests.length];
    if (request === undefined) return;
    this.#sent++;
    this.#inFlight++;
    connection.send(request, scheduledMs);
  }

  /**
   * Sends what is due, on idle connections; what finds none waits and its latency grows. Also after the end, for what was due
   * before it: a server that is slow in the last moments would otherwise be spared exactly its slowest answers.
   */
  #schedule(startMs: number, ratePerS: number): void {
    const intervalMs = 1_000 / ratePerS;
    this.#isScheduling = true;
    let due = 0;
    const hasDue = (): boolean => this.#hasMore() && startMs + due * intervalMs < this.#endMs;
    const tick = () => {
      const nowMs = performance.now();
      while (hasDue() && startMs + due * intervalMs <= nowMs && this.#idle.length > this.#taken) {
        const connection = this.#takeIdle();
        if (connection !== undefined) this.#sendOn(connection, startMs + due * intervalMs);
        due++;
      }
      // A timer, not a spin: the load shares two cores with what it measures.
      if (hasDue() && nowMs < this.#endMs + PATIENCE_MS) {
        setTimeout(tick, SCHEDULE_TICK_MS);
        return;
      }
      const unsent = hasDue() ? Math.ceil((this.#endMs - startMs) / intervalMs) - due : 0;
      this.#endSchedule(this.#task.repeat ? unsent : Math.min(unsent, this.#requests.length - this.#sent));
    };
    tick();
  }

  /** Nothing more is sent: what was not is failed, and what is under way when patience ends. */
  #endSchedule(unsent: number): void {
    this.#isScheduling = false;
    this.#failures += unsent;
    const nowMs = performance.now();
    setTimeout(
      () => {
        this.#hasGivenUp = true;
        this.#failures += this.#inFlight;
        this.#finish?.();
      },
      Math.max(0, Math.min(nowMs, this.#endMs) + PATIENCE_MS - nowMs),
    );
    this.#finishIfOver(nowMs);
  }

  #takeIdle(): Connection | undefined {
    if (this.#task.isSpread !== true) return this.#idle.pop();
    const connection = this.#idle[this.#taken];
    this.#taken++;
    if (this.#taken < TAKEN_MAX) return connection;
    this.#idle = this.#idle.slice(this.#taken);
    this.#taken = 0;
    return connection;
  }

  #finishIfOver(nowMs: number): void {
    const isOver = this.#task.ratePerS === null ? nowMs >= this.#endMs || !this.#hasMore() : !this.#isScheduling;
    if (isOver && this.#inFlight <= 0) this.#finish?.();
  }

  #result(followedMs: readonly number[]): BlastResult {
    return {
      answers: this.#answers,
      elapsedMs: Math.max(1, this.#lastAnswerMs - this.#measureFromMs),
      outcomes: Object.fromEntries(this.#outcomes),
      latencyMsP50: this.#percentile(0.5),
      latencyMsP99: this.#percentile(0.99),
      failures: this.#failures,
      sentTotal: this.#sent,
      acceptedTotal: this.#accepted,
      queuedTotal: this.#queued,
      followedMs,
    };
  }

  #percentile(fraction: number): number {
    let rest = Math.ceil(this.#answers * fraction);
    for (let step = 0; step <= LATENCY_STEPS; step++) {
      rest -= this.#latencies[step] ?? 0;
      if (rest <= 0) return ((step + 1) * LATENCY_STEP_US) / 1_000;
    }
    return Number.NaN;
  }
}

/** The first come from wherever the system says. */
function addressOf(connection: number): string | undefined {
  const address = Math.floor(connection / CONNECTIONS_PER_ADDRESS);
  return address === 0 ? undefined : `127.0.0.${1 + address}`;
}

const task = JSON.parse(process.argv[2] ?? "null") as BlastTask;
process.stdout.write(`${JSON.stringify(await new Blaster(task).run())}\n`);
process.exit(0);
