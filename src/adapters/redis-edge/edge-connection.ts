/**
 * One connection to the edge Redis that nobody ever waits for: an answer within the deadline, or a fault at once.
 *
 * A server that stops answering is noticed by the first call that waits too long; from then on calls fail without being
 * sent, so that nothing piles up. It counts as back when that answer comes after all, else the connection is thrown away
 * and made anew, with growing pauses. The log gets one line when the edge goes away and one when it is back. The client's
 * own reconnecting is off: it waits for ever where the server accepts and says nothing.
 */
import { createClient } from "@redis/client";
import { Fault } from "../../domain/faults.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { Log } from "../../ports/telemetry.ts";

const CONNECT_MS_MAX = 1_000;
/** A connection that owes an answer for this long is given up. */
const SILENCE_MS_MAX = 1_000;
const PAUSE_MS = { first: 50, longest: 1_000 };
/** A server that comes and goes is worth a line this often. */
const WARNING_GAP_MS = 10_000;
const CALLS_WAITING_MAX = 1_000;

type Client = ReturnType<typeof makeClient>;

function makeClient(url: string) {
  return createClient({
    url,
    disableOfflineQueue: true,
    disableClientInfo: true,
    commandsQueueMaxLength: CALLS_WAITING_MAX,
    maintNotifications: "disabled",
    commandOptions: { timeout: 0 },
    name: "doorbuster-edge",
    socket: { connectTimeout: CONNECT_MS_MAX, reconnectStrategy: false },
  });
}

export interface EdgeConnectionParts {
  readonly url: string;
  /** How long a call may take. */
  readonly answerMsMax: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** See the head of this file. */
export class EdgeConnection {
  readonly #parts: EdgeConnectionParts;
  #client: Client | null = null;
  /** True from the first answer until one is late, refused or lost. */
  #isGood = false;
  /** An answer is late: nothing more is sent until it comes. */
  #isSilent = false;
  #isStopped = true;
  #hasWarned = false;
  #warnedAtMs = Number.NEGATIVE_INFINITY;
  #connectedAtMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #cancelTimer: (() => void) | null = null;

  constructor(parts: EdgeConnectionParts) {
    this.#parts = parts;
  }

  start(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    void this.#connect();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer?.();
    this.#drop();
  }

  isReachable(): boolean {
    return this.#isGood;
  }

  /** Makes one call. Throws EDGE_UNAVAILABLE for everything that is not an answer. */
  async call<Reply>(work: (client: Client) => Promise<Reply>): Promise<Reply> {
    const client = this.#client;
    if (client === null || this.#isSilent) throw new Fault("EDGE_UNAVAILABLE", { internal: "the edge is away" });
    const answer = work(client);
    const late = Promise.withResolvers<never>();
    const { clock, answerMsMax } = this.#parts;
    const cancel = clock.setTimer(answerMsMax, () => {
      this.#fallSilent(client, answer);
      late.reject(new Fault("EDGE_UNAVAILABLE", { internal: `no answer within ${answerMsMax} ms` }));
    });
    try {
      const reply = await Promise.race([answer, late.promise]);
      this.#recover(client);
      return reply;
    } catch (error) {
      if (error instanceof Fault) throw error;
      this.#lose(error);
      throw new Fault("EDGE_UNAVAILABLE", { cause: error, internal: textOf(error) });
    } finally {
      cancel();
    }
  }

  #fallSilent(client: Client, answer: Promise<unknown>): void {
    if (this.#client !== client || this.#isSilent) {
      answer.catch(() => undefined);
      return;
    }
    this.#isSilent = true;
    this.#lose(new Error(`no answer within ${this.#parts.answerMsMax} ms`));
    const cancel = this.#parts.clock.setTimer(SILENCE_MS_MAX, () => {
      if (this.#client === client) this.#reconnectLater();
    });
    answer
      .then(
        () => this.#recover(client),
        (error: unknown) => this.#lose(error),
      )
      .finally(cancel);
  }

  /** An answer came: the edge is there. */
  #recover(client: Client): void {
    if (this.#client !== client) return;
    this.#isSilent = false;
    this.#isGood = true;
    if (!this.#hasWarned) return;
    this.#hasWarned = false;
    this.#parts.log.info({}, "the edge Redis is back");
  }

  #lose(error: unknown): void {
    this.#isGood = false;
    const nowMs = this.#parts.clock.monotonicMs();
    if (this.#hasWarned || this.#isStopped || nowMs - this.#warnedAtMs < WARNING_GAP_MS) return;
    this.#hasWarned = true;
    this.#warnedAtMs = nowMs;
    this.#parts.log.warn(
      { code: "EDGE_UNAVAILABLE", why: textOf(error) },
      "the edge Redis is away: limits and replay windows hold per process until it is back",
    );
  }

  async #connect(): Promise<void> {
    this.#cancelTimer = null;
    const client = makeClient(this.#parts.url);
    // Told to whoever calls next; an "error" event without a listener would end the process.
    client.on("error", (error: unknown) => {
      if (this.#client !== client) return;
      this.#lose(error);
      this.#reconnectLater();
    });
    try {
      await this.#withinConnectTime(client);
    } catch (error) {
      destroy(client);
      this.#lose(error);
      this.#reconnectLater();
      return;
    }
    if (this.#isStopped) return destroy(client);
    this.#client = client;
    this.#connectedAtMs = this.#parts.clock.monotonicMs();
    this.#recover(client);
  }

  async #withinConnectTime(client: Client): Promise<void> {
    const late = Promise.withResolvers<never>();
    const cancel = this.#parts.clock.setTimer(CONNECT_MS_MAX, () =>
      late.reject(new Error(`no connection within ${CONNECT_MS_MAX} ms`)),
    );
    try {
      await Promise.race([client.connect().then(() => client.ping()), late.promise]);
    } finally {
      cancel();
    }
  }

  #reconnectLater(): void {
    this.#drop();
    if (this.#isStopped || this.#cancelTimer !== null) return;
    // Only a connection that lasted shows that the next one is worth having soon.
    if (this.#parts.clock.monotonicMs() - this.#connectedAtMs > PAUSE_MS.longest) this.#failures = 0;
    const pauseMs = Math.min(PAUSE_MS.longest, PAUSE_MS.first * 2 ** this.#failures);
    this.#failures += 1;
    const jitter = 0.5 + this.#parts.random.fraction();
    this.#cancelTimer = this.#parts.clock.setTimer(pauseMs * jitter, () => void this.#connect());
  }

  #drop(): void {
    const client = this.#client;
    this.#client = null;
    this.#isGood = false;
    this.#isSilent = false;
    if (client !== null) destroy(client);
  }
}

/** Calls in flight are rejected; each has somebody who listens. */
function destroy(client: Client): void {
  client.destroy();
}

/** Only the message: an error of the client may carry the connection's options. */
function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
