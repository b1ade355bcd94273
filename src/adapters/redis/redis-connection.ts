/**
 * One connection to one server, which answers, fails at once or fails in time, and comes back by itself.
 *
 * Nothing is ever sent twice and nothing waits for a connection: while there is none, a call fails at once. An answer
 * that does not come in time is somebody's unknown outcome; a connection that has been silent for twice that long
 * although answers were due is dropped, with every call that was under way, because a half-open one would swallow calls
 * for ever. What a server says (also its error replies) passes through; what it does not say becomes a fault.
 *
 * Whoever stands between may accept and close: a connection is one when the server has answered on it, and only one that
 * lasted makes the next delay short again and ends the outage. The log has two lines an outage, its beginning and its end.
 *
 *   closed ← idle → connecting ⇄ waiting          connecting: socket, login, an answer, `prepare`, within the deadline
 *                       ↓ ↑                       waiting:    a growing, jittered delay after a failure
 *                      ready                      ready:      the only mode in which calls are sent
 */
import { randomInt } from "node:crypto";
import { createClient, ErrorReply } from "@redis/client";
import { Fault, type FaultCode } from "../../domain/faults.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/telemetry.ts";

const CONNECT_TIMEOUT_MS = 2_000;
const RETRY_DELAY_MS_MIN = 50;
const RETRY_DELAY_MS_MAX = 1_000;
/** A connection that was ready for this long has shown that the server is back. */
const LASTING_MS = 1_000;
const JITTER_STEPS = 1_000;
/** A connection that owes answers may be silent for this many deadlines. */
const SILENT_DEADLINES_MAX = 2;

type Client = ReturnType<typeof makeClient>;

export interface RedisConnectionOptions {
  /** redis:// or rediss://, with user, password and database number where needed. Tried in turn until one answers. */
  readonly urls: readonly [string, ...string[]];
  readonly answerTimeoutMs: number;
  /** What is thrown when there is no answer. */
  readonly faultCode: Extract<FaultCode, "LEDGER_UNAVAILABLE" | "EDGE_UNAVAILABLE">;
  readonly setTimer: Clock["setTimer"];
  readonly log: Log;
  /** Runs on every new connection before anybody else may use it. When it throws, the connection is given up. */
  readonly prepare?: (send: (args: string[]) => Promise<unknown>) => Promise<void>;
  /** Called after each change between usable and not. */
  readonly onChange?: (isReady: boolean) => void;
  /** Given, the connection listens to the channel and is good for nothing else. It asks now and then if it still can. */
  readonly subscription?: { readonly channel: string; readonly onMessage: (text: string) => void };
}

/** See the file comment. */
export class RedisConnection {
  /** host:port of the first address, for logs and for finding the connection again. Never the password. */
  readonly address: string;
  readonly #options: RedisConnectionOptions;
  #client: Client | null = null;
  #connecting: Client | null = null;
  #isOpen = false;
  #failures = 0;
  #cancelRetry: (() => void) | null = null;
  /** Set while a connection is ready and has not lasted yet. */
  #cancelLasting: (() => void) | null = null;
  /** From the line that says so to the line that says that it is over. */
  #isOutage = false;
  #pending = 0;
  #silentSinceMs = 0;

  constructor(options: RedisConnectionOptions) {
    this.#options = options;
    this.address = addressOf(options.urls[0]);
  }

  get isReady(): boolean {
    return this.#client !== null;
  }

