/**
 * The open loop: sends what is due at the next tick of a millisecond, which counts as latency, whatever comes back; every
 * answer is counted from its scheduled instant.
 *
 * The schedule never waits for an answer. A request that finds no free connection stays due, and the time it waits is part of
 * its latency: a server that stalls cannot hide behind a generator that stalls with it (coordinated omission). What follows
 * from answers (coming again, paying) is put on the agenda with an instant of its own. Two ways to connect: keep-alive, where
 * connections are used again and opened as they are needed, and storms, where each request opens its own. Everything has a
 * bound: connections, errands by the schedule, and the whole by the patience after the last arrival.
 *
 * What the generator itself is late by is told of each request. While connections are free it is all that passed since it was
 * due; while none is, a request waits for the server, and only as much of it is ours as the ticks come late.
 *
 *     waiting ──► due ──► on a wire ──► answered ──► agenda or done
 *                  └─ no wire free: stays due, its clock runs
 */
import { Agenda } from "./agenda.ts";
import { AnswerReader } from "./answer-reader.ts";
import { nextAfter, nextOfHolder, type Reply, ridIn } from "./behaviours.ts";
import { isAccepted, NO_ANSWER, OutcomeNames } from "./outcomes.ts";
import { Scoreboard } from "./scoreboard.ts";
import type { Errand, Stream } from "./stream.ts";
import { type Target, Wire, type WireOwner } from "./wire.ts";
import type { Writer } from "./writers.ts";

const TICK_MS = 1;
/** Connections being opened at once; a machine has a bounded backlog. */
const OPENING_MAX = 128;
/** A server closes what lies idle; a wire that was idle for nearly as long is not trusted with a request. */
const IDLE_MS_MAX = 3_000;
/** So long before the first arrival connections are opened ahead: short enough for them to be trusted still. */
const AHEAD_MS = 1_000;
const HTTP_REFUSED = 400;
/** After a connection could not be opened. */
const REOPEN_AFTER_MS = 20;

export interface EngineOptions {
  readonly targets: readonly Target[];
  /** `ahead`: opened before the first arrival, as by buyers who wait on the page. */
  readonly connections: { readonly mode: "keep-alive" | "storm"; readonly max: number; readonly ahead: number };
  readonly streams: readonly Stream[];
  readonly writers: ReadonlyMap<Stream, Writer>;
  /** By this machine's clock (`nowMs`) and by the server's. */
  readonly opensAtMs: number;
  readonly serverOffsetMs: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly patienceMs: number;
  /** "sending" counts latency from the sending, as closed-loop tools do: only for comparing with them. */
  readonly countsFrom: "schedule" | "sending";
}

