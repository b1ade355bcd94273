/**
 * The way from one process to one server: every call of a port crosses it, and it may do to the call what networks do.
 *
 * A call can take time, arrive and not be answered, never arrive, arrive twice, or arrive after its caller gave up. What
 * the caller then hears is the fault of an unknown outcome, never more. The one thing to know: the server decides at the
 * moment of arrival, and that is when the invariants are checked. A process that is killed hears no answer.
 */
import type { Fault } from "../../src/domain/faults.ts";
import type { SeededRandom } from "../swarm/seeded-random.ts";
import type { SimProcess, Timeline } from "./timeline.ts";

/** How a link treats calls, as fractions of them. */
export interface Weather {
  /** Takes up to `delayMsMax`, both ways together. */
  readonly slow: number;
  readonly delayMsMax: number;
  /** Takes up to `lateMsMax`. */
  readonly late: number;
  readonly lateMsMax: number;
  /** Never arrives. */
  readonly lostCall: number;
  /** Arrives; the answer does not. */
  readonly lostAnswer: number;
  /** Arrives twice, the second time later. */
  readonly twice: number;
}

const LOOKS: ReadonlySet<string> = new Set([
  "readNew",
  "readNewOfEach",
  "claimStale",
  "health",
  "readSales",
  "readLedgerStates",
  "listLedgersDue",
  "listNodeReports",
  "reportNode",
  "readGrantedItems",
  "readBooks",
  "listUnsettledGrants",
  "listNotes",
  "beginExpiry",
  "takeRefundsDue",
  "findOrder",
]);

/** Calls that carry what their caller has seen before: the same again finds something else and does nothing. */
const SEEN_FIRST: ReadonlySet<string> = new Set(["prepare", "remove"]);

/** What stops a process at a chosen call, for ever or for a while. */
export interface Trap {
  readonly kind: "die" | "sleep";
  /** The start of the process's id. */
  readonly process: string;
  readonly method: string;
  /** Before the server heard of the call, or after it decided and before the answer came. Who sleeps always does so before. */
  readonly when: "before" | "after";
  /** How long the process sleeps, or is gone. */
  readonly forMs: number;
  /** Calls that pass before it shuts. */
  passes: number;
}

export interface LinkParts {
  readonly timeline: Timeline;
  readonly process: SimProcess;
  readonly random: SeededRandom;
  readonly weather: () => Weather;
  /** True while the server cannot be reached by this process. */
  readonly isDown: () => boolean;
  /** The fault for a call without an answer. */
  readonly unavailable: (why: string) => Fault;
  /** The caller gives up then. */
  readonly patienceMs: number;
  /** After the server decided something; the request is the call's first value. */
  readonly onDecided: (method: string, request: unknown) => void;
  /** A trap that this call falls into, taken from those that are set. */
  readonly takeTrap: (process: SimProcess, method: string) => Trap | null;
  readonly onTrapped: (process: SimProcess, trap: Trap) => void;
}

/** One call on its way. */
interface Sent<Answer> {
  readonly method: string;
  readonly request: unknown;
  readonly decide: () => Promise<Answer>;
}

/** See the head of this file. */
export class Link {
  readonly #parts: LinkParts;

  constructor(parts: LinkParts) {
    this.#parts = parts;
  }

  call<Answer>(method: string, decide: () => Promise<Answer>, request?: unknown): Promise<Answer> {
    return this.#send({ method, request, decide });
  }