  /** Begins to connect and goes on trying until closed. Answers at once. */
  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#connect();
  }

  /** Ends the connection; calls under way fail. */
  close(): void {
    this.#isOpen = false;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#connecting?.destroy();
    this.#drop("the connection was closed");
  }

  /** Drops the connection and connects again: after an answer that says that this is the wrong server. */
  reconnect(why: string): void {
    this.#drop(why);
  }

  /**
   * Sends one command. Rejects with the server's error reply, or with the fault: not connected (nothing was sent), no
   * answer in time or connection lost (nothing is known). `timeoutMs` for what may take longer than other calls.
   */
  call(args: string[], timeoutMs = this.#options.answerTimeoutMs): Promise<unknown> {
    const client = this.#client;
    if (client === null) return Promise.reject(this.#fault(`not connected to ${this.address}`));
    return this.#send(client, args, timeoutMs);
  }

  #send(client: Client, args: string[], timeoutMs: number): Promise<unknown> {
    if (this.#pending === 0) this.#silentSinceMs = performance.now();
    this.#pending += 1;
    return new Promise((resolve, reject) => {
      const cancelDeadline = this.#options.setTimer(timeoutMs, () => {
        reject(this.#fault(`${this.address} gave no answer to ${args[0]} within ${timeoutMs} ms`));
        this.#dropWhenSilent(client);
      });
      client.sendCommand<unknown>(args).then(
        (reply) => {
          cancelDeadline();
          this.#heard();
          resolve(reply);
        },
        (error: Error) => {
          cancelDeadline();
          this.#heard();
          reject(error instanceof ErrorReply ? error : this.#fault(`${this.address}: ${error.message}`, error));
        },
      );
    });
  }

  #heard(): void {
    this.#pending -= 1;
    this.#silentSinceMs = performance.now();
  }

  #dropWhenSilent(client: Client): void {
    const silentMs = performance.now() - this.#silentSinceMs;
    if (client !== this.#client || silentMs < SILENT_DEADLINES_MAX * this.#options.answerTimeoutMs) return;
    this.#drop(`silent for ${Math.round(silentMs)} ms`);
  }

  #connect(): void {
    const { urls } = this.#options;
    const client = makeClient(urls[this.#failures % urls.length] ?? urls[0]);
    this.#connecting = client;
    client.on("error", (error: Error) => {
      if (client === this.#client) this.#drop(error.message);
    });
    this.#makeReady(client).then(
      () => this.#becomeReady(client),
      (error: Error) => this.#failedToConnect(client, error),
    );
  }

  async #makeReady(client: Client): Promise<void> {
    const { subscription, prepare, answerTimeoutMs } = this.#options;
    await this.#within(CONNECT_TIMEOUT_MS, client.connect());
    await this.#within(answerTimeoutMs, client.sendCommand<unknown>(["PING"]));
    await prepare?.((args) => this.#within(answerTimeoutMs, client.sendCommand<unknown>(args)));
    if (subscription !== undefined) {
      await this.#within(answerTimeoutMs, client.subscribe(subscription.channel, subscription.onMessage));
    }
  }

  #becomeReady(client: Client): void {
    this.#connecting = null;
    if (!this.#isOpen || !client.isReady) {
      this.#failedToConnect(client, new Error("lost while connecting"));
      return;
    }
    this.#client = client;
    this.#pending = 0;
    const { setTimer, onChange } = this.#options;
    this.#cancelLasting = setTimer(LASTING_MS, () => this.#lasted());
    if (this.#options.subscription !== undefined) this.#keepAsking(client);
    onChange?.(true);
  }

  #lasted(): void {
    this.#cancelLasting = null;
    this.#failures = 0;
    if (!this.#isOutage) return;
    this.#isOutage = false;
    this.#options.log.info({ server: this.address }, "Redis connection is back");
  }

  #complain(why: string, text: string): void {
    if (this.#isOutage) return;
    this.#isOutage = true;
    this.#options.log.warn({ server: this.address, error: why }, text);
  }

  /** Who only listens cannot tell a quiet channel from a dead connection. */
  #keepAsking(client: Client): void {
    const { setTimer, answerTimeoutMs } = this.#options;
    setTimer(answerTimeoutMs, () => {
      if (client !== this.#client) return;
      this.#send(client, ["PING"], answerTimeoutMs).catch(() => undefined);
      this.#keepAsking(client);
    });
  }

  #failedToConnect(client: Client, error: Error): void {
    this.#connecting = null;
    client.destroy();
    if (!this.#isOpen) return;
    this.#complain(error.message, "Redis cannot be reached");
    this.#connectLater();
  }

  #drop(why: string): void {
    const client = this.#client;
    if (client === null) return;
    this.#client = null;
    this.#cancelLasting?.();
    this.#cancelLasting = null;
    client.destroy();
    if (this.#isOpen) {
      this.#complain(why, "Redis connection lost");
      this.#connectLater();
    }
    this.#options.onChange?.(false);
  }

  #connectLater(): void {
    this.#failures += 1;
    const growing = Math.min(RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_MIN * 2 ** (this.#failures - 1));
    const delayMs = growing * (0.5 + randomInt(JITTER_STEPS) / JITTER_STEPS);
    this.#cancelRetry = this.#options.setTimer(delayMs, () => {
      this.#cancelRetry = null;
      this.#connect();
    });
  }

  #within<Value>(timeoutMs: number, work: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const cancel = this.#options.setTimer(timeoutMs, () => reject(new Error(`no answer within ${timeoutMs} ms`)));
      work.then(
        (value) => {
          cancel();
          resolve(value);
        },
        (error: Error) => {
          cancel();
          reject(error);
        },
      );
    });
  }

  #fault(internal: string, cause?: Error): Fault {
    return new Fault(this.#options.faultCode, { internal, cause });
  }
}

/** A client that neither queues nor retries nor reconnects: all of that is decided here. */
function makeClient(url: string) {
  return createClient({
    url,
    RESP: 2,
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: "disabled",
    commandOptions: { timeout: 0 },
    socket: { reconnectStrategy: false, connectTimeout: CONNECT_TIMEOUT_MS },
  });
}

function addressOf(url: string): string {
  const { hostname, port } = new URL(url);
  return `${hostname}:${port === "" ? "6379" : port}`;
}
