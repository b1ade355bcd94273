/**
 * A server of the redis ledger in memory: the port's contract, deterministic, over plain data that can be copied.
 *
 * The one thing to know: every call is decided at once, before the promise it answers with is even returned, so whoever
 * holds the model decides what is lost on the way. Crashing is `restore` of an older `snapshot` under a new run id; a
 * second primary is a second model that restored the first one's snapshot. Faults of the network are not in here.
 */
import { Fault } from "../../../src/domain/faults.ts";
import type { SaleId } from "../../../src/domain/ids.ts";
import type {
  BucketAddress,
  BucketAnswer,
  BucketAudit,
  BucketCredit,
  BucketEpoch,
  BucketReserve,
  BucketSettings,
  BucketStore,
  ClaimedEntries,
  LeaseAnswer,
  LeaseCall,
  RememberedReservation,
  StoreHealth,
  StreamEntry,
} from "../../../src/ports/bucket-store.ts";
import {
  type BucketData,
  bucketKey,
  copyServer,
  emptyServer,
  openStream,
  type Remembered,
  type ServerData,
  streamKey,
} from "./bucket-data.ts";
import { type BucketRules, credit, lease, REAL_BUCKET_RULES, reserve } from "./bucket-scripts.ts";
import { acknowledge, claimStale, readFrom, readNew, trim } from "./bucket-stream.ts";

export interface BucketModelOptions {
  /** The server's clock, milliseconds since the epoch. */
  readonly nowMs: () => number;
  readonly runId?: string;
  /** Only for mutants. */
  readonly rules?: Partial<BucketRules>;
}

type LoadRequest = Parameters<BucketStore["load"]>[0];
type PrepareRequest = Parameters<BucketStore["prepare"]>[0];

/** See the head of this file. */
export class BucketModel implements BucketStore {
  readonly #nowMs: () => number;
  readonly #rules: BucketRules;
  /** Why the server may not keep the ledger; null when it may. A test may set it. */
  unsafe: string | null = null;
  failing: string | null = null;
  /** Of the process that answers now; buckets that were prepared under another one refuse. */
  runId: string;
  #server: ServerData = emptyServer();

  constructor(options: BucketModelOptions) {
    this.#nowMs = options.nowMs;
    this.runId = options.runId ?? "run-1";
    this.#rules = { ...REAL_BUCKET_RULES, ...options.rules };
  }

  /** What is remembered now, for checks; not to be changed. */
  get data(): ServerData {
    return this.#server;
  }

