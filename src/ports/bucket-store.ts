/**
 * Port: the buckets of the redis ledger. A bucket decides quickly about units that Postgres granted to it.
 *
 * Promises. Each call is one atomic step of one bucket. `reserve`, `credit`, `lease` and `settings` of a bucket refuse
 * with LEDGER_FENCED when the epoch is not the bucket's, when its gate is closed (reserve and acquire only) or when the
 * server is not the one that was registered (its run id differs: it restarted, or is another machine), and with
 * LEDGER_BUCKET_MISSING when there is no such bucket. Everything else that is not an answer is LEDGER_UNAVAILABLE: the
 * outcome is unknown, resend the same ids, never compensate. All moves carry ids and are idempotent. Inside a bucket
 * `available + leased + reserved = grantedIn` (R1), leases sum up to `leased` (R2), and sequence numbers are dense (R3).
 *
 * Does not promise to remember: Redis may lose what it said. That is noticed by the run id, by X1 and X2 of
 * docs/spec/redis-ledger.md and by the dense numbers, and settled by the fence. The adapter owns connections and
 * deadlines; no key, client or script crosses this port.
 */
import type { SaleId } from "../domain/ids.ts";
import type { Attempt } from "./ledger.ts";

/** One bucket of an item. Buckets are numbered from 0. */
export interface BucketAddress {
  readonly itemId: number;
  readonly bucket: number;
}

/** A bucket in an epoch: whoever acts on another epoch is fenced. */
export interface BucketEpoch extends BucketAddress {
  readonly epoch: number;
}

/** What a bucket answers for an attempt; positive numbers are sequence numbers of acceptances. */
export const BUCKET_VERDICTS = {
  empty: 0,
  limit_reached: -1,
  not_open: -2,
  closed: -3,
  paused: -4,
  bad_quantity: -5,
  key_reused: -6,
  /** A repeat of what was loaded from Postgres after the bucket was prepared: it has no number in this epoch. */
  known: -7,
  ended: -8,
} as const;

export interface BucketReserve extends BucketEpoch {
  /** The lease whose units are used first; null = none. An unknown or swept lease is no error. */
  readonly leaseId: string | null;
  readonly attempts: readonly Attempt[];
}

export interface BucketAnswer {
  /** In the order of the attempts: a sequence number, or one of {@link BUCKET_VERDICTS}. */
  readonly verdicts: readonly number[];
  /** Verdicts above this are fresh; a positive one at or below it is a repeat, as `known` is. */
  readonly seqBefore: number;
  /** Units of the bucket that nobody has, leased ones included. */
  readonly left: number;
  /** What is left of the lease that was named. Null: it does not exist (any more), or none was named. */
  readonly leaseLeft: number | null;
  /** The server's clock, milliseconds since the epoch: when the acceptances happened. */
  readonly nowMs: number;
  /** How long the item's units are held, from `nowMs`. */
  readonly holdMs: number;
}

/** What a bucket must know of its sale. `revision` is the sale's: an older one never replaces a newer one. */
export interface BucketSettings {
  readonly revision: number;
  readonly opensAt: number;
  readonly closesAt: number;
  readonly isPaused: boolean;
  readonly perBuyerMax: number;
  readonly holdMs: number;
}

/** The end (or, after late money, the return) of a reservation that the bucket must remember. */
export interface BucketNote {
  readonly kind: "ended" | "reacquired";
  readonly rid: string;
  readonly buyerId: string;
  readonly quantity: number;
}

export interface BucketCredit extends BucketEpoch {
  /** A replay with the same id changes nothing and answers as the first time. */
  readonly creditId: string;
  /** Units that arrive; negative: units that shall leave, at most those that are available or leased. */
  readonly units: number;
  readonly notes: readonly BucketNote[];
}

export type LeaseCall = BucketEpoch &
  (
    | {
        readonly op: "acquire";
        readonly leaseId: string;
        readonly nodeId: string;
        readonly units: number;
        readonly ttlMs: number;
      }
    | { readonly op: "renew"; readonly leaseId: string; readonly ttlMs: number }
    | { readonly op: "return"; readonly leaseId: string }
    | { readonly op: "sweep" }
  );

export interface LeaseAnswer {
  /** Units of the lease; null when there is no such lease (any more) or nothing could be leased. */
  readonly units: number | null;
  readonly available: number;
  readonly leased: number;
}

/** One atomic look at a bucket. */
export interface BucketAudit {
  readonly epoch: number;
  readonly isOpen: boolean;
  /** False: the server is not the one that was registered. */
  readonly isRegistered: boolean;
  readonly available: number;
  readonly leased: number;
  /** Σ over the leases themselves. */
  readonly leaseSum: number;
  /** Units of all acceptances of the epoch. */
  readonly reserved: number;
  /** Units that ever arrived minus units that left. */
  readonly grantedIn: number;
  readonly seq: number;
  /** Everything up to this sequence number was seen committed, as {@link BucketStore.markCommitted} was told. */
  readonly committedSeq: number;
  /** The server's clock, milliseconds since the epoch. */
  readonly nowMs: number;
}