/** One process's part of a swarm. */
export class Engine implements WireOwner<Errand> {
  readonly names = new OutcomeNames();
  readonly score: Scoreboard;
  readonly #options: EngineOptions;
  readonly #reader = new AnswerReader(this.names);
  readonly #heard = new Heard(this.#reader);
  readonly #agenda = new Agenda<Errand>();
  /** Free wires of each target, the last used on top. */
  readonly #idle: readonly Wire<Errand>[][];
  readonly #wires = new Set<Wire<Errand>>();
  /** The opening by `performance.now()`. */
  readonly #openedAt: number;
  readonly #deadlineMs: number;
  readonly #time: { openedAtMs: number; nowMs: number };
  #opening = 0;
  #openTurn = 0;
  #sendTurn = 0;
  #reopenMs = Number.NEGATIVE_INFINITY;
  /** When the last tick came, and how much later than it should have. */
  #tickedMs = 0;
  #tickLateMs = 0;
  /** Something was due and found no wire since the last time that all was sent. */
  #isStarved = false;
  #finish: (() => void) | null = null;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#idle = options.targets.map(() => []);
    this.#openedAt = options.opensAtMs - performance.timeOrigin;
    this.#deadlineMs = options.endMs + options.patienceMs;
    this.#time = { openedAtMs: options.opensAtMs + options.serverOffsetMs, nowMs: 0 };
    const populations = options.streams.map(({ plan }) => plan.name);
    this.score = new Scoreboard({ names: this.names, populations, startMs: options.startMs, endMs: this.#deadlineMs });
  }

  /** Resolves when everything was answered, or the patience is over. */
  run(): Promise<void> {
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    this.#tickedMs = this.#now() - TICK_MS;
    this.#tick();
    return finished;
  }

  opened(wire: Wire<Errand>): void {
    this.#opening -= 1;
    this.score.connectionsOpened += 1;
    this.#release(wire, this.#now());
    this.#pump();
  }

  heard(wire: Wire<Errand>, bytes: Buffer): boolean {
    const { errand } = wire;
    if (errand === null) return true;
    if (!this.#reader.read(bytes, errand.kind)) return false;
    wire.errand = null;
    const nowMs = this.#now();
    const { isLast, outcome } = this.#reader;
    this.score.answered += 1;
    this.#account(errand, outcome, nowMs);
    this.#follow(errand, outcome, nowMs);
    if (isLast || this.#options.connections.mode === "storm") this.#drop(wire);
    else this.#release(wire, nowMs);
    // What becomes due between two ticks leaves with the next: one by one, each would wake the server for itself.
    if (this.#isStarved) this.#pump(nowMs);
    return true;
  }

  lost(wire: Wire<Errand>, errand: Errand | null, cause: string): void {
    const nowMs = this.#now();
    if (this.#wires.delete(wire) && !wire.wasOpened) {
      this.#opening -= 1;
      this.#reopenMs = nowMs + REOPEN_AFTER_MS;
    }
    if (errand === null) return;
    this.#noAnswer(errand, cause, nowMs);
    this.#pump(nowMs);
  }

  readonly #tick = (): void => {
    const nowMs = this.#now();
    this.#tickLateMs = Math.max(0, nowMs - this.#tickedMs - TICK_MS);
    this.#tickedMs = nowMs;
    if (nowMs < this.#options.startMs) this.#openAhead(nowMs);
    this.#pump(nowMs);
    // A timer, not a spin: the load shares the cores with what it measures.
    if (this.#isOver(nowMs)) this.#end(nowMs);
    else setTimeout(this.#tick, TICK_MS);
  };

  #now(): number {
    return performance.now() - this.#openedAt;
  }

  #pump(nowMs = this.#now()): void {
    for (;;) {
      const stream = this.#nextStream();
      const dueMs = Math.min(stream?.nextMs ?? Number.POSITIVE_INFINITY, this.#agenda.nextMs);
      if (dueMs > nowMs || nowMs > this.#deadlineMs) {
        this.#isStarved = false;
        return;
      }
      const wire = this.#takeIdle(nowMs);
      if (wire === null) {
        this.#isStarved = true;
        this.#openMore(nowMs);
        return;
      }
      const isArrival = stream !== null && stream.nextMs <= this.#agenda.nextMs;
      const errand = isArrival ? stream.take() : this.#agenda.take();
      if (errand === undefined) return;
      if (isArrival) this.score.arrived(dueMs);
      this.score.lateness.record(this.#latenessOf(dueMs, nowMs));
      this.#send(wire, errand, nowMs);
    }
  }

  /** What of a request's wait is the generator's own; the tick that is due by now may be the late one. */
  #latenessOf(dueMs: number, nowMs: number): number {
    const waitedMs = nowMs - dueMs;
    if (!this.#isStarved) return waitedMs;
    return Math.min(waitedMs, Math.max(this.#tickLateMs, nowMs - this.#tickedMs - TICK_MS));
  }

  /** The population whose next arrival comes first; null when all have come. */
  #nextStream(): Stream | null {
    let first: Stream | null = null;
    let firstMs = Number.POSITIVE_INFINITY;
    for (const stream of this.#options.streams) {
      if (stream.nextMs < firstMs) {
        first = stream;
        firstMs = stream.nextMs;
      }
    }
    return first;
  }

  #send(wire: Wire<Errand>, errand: Errand, nowMs: number): void {
    const writer = this.#options.writers.get(errand.stream);
    if (writer === undefined) throw new Error(`nobody writes for ${errand.stream.plan.name}`);
    this.#time.nowMs = nowMs;
    const bytes = writer.write(errand, this.#time);
    this.score.sent += 1;
    errand.sentMs = nowMs;
    if (wire.send(bytes, errand)) writer.letGo();
  }

  #account(errand: Errand, outcome: number, nowMs: number): void {
    const { index } = errand.stream.plan;
    this.score.count(index, outcome, nowMs);
    const fromMs = this.#options.countsFrom === "schedule" ? errand.dueMs : errand.sentMs;
    if (errand.kind === "attempt") this.score.attempt(index, outcome, { dueMs: fromMs, nowMs });
    else if (errand.stream.plan.population.kind === "scraper") this.score.look(index, nowMs - fromMs);
  }

  #follow(errand: Errand, outcome: number, nowMs: number): void {
    const reply = this.#heard;
    reply.outcome = this.names.nameOf(outcome);
    if (errand.kind === "attempt" && isAccepted(reply.outcome)) {
      const rid = ridIn(this.#reader.body);
      const next = rid === null ? null : nextOfHolder(errand, rid, nowMs);
      if (next !== null) this.#agenda.add(next);
      if (next?.kind === "checkout") this.score.payment("begun");
    }
    this.#continue(errand, reply, nowMs);
  }

  #continue(errand: Errand, reply: Reply, nowMs: number): void {
    const next = nextAfter(errand, reply, nowMs);
    if (typeof next === "object") {
      this.#agenda.add(next.errand);
    } else if (next === "decided") {
      this.score.decided += 1;
      this.score.lastDecidedMs = nowMs;
    } else if (isPayment(errand)) {
      this.score.payment(endOfPayment(errand, reply));
    }
  }

  #noAnswer(errand: Errand, cause: string, nowMs: number): void {
    this.score.count(errand.stream.plan.index, this.names.numberOf(cause), nowMs);
    if (isPayment(errand)) this.score.payment("unanswered");
    const silence = { outcome: cause, status: 0, retryAfterMs: () => null, body: "" };
    if (errand.kind === "attempt") this.#continue(errand, silence, nowMs);
  }

  /** A free wire; targets take turns, or one of them would get everything that a slow hour brings. */
  #takeIdle(nowMs: number): Wire<Errand> | null {
    const { length } = this.#idle;
    for (let tried = 0; tried < length; tried += 1) {
      this.#sendTurn = (this.#sendTurn + 1) % length;
      const stack = this.#idle[this.#sendTurn];
      for (let wire = stack?.pop(); wire !== undefined; wire = stack?.pop()) {
        if (wire.isOpen && nowMs - wire.lastUsedMs < IDLE_MS_MAX) return wire;
        this.#drop(wire);
      }
    }
    return null;
  }

  #release(wire: Wire<Errand>, nowMs: number): void {
    wire.lastUsedMs = nowMs;
    if (wire.isOpen) this.#idle[wire.target]?.push(wire);
  }

  #drop(wire: Wire<Errand>): void {
    this.#wires.delete(wire);
    wire.hangUp();
  }

  #openMore(nowMs: number): void {
    const { max } = this.#options.connections;
    while (this.#canOpen(nowMs) && this.#wires.size < max && this.#opening < this.#overdue(nowMs)) this.#open();
  }

  #openAhead(nowMs: number): void {
    const { startMs, connections } = this.#options;
    const count = connections.mode === "storm" ? 0 : Math.min(connections.ahead, connections.max);
    if (nowMs < startMs - AHEAD_MS) return;
    while (this.#canOpen(nowMs) && this.#wires.size < count) this.#open();
  }

  #canOpen(nowMs: number): boolean {
    return nowMs >= this.#reopenMs && this.#opening < OPENING_MAX;
  }

