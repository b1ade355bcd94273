/**
 * The streams of the buckets: how acceptances reach the workers. Part of the redis BucketStore.
 *
 * One group of readers a stream. An entry stays pending until it is acknowledged and stays in the stream until it is
 * trimmed; the two are independent. None of this is fenced: whether an entry still counts is Postgres's decision. A
 * stream that does not exist has no entries.
 */
import { ErrorReply } from "@redis/client";
import { isFault } from "../../domain/faults.ts";
import type { BucketEpoch, BucketStore, ClaimedEntries, StreamEntry } from "../../ports/bucket-store.ts";
import type { LedgerKeys } from "./keys.ts";
import { parseEntries, toLedgerFault } from "./ledger-replies.ts";
import type { RedisServers } from "./redis-servers.ts";

const CLAIM_ROUNDS_MAX = 50;
/** Streams that one command reads. */
const STREAMS_PER_READ = 128;
const NO_GROUP = Symbol("no group");

/** See the file comment. */
export class BucketStreams {
  static readonly GROUP = "workers";
  readonly #keys: LedgerKeys;
  readonly #servers: Pick<RedisServers, "call" | "isCluster">;

  constructor(keys: LedgerKeys, servers: Pick<RedisServers, "call" | "isCluster">) {
    this.#keys = keys;
    this.#servers = servers;
  }

  async readNew(
    request: BucketEpoch & { readonly consumerId: string; readonly entriesMax: number },
  ): Promise<readonly StreamEntry[]> {
    const group = ["GROUP", BucketStreams.GROUP, request.consumerId, "COUNT", String(request.entriesMax)];
    const read = (): Promise<unknown> => this.#call(request, (key) => ["XREADGROUP", ...group, "STREAMS", key, ">"]);
    let reply = await read();
    if (reply === NO_GROUP && (await this.#restoreGroup(request))) reply = await read();
    if (reply === NO_GROUP) return [];
    const [streamReply] = (reply ?? []) as readonly (readonly [string, unknown])[];
    return parseEntries(streamReply?.[1]);
  }

  /** In a Cluster, where a command cannot name two buckets, it is a command each. */
  async readNewOfEach(
    request: Parameters<BucketStore["readNewOfEach"]>[0],
  ): Promise<readonly (readonly StreamEntry[] | null)[]> {
    const { streams, ...reader } = request;
    const readOne = (stream: BucketEpoch) => this.readNew({ ...stream, ...reader }).catch(unlessBug);
    if (this.#servers.isCluster) return Promise.all(streams.map(readOne));
    const chunks: (readonly BucketEpoch[])[] = [];
    for (let from = 0; from < streams.length; from += STREAMS_PER_READ) {
      chunks.push(streams.slice(from, from + STREAMS_PER_READ));
    }
    const answers = chunks.map(async (chunk) => {
      const lists = await this.#readTogether(chunk, reader).catch(unlessBug);
      if (lists === null) return chunk.map(() => null);
      // One stream without a group fails the command for all, before any was read.
      return lists === NO_GROUP ? Promise.all(chunk.map(readOne)) : lists;
    });
    return (await Promise.all(answers)).flat();
  }

  /** {@link NO_GROUP}: one of them has none. */
  async #readTogether(
    streams: readonly BucketEpoch[],
    reader: { readonly consumerId: string; readonly entriesMax: number },
  ): Promise<readonly (readonly StreamEntry[])[] | typeof NO_GROUP> {
    const [first] = streams;
    if (first === undefined) return [];
    const keys = streams.map((stream) => this.#keys.streamOf(stream, stream.epoch));
    const reply = await this.#call(first, () => [
      ...["XREADGROUP", "GROUP", BucketStreams.GROUP, reader.consumerId, "COUNT", String(reader.entriesMax)],
      ...["STREAMS", ...keys, ...keys.map(() => ">")],
    ]);
    if (reply === NO_GROUP) return NO_GROUP;
    const byKey = new Map((reply ?? []) as readonly (readonly [string, unknown])[]);
    return keys.map((key) => parseEntries(byKey.get(key)));
  }

  /** Goes through all that is pending, because what live workers hold comes in between. */
  async claimStale(
    request: BucketEpoch & { readonly consumerId: string; readonly idleMsMin: number; readonly entriesMax: number },
  ): Promise<ClaimedEntries> {
    const entries: StreamEntry[] = [];
    const lostLastSeqs: number[] = [];
    let cursor = "0-0";
    for (let round = 0; round < CLAIM_ROUNDS_MAX; round += 1) {
      const room = request.entriesMax - entries.length - lostLastSeqs.length;
      if (room <= 0) break;
      const rest = [String(request.idleMsMin), cursor, "COUNT", String(room)];
      const reply = await this.#call(request, (key) => [
        ...["XAUTOCLAIM", key, BucketStreams.GROUP, request.consumerId],
        ...rest,
      ]);
      if (reply === NO_GROUP) break;
      const [next, claimed, deleted] = reply as [string, unknown, string[] | undefined];
      entries.push(...parseEntries(claimed));
      for (const id of deleted ?? []) lostLastSeqs.push(Number.parseInt(id, 10));
      cursor = next;
      if (cursor === "0-0") break;
    }
    return { entries, lostLastSeqs };
  }

  async acknowledge(request: BucketEpoch & { readonly lastSeqs: readonly number[] }): Promise<void> {
    if (request.lastSeqs.length === 0) return;
    const ids = request.lastSeqs.map((lastSeq) => `${lastSeq}-0`);
    await this.#call(request, (key) => ["XACK", key, BucketStreams.GROUP, ...ids]);
  }

  async readFrom(
    request: BucketEpoch & { readonly afterSeq: number; readonly entriesMax: number },
  ): Promise<readonly StreamEntry[]> {
    const { afterSeq, entriesMax } = request;
    const reply = await this.#call(request, (key) => [
      ...["XRANGE", key, `${afterSeq + 1}-0`, "+", "COUNT", String(entriesMax)],
    ]);
    return parseEntries(reply);
  }

  async trim(request: BucketEpoch & { readonly throughSeq: number }): Promise<void> {
    await this.#call(request, (key) => ["XTRIM", key, "MINID", `${request.throughSeq + 1}-0`]);
  }

  /** Somebody deleted the stream and the next acceptance made it again: from its start, since all is idempotent. */
  async #restoreGroup(request: BucketEpoch): Promise<boolean> {
    const { slot } = this.#keys.of(request);
    const key = this.#keys.streamOf(request, request.epoch);
    try {
      await this.#servers.call(slot, ["XGROUP", "CREATE", key, BucketStreams.GROUP, "0"]);
      return true;
    } catch (error) {
      if (error instanceof ErrorReply && error.message.includes("requires the key to exist")) return false;
      if (error instanceof ErrorReply && error.message.startsWith("BUSYGROUP")) return true;
      throw toLedgerFault(error);
    }
  }

  /** Answers {@link NO_GROUP} when there is no such stream, or nobody to read it. */
  async #call(request: BucketEpoch, build: (key: string) => string[]): Promise<unknown> {
    const { slot } = this.#keys.of(request);
    try {
      return await this.#servers.call(slot, build(this.#keys.streamOf(request, request.epoch)));
    } catch (error) {
      if (error instanceof ErrorReply && error.message.startsWith("NOGROUP")) return NO_GROUP;
      throw toLedgerFault(error);
    }
  }
}

/** A server that does not answer: null. Whatever else it was is thrown. */
function unlessBug(error: unknown): null {
  if (isFault(error)) return null;
  throw error;
}
