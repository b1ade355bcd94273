/**
 * What a server of the redis ledger remembers, as plain data: buckets and their streams.
 *
 * The one thing to know: everything here can be copied cheaply, because a crash to an older state and a failover to a
 * lagging replica are nothing but such a copy. Values inside maps are never changed in place. The rules that move this
 * data are in bucket-scripts.ts and bucket-stream.ts.
 */
import type { SaleId } from "../../../src/domain/ids.ts";
import type { BucketAddress, BucketEpoch, BucketSettings, StreamEntry } from "../../../src/ports/bucket-store.ts";

/** An acceptance that the bucket remembers; `seq` is null for what was loaded from Postgres. */
export interface Remembered {
  readonly seq: number | null;
  readonly quantity: number;
  readonly buyerId: string;
  readonly acceptedAtMs: number;
  readonly hasEnded: boolean;
}

export interface LeaseData {
  readonly left: number;
  readonly expiresAtMs: number;
  readonly nodeId: string;
}

/** One bucket in one epoch. */
export interface BucketData {
  readonly itemId: number;
  readonly bucket: number;
  readonly saleId: SaleId;
  readonly epoch: number;
  /** The server that it was prepared on. */
  readonly runId: string;
  settings: BucketSettings;
  isOpen: boolean;
  available: number;
  leased: number;
  reserved: number;
  grantedIn: number;
  seq: number;
  committedSeq: number;
  readonly buyers: Map<string, number>;
  readonly reservations: Map<string, Remembered>;
  readonly leases: Map<string, LeaseData>;
  readonly credits: Map<string, number>;
}

/** An entry that a worker took and has not acknowledged. */
export interface PendingEntry {
  readonly consumerId: string;
  readonly takenAtMs: number;
}

/** The stream of one bucket and epoch with its one group of readers. */
export interface StreamData {
  entries: StreamEntry[];
  /** The highest id ever added: it stays when entries are deleted. */
  lastSeq: number;
  deliveredSeq: number;
  readonly pending: Map<number, PendingEntry>;
}

export interface ServerData {
  readonly buckets: Map<string, BucketData>;
  readonly streams: Map<string, StreamData>;
}

export function emptyServer(): ServerData {
  return { buckets: new Map(), streams: new Map() };
}

export function bucketKey(address: BucketAddress): string {
  return `${address.itemId}.${address.bucket}`;
}

export function streamKey(address: BucketEpoch): string {
  return `${address.itemId}.${address.bucket}.${address.epoch}`;
}

/** The stream, made when it is not there. */
export function openStream(server: ServerData, address: BucketEpoch): StreamData {
  const key = streamKey(address);
  const known = server.streams.get(key);
  if (known !== undefined) return known;
  const fresh: StreamData = { entries: [], lastSeq: 0, deliveredSeq: 0, pending: new Map() };
  server.streams.set(key, fresh);
  return fresh;
}

/** A copy that shares nothing that can change. */
export function copyServer(server: ServerData): ServerData {
  const buckets = new Map<string, BucketData>();
  for (const [key, bucket] of server.buckets) {
    buckets.set(key, {
      ...bucket,
      buyers: new Map(bucket.buyers),
      reservations: new Map(bucket.reservations),
      leases: new Map(bucket.leases),
      credits: new Map(bucket.credits),
    });
  }
  const streams = new Map<string, StreamData>();
  for (const [key, stream] of server.streams) {
    streams.set(key, { ...stream, entries: stream.entries.slice(), pending: new Map(stream.pending) });
  }
  return { buckets, streams };
}