  /** A copy of everything, to be restored into this or another model. */
  snapshot(): ServerData {
    return copyServer(this.#server);
  }

  /** Remembers exactly what the snapshot did; the snapshot can be used again. */
  restore(snapshot: ServerData): void {
    this.#server = copyServer(snapshot);
  }

  async reserve(request: BucketReserve): Promise<BucketAnswer> {
    return this.reserveNow(request);
  }

  /** {@link reserve} without a promise. */
  reserveNow(request: BucketReserve): BucketAnswer {
    const bucket = this.#live(request);
    if (!bucket.isOpen) throw fenced("the gate is closed");
    const stream = openStream(this.#server, request);
    if (stream.lastSeq > bucket.seq) this.#rehearse(request);
    return reserve(bucket, stream, request, this.#nowMs(), this.#rules);
  }

  async credit(request: BucketCredit): Promise<number> {
    return credit(this.#live(request), request, this.#rules);
  }

  async lease(request: LeaseCall): Promise<LeaseAnswer> {
    const bucket = this.#live(request);
    if (request.op === "acquire" && !bucket.isOpen) throw fenced("the gate is closed");
    return lease(bucket, request, this.#nowMs(), this.#rules);
  }

  async audit(address: BucketAddress): Promise<BucketAudit | null> {
    return this.auditNow(address);
  }

  async auditEach(addresses: readonly BucketAddress[]): Promise<readonly (BucketAudit | null)[]> {
    return addresses.map((address) => this.auditNow(address));
  }

  /** {@link audit} without a promise. */
  auditNow(address: BucketAddress): BucketAudit | null {
    const bucket = this.#server.buckets.get(bucketKey(address));
    if (bucket === undefined) return null;
    const { epoch, isOpen, available, leased, reserved, grantedIn, seq, committedSeq } = bucket;
    let leaseSum = 0;
    for (const { left } of bucket.leases.values()) leaseSum += left;
    const isRegistered = !this.#rules.checksRunId || bucket.runId === this.runId;
    const nowMs = this.#nowMs();
    return { epoch, isOpen, isRegistered, available, leased, leaseSum, reserved, grantedIn, seq, committedSeq, nowMs };
  }

  async prepare(request: PrepareRequest): Promise<boolean> {
    const { itemId, bucket, epoch, saleId, settings } = request;
    const known = this.#server.buckets.get(bucketKey(request));
    if (known !== undefined && known.epoch > epoch) return false;
    if (known?.epoch === epoch && (known.isOpen || known.seq > 0)) return false;
    this.#server.streams.delete(streamKey(request));
    this.#server.buckets.set(
      bucketKey(request),
      emptyBucket({ itemId, bucket, epoch, saleId, runId: this.runId }, settings),
    );
    return true;
  }

  async load(request: LoadRequest): Promise<void> {
    const bucket = this.#live(request);
    if (bucket.isOpen) throw fenced("the gate is open");
    for (const { buyerId, quantity } of request.buyers) bucket.buyers.set(buyerId, quantity);
    for (const { rid, buyerId, quantity, hasEnded } of request.reservations) {
      bucket.reservations.set(rid, { seq: null, quantity, buyerId, acceptedAtMs: 0, hasEnded });
    }
  }

  async setGate(request: BucketEpoch & { readonly isOpen: boolean }): Promise<void> {
    const bucket = request.isOpen ? this.#live(request) : this.#ofEpoch(request);
    bucket.isOpen = request.isOpen;
  }

  async applySettings(request: BucketEpoch & { readonly settings: BucketSettings }): Promise<void> {
    const bucket = this.#live(request);
    if (request.settings.revision > bucket.settings.revision) bucket.settings = request.settings;
  }

  async markCommitted(request: BucketEpoch & { readonly seq: number }): Promise<void> {
    const bucket = this.#live(request);
    bucket.committedSeq = Math.max(bucket.committedSeq, request.seq);
  }

  async remove(request: BucketEpoch): Promise<void> {
    const known = this.#server.buckets.get(bucketKey(request));
    if (known !== undefined && known.epoch > request.epoch) return;
    this.#server.buckets.delete(bucketKey(request));
    for (const epoch of [request.epoch, known?.epoch ?? request.epoch]) {
      this.#server.streams.delete(streamKey({ ...request, epoch }));
    }
  }

  async readNew(
    request: BucketEpoch & { readonly consumerId: string; readonly entriesMax: number },
  ): Promise<readonly StreamEntry[]> {
    const stream = this.#server.streams.get(streamKey(request));
    return stream === undefined ? [] : readNew(stream, request, this.#nowMs());
  }

  async readNewOfEach(
    request: Parameters<BucketStore["readNewOfEach"]>[0],
  ): Promise<readonly (readonly StreamEntry[])[]> {
    return Promise.all(request.streams.map((stream) => this.readNew({ ...request, ...stream })));
  }

  async claimStale(
    request: BucketEpoch & { readonly consumerId: string; readonly idleMsMin: number; readonly entriesMax: number },
  ): Promise<ClaimedEntries> {
    const stream = this.#server.streams.get(streamKey(request));
    return stream === undefined ? { entries: [], lostLastSeqs: [] } : claimStale(stream, request, this.#nowMs());
  }

  async acknowledge(request: BucketEpoch & { readonly lastSeqs: readonly number[] }): Promise<void> {
    const stream = this.#server.streams.get(streamKey(request));
    if (stream !== undefined) acknowledge(stream, request.lastSeqs);
  }

  async readFrom(
    request: BucketEpoch & { readonly afterSeq: number; readonly entriesMax: number },
  ): Promise<readonly StreamEntry[]> {
    const stream = this.#server.streams.get(streamKey(request));
    return stream === undefined ? [] : readFrom(stream, request);
  }

  async trim(request: BucketEpoch & { readonly throughSeq: number }): Promise<void> {
    const stream = this.#server.streams.get(streamKey(request));
    if (stream !== undefined) trim(stream, request.throughSeq);
  }

  async findReservation(request: BucketAddress & { readonly rid: string }): Promise<RememberedReservation | null> {
    const known = this.#server.buckets.get(bucketKey(request))?.reservations.get(request.rid);
    return known === undefined ? null : remembered(request.rid, known);
  }

  async findBySeq(request: BucketEpoch & { readonly seq: number }): Promise<RememberedReservation | null> {
    const bucket = this.#server.buckets.get(bucketKey(request));
    if (bucket === undefined || bucket.epoch !== request.epoch) return null;
    for (const [rid, known] of bucket.reservations) if (known.seq === request.seq) return remembered(rid, known);
    return null;
  }

  async health(): Promise<StoreHealth> {
    return { runIds: [this.runId], unsafe: this.unsafe, failing: this.failing, clockMs: this.#nowMs() };
  }

  async warmUp(): Promise<void> {
    await Promise.resolve();
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }

  /** The bucket as scripts may touch it: there, of this server, of this epoch. */
  #live(address: BucketEpoch): BucketData {
    const bucket = this.#server.buckets.get(bucketKey(address));
    if (bucket === undefined) throw new Fault("LEDGER_BUCKET_MISSING", { internal: bucketKey(address) });
    if (this.#rules.checksRunId && bucket.runId !== this.runId) throw fenced("foreign server");
    return this.#ofEpoch(address);
  }

  #ofEpoch(address: BucketEpoch): BucketData {
    const bucket = this.#server.buckets.get(bucketKey(address));
    if (bucket === undefined) throw new Fault("LEDGER_BUCKET_MISSING", { internal: bucketKey(address) });
    if (this.#rules.checksEpoch && bucket.epoch !== address.epoch) throw fenced(`the bucket is in ${bucket.epoch}`);
    return bucket;
  }

  /** A number that went back is noticed by the stream, which refuses its id before anything else is written. */
  #rehearse(request: BucketReserve): void {
    const copy = copyServer(this.#server);
    const bucket = copy.buckets.get(bucketKey(request));
    if (bucket === undefined) return;
    const seqBefore = bucket.seq;
    const stream = openStream(copy, request);
    const { lastSeq } = stream;
    reserve(bucket, stream, request, this.#nowMs(), this.#rules);
    if (bucket.seq > seqBefore && bucket.seq <= lastSeq) {
      throw new Fault("LEDGER_UNAVAILABLE", { internal: "the stream is ahead of the bucket" });
    }
  }
}

function emptyBucket(
  identity: { itemId: number; bucket: number; epoch: number; saleId: SaleId; runId: string },
  settings: BucketSettings,
): BucketData {
  const counters = { available: 0, leased: 0, reserved: 0, grantedIn: 0, seq: 0, committedSeq: 0 };
  const maps = { buyers: new Map(), reservations: new Map(), leases: new Map(), credits: new Map() };
  return { ...identity, settings, isOpen: false, ...counters, ...maps };
}

function remembered(rid: string, known: Remembered): RememberedReservation {
  const { seq, quantity, buyerId, acceptedAtMs, hasEnded } = known;
  return { rid, buyerId, quantity, seq: seq ?? 0, acceptedAtMs, hasEnded };
}

function fenced(why: string): Fault {
  return new Fault("LEDGER_FENCED", { internal: why });
}