  #send<Answer>(sent: Sent<Answer>): Promise<Answer> {
    const { process } = this.#parts;
    if (process.state === "dead") return never();
    const trap = this.#parts.takeTrap(process, sent.method);
    if (trap !== null) return this.#spring(trap, sent);
    return this.#go(sent);
  }

  #go<Answer>(sent: Sent<Answer>): Promise<Answer> {
    const { process, timeline, unavailable, random } = this.#parts;
    if (this.#parts.isDown()) {
      // A closed port answers at once, a lost route not at all.
      const delayMs = random.fraction() < 0.5 ? 1 : this.#parts.patienceMs;
      return new Promise((_, reject) => timeline.after(process, delayMs, () => reject(unavailable("not reachable"))));
    }
    const weather = this.#parts.weather();
    const { method } = sent;
    const drawn = random.fraction();
    // Looks that come again and again are slow less often: a late one is as good as the next one.
    let bound = LOOKS.has(method) ? weather.slow / 6 : weather.slow;
    if (drawn < bound) return this.#travel(sent, weather.delayMsMax);
    bound += weather.late;
    if (drawn < bound) return this.#travel(sent, weather.lateMsMax);
    bound += weather.lostCall;
    if (drawn < bound) return this.#fail("the call was lost");
    bound += weather.lostAnswer;
    if (drawn < bound) return this.#loseAnswer(sent);
    bound += weather.twice;
    if (drawn < bound && !SEEN_FIRST.has(method)) this.#arriveAgain(sent, weather.lateMsMax);
    return this.#decide(sent);
  }

  #decide<Answer>({ method, request, decide }: Sent<Answer>): Promise<Answer> {
    const answer = decide();
    this.#parts.onDecided(method, request);
    return answer;
  }

  /** There and back again; the caller may have given up meanwhile, on either half of the way. */
  #travel<Answer>(sent: Sent<Answer>, delayMsMax: number): Promise<Answer> {
    const { timeline, process, random, patienceMs, unavailable } = this.#parts;
    const thereMs = random.fraction() * delayMsMax;
    const backMs = random.fraction() * delayMsMax;
    const server = { ...process, state: "running" as const };
    return new Promise((resolve, reject) => {
      const giveUp = thereMs + backMs > patienceMs;
      if (giveUp) timeline.after(process, patienceMs, () => reject(unavailable("no answer in time")));
      timeline.after(server, thereMs, () => {
        if (this.#parts.isDown()) {
          if (!giveUp) timeline.after(process, backMs, () => reject(unavailable("the connection broke")));
          return;
        }
        const answer = this.#decide(sent);
        if (giveUp) answer.catch(() => undefined);
        else answer.then(later(timeline, process, backMs, resolve), later(timeline, process, backMs, reject));
      });
    });
  }

  #fail<Answer>(why: string): Promise<Answer> {
    const { timeline, process, random, patienceMs, unavailable } = this.#parts;
    const delayMs = random.fraction() < 0.5 ? 5 : patienceMs;
    return new Promise((_, reject) => timeline.after(process, delayMs, () => reject(unavailable(why))));
  }

  #loseAnswer<Answer>(sent: Sent<Answer>): Promise<Answer> {
    this.#decide(sent).catch(() => undefined);
    return this.#fail("the answer was lost");
  }

  #arriveAgain<Answer>(sent: Sent<Answer>, delayMsMax: number): void {
    const { timeline, process, random } = this.#parts;
    timeline.after({ ...process, state: "running" }, random.fraction() * delayMsMax, () => {
      if (!this.#parts.isDown()) this.#decide(sent).catch(() => undefined);
    });
  }

  /** The process sleeps or dies here; what was sent before is decided all the same. */
  #spring<Answer>(trap: Trap, sent: Sent<Answer>): Promise<Answer> {
    if (trap.kind === "sleep") {
      this.#parts.onTrapped(this.#parts.process, trap);
      return new Promise((resolve, reject) => {
        this.#parts.timeline.after(this.#parts.process, 0, () => this.#go(sent).then(resolve, reject));
      });
    }
    if (trap.when === "after" && !this.#parts.isDown()) this.#decide(sent).catch(() => undefined);
    this.#parts.onTrapped(this.#parts.process, trap);
    return never();
  }
}

/** Calls of every method named, each with at most one value, cross the link; `target` is asked at the moment of arrival. */
export function overLink<Port extends object>(
  link: Link,
  methods: readonly (keyof Port & string)[],
  target: () => Port,
): Port {
  const entries = methods.map((method) => {
    const call = (request: unknown): Promise<unknown> => {
      const decide = () => {
        const server = target();
        const implementation = server[method] as unknown as (request: unknown) => Promise<unknown>;
        return implementation.call(server, request);
      };
      return link.call(method, decide, request);
    };
    return [method, call] as const;
  });
  return Object.fromEntries(entries) as unknown as Port;
}

function later<Value>(
  timeline: Timeline,
  process: SimProcess,
  delayMs: number,
  deliver: (value: Value) => void,
): (value: Value) => void {
  return (value) => {
    timeline.after(process, delayMs, () => deliver(value));
  };
}

function never<Answer>(): Promise<Answer> {
  return new Promise(() => undefined);
}