  #open(): void {
    const { targets } = this.#options;
    this.#openTurn = (this.#openTurn + 1) % targets.length;
    this.#opening += 1;
    this.#wires.add(new Wire({ targets, index: this.#openTurn }, this));
  }

  /** How many requests are due, as far as it matters for opening connections. */
  #overdue(nowMs: number): number {
    let count = this.#agenda.nextMs <= nowMs ? this.#agenda.size : 0;
    for (const stream of this.#options.streams) {
      if (count >= OPENING_MAX) break;
      count += stream.countDue(nowMs, OPENING_MAX);
    }
    return count;
  }

  #isOver(nowMs: number): boolean {
    if (nowMs > this.#deadlineMs) return true;
    if (this.#nextStream() !== null || this.#agenda.size > 0) return false;
    for (const wire of this.#wires) if (wire.errand !== null) return false;
    return true;
  }

  /** What has no answer by now gets none. */
  #end(nowMs: number): void {
    const cause = this.names.numberOf(`${NO_ANSWER}not in time`);
    const unsent = this.names.numberOf(`${NO_ANSWER}never sent`);
    for (const wire of this.#wires) {
      if (wire.errand !== null) this.score.count(wire.errand.stream.plan.index, cause, nowMs);
      if (wire.errand !== null && isPayment(wire.errand)) this.score.payment("unanswered");
      wire.hangUp();
    }
    for (let errand = this.#agenda.take(); errand !== undefined; errand = this.#agenda.take()) {
      if (isPayment(errand)) this.score.payment("unsent");
    }
    for (const stream of this.#options.streams) {
      while (stream.nextMs < Number.POSITIVE_INFINITY) {
        const errand = stream.take();
        this.score.arrived(errand.dueMs);
        this.score.count(stream.plan.index, unsent, nowMs);
      }
    }
    this.#finish?.();
  }
}

function isPayment({ kind }: Errand): boolean {
  return kind === "checkout" || kind === "press";
}

/** Where a payment ended that nothing follows. */
function endOfPayment({ kind }: Errand, { status }: Reply): "taken" | "elsewhere" | "refused" {
  if (status >= HTTP_REFUSED) return "refused";
  return kind === "press" ? "taken" : "elsewhere";
}

/** The reader's answer, as behaviour asks for it; one for all, because it is asked before the next is read. */
class Heard implements Reply {
  outcome = "";
  readonly #reader: AnswerReader;

  constructor(reader: AnswerReader) {
    this.#reader = reader;
  }

  get status(): number {
    return this.#reader.status;
  }

  retryAfterMs(): number | null {
    return this.#reader.retryAfterMs();
  }

  get body(): string {
    return this.#reader.body;
  }
}