/** One acceptance as it travels to Postgres. */
export interface AcceptedRow {
  readonly seq: number;
  readonly rid: string;
  readonly buyerId: string;
  readonly quantity: number;
}

/** What one `reserve` accepted; `lastSeq` is its place in the stream. */
export interface StreamEntry {
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Instant of the acceptance by the bucket's clock. */
  readonly acceptedAtMs: number;
  readonly holdMs: number;
  readonly rows: readonly AcceptedRow[];
  /** Rows that could not be read: text and, where it could be told, the sequence number. */
  readonly unreadable: readonly { readonly seq: number | null; readonly text: string }[];
}

export interface ClaimedEntries {
  readonly entries: readonly StreamEntry[];
  /** Sequence numbers (`lastSeq`) of entries that were pending and do not exist any more: an alarm. */
  readonly lostLastSeqs: readonly number[];
}

/** An acceptance that a bucket remembers. */
export interface RememberedReservation {
  readonly rid: string;
  readonly buyerId: string;
  readonly quantity: number;
  readonly seq: number;
  readonly acceptedAtMs: number;
  readonly hasEnded: boolean;
}

/** The servers behind the buckets, as one look saw them. */
export interface StoreHealth {
  /** Run ids of the servers that answered; a single server has one. */
  readonly runIds: readonly string[];
  /** Why the servers may not keep the ledger (no AOF, no fsync, evicts), in words; null when they may. */
  readonly unsafe: string | null;
  /** Why they take no acceptances at present although they are set up well (memory full, disk refuses); null when they do. */
  readonly failing: string | null;
  readonly clockMs: number;
}

export interface BucketStore {
  reserve(request: BucketReserve): Promise<BucketAnswer>;
  /** Answers the units that really moved: fewer than asked for when the bucket had fewer to give. */
  credit(request: BucketCredit): Promise<number>;
  lease(request: LeaseCall): Promise<LeaseAnswer>;
  /** Null when there is no such bucket. Never fenced: it is how fences are found out. */
  audit(address: BucketAddress): Promise<BucketAudit | null>;
  /** The same of many buckets, in the order in which they are asked for, with one question where the servers allow it. */
  auditEach(addresses: readonly BucketAddress[]): Promise<readonly (BucketAudit | null)[]>;

  /**
   * Wipes the bucket and starts it in the epoch, empty, its gate closed, registered to the server that answers. Refused
   * (false) when the bucket is already in a later epoch, or open in this one.
   */
  prepare(request: BucketEpoch & { readonly saleId: SaleId; readonly settings: BucketSettings }): Promise<boolean>;
  /** Fills a bucket that was prepared with what Postgres knows. Idempotent per rid and buyer; gate must be closed. */
  load(
    request: BucketEpoch & {
      readonly buyers: readonly { readonly buyerId: string; readonly quantity: number }[];
      readonly reservations: readonly {
        readonly rid: string;
        readonly buyerId: string;
        readonly quantity: number;
        readonly hasEnded: boolean;
      }[];
    },
  ): Promise<void>;
  setGate(request: BucketEpoch & { readonly isOpen: boolean }): Promise<void>;
  applySettings(request: BucketEpoch & { readonly settings: BucketSettings }): Promise<void>;
  markCommitted(request: BucketEpoch & { readonly seq: number }): Promise<void>;
  /** Deletes everything of the bucket, if its epoch is not later than the one named. */
  remove(request: BucketEpoch): Promise<void>;

  /** Entries nobody has read yet, for this worker; they stay pending until acknowledged. Not fenced. */
  readNew(
    request: BucketEpoch & { readonly consumerId: string; readonly entriesMax: number },
  ): Promise<readonly StreamEntry[]>;
  /**
   * The same of many streams with one question where the servers allow it; answers in the order of the streams. Null: this one
   * could not be read, which keeps nobody from what was read of the others.
   */
  readNewOfEach(request: {
    readonly streams: readonly BucketEpoch[];
    readonly consumerId: string;
    /** Of each stream. */
    readonly entriesMax: number;
  }): Promise<readonly (readonly StreamEntry[] | null)[]>;
  /** Entries that another worker took and left alone for that long. */
  claimStale(
    request: BucketEpoch & { readonly consumerId: string; readonly idleMsMin: number; readonly entriesMax: number },
  ): Promise<ClaimedEntries>;
  acknowledge(request: BucketEpoch & { readonly lastSeqs: readonly number[] }): Promise<void>;
  /** Entries whose `lastSeq` is above the number, in order, pending or not. */
  readFrom(
    request: BucketEpoch & { readonly afterSeq: number; readonly entriesMax: number },
  ): Promise<readonly StreamEntry[]>;
  /** Deletes entries up to and including the sequence number: only what is committed, see the conductor. */
  trim(request: BucketEpoch & { readonly throughSeq: number }): Promise<void>;

  findReservation(request: BucketAddress & { readonly rid: string }): Promise<RememberedReservation | null>;
  /** Looks through everything the bucket remembers: slow, for repairs. */
  findBySeq(request: BucketEpoch & { readonly seq: number }): Promise<RememberedReservation | null>;

  health(): Promise<StoreHealth>;
  /** Loads scripts and opens connections, so that the first buyer finds them ready. */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}
