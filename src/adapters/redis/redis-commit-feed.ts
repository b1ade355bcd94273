/**
 * Hints of commits over Redis pub/sub. `implements CommitFeed`.
 *
 * Two connections of its own, so that a slow listener cannot hold up the ledger's calls. Messages are sent once and
 * forgotten; while a connection is lost, so are the hints, and who waits for one has a deadline. Who waits in the process that
 * committed hears of it at once: the way to Redis and back would be a fifth of his waiting.
 */
import { randomUUID } from "node:crypto";
import type { BucketEpoch } from "../../ports/bucket-store.ts";
import type { CommitFeed, CommitHint } from "../../ports/commit-feed.ts";
import type { Log } from "../../ports/telemetry.ts";
import { LedgerKeys } from "./keys.ts";
import { RedisConnection } from "./redis-connection.ts";

const ANSWER_TIMEOUT_MS = 2_000;
/** itemId bucket epoch firstSeq lastSeq holdUntil, the last one "-" when there is none. */
const HINT = /^(\d{1,15}) (\d{1,4}) (\d{1,15}) (\d{1,15}) (\d{1,15}) (\d{1,15}|-)$/;

/** itemId bucket epoch. */
const WAKE = /^wake (\d{1,15}) (\d{1,4}) (\d{1,15})$/;

/** See the file comment. */
export class RedisCommitFeed implements CommitFeed {
  readonly #channel: string;
  readonly #publisher: RedisConnection;
  readonly #subscriber: RedisConnection;
  readonly #listeners = new Set<(hint: CommitHint) => void>();
  readonly #woken = new Set<(bucket: BucketEpoch) => void>();
  /** Heads each message: one's own are known already. */
  readonly #origin = `from ${randomUUID()}`;

  constructor(options: { readonly urls: readonly string[]; readonly deployment: string; readonly log: Log }) {
    const [url = "", ...others] = options.urls;
    this.#channel = new LedgerKeys(options.deployment).commitChannel;
    const common = {
      urls: [url, ...others] as const,
      answerTimeoutMs: ANSWER_TIMEOUT_MS,
      faultCode: "LEDGER_UNAVAILABLE",
      setTimer: startTimer,
      log: options.log,
    } as const;
    this.#publisher = new RedisConnection(common);
    this.#subscriber = new RedisConnection({
      ...common,
      subscription: { channel: this.#channel, onMessage: (text) => this.#tell(text) },
    });
  }

  /** Begins to connect; hints flow as soon as that worked. */
  async start(): Promise<void> {
    this.#publisher.open();
    this.#subscriber.open();
  }

  async stop(): Promise<void> {
    this.#publisher.close();
    this.#subscriber.close();
  }

  publish(hints: readonly CommitHint[]): void {
    for (const hint of hints) this.#hear(hint);
    if (hints.length > 0) this.#send(hints.map(formatHint).join("\n"));
  }

  subscribe(listener: (hint: CommitHint) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  wake({ itemId, bucket, epoch }: BucketEpoch): void {
    for (const listener of this.#woken) listener({ itemId, bucket, epoch });
    this.#send(`wake ${itemId} ${bucket} ${epoch}`);
  }

  onWake(listener: (bucket: BucketEpoch) => void): () => void {
    this.#woken.add(listener);
    return () => void this.#woken.delete(listener);
  }

  /** What is lost costs its waiters time, or a 202 instead of a 201; the connection reports why. */
  #send(lines: string): void {
    if (!this.#publisher.isReady) return;
    this.#publisher.call(["PUBLISH", this.#channel, `${this.#origin}\n${lines}`]).catch(() => undefined);
  }

  #tell(text: string): void {
    if (text.startsWith(this.#origin)) return;
    for (const line of text.split("\n")) {
      const hint = parseHint(line);
      if (hint !== null) this.#hear(hint);
      const wake = WAKE.exec(line);
      if (wake === null) continue;
      const bucket = { itemId: Number(wake[1]), bucket: Number(wake[2]), epoch: Number(wake[3]) };
      for (const listener of this.#woken) listener(bucket);
    }
  }

  #hear(hint: CommitHint): void {
    for (const listener of this.#listeners) listener(hint);
  }
}

function formatHint({ itemId, bucket, epoch, firstSeq, lastSeq, holdUntil }: CommitHint): string {
  return `${itemId} ${bucket} ${epoch} ${firstSeq} ${lastSeq} ${holdUntil ?? "-"}`;
}

/** Anybody who may write to the channel could say anything; what has not our form is no hint. */
function parseHint(line: string): CommitHint | null {
  const match = HINT.exec(line);
  if (match === null) return null;
  return {
    itemId: Number(match[1]),
    bucket: Number(match[2]),
    epoch: Number(match[3]),
    firstSeq: Number(match[4]),
    lastSeq: Number(match[5]),
    holdUntil: match[6] === "-" ? null : Number(match[6]),
  };
}

function startTimer(delayMs: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
}
