/**
 * Port: what nodes share beside the ledger: used-up limits, used nonces, figures that everybody shows.
 *
 * Promises little on purpose. Everything may be evicted, lost or late, so nothing here decides about stock and nothing
 * may depend on it: who gets no answer goes on with what his process knows, which is never an open door. Each call ends
 * within a fraction of a second, or throws EDGE_UNAVAILABLE; while the edge is away it throws at once. Keys are hashed by
 * the caller with a key of the deployment (keyed-hash.ts), so that no name of a buyer or an address is stored.
 *
 * Memory is bounded by what was active lately: every entry expires by itself. The adapter owns its connection and
 * reconnects by itself.
 */

/** What one key used of a limit since the node last told. */
export interface LimitUse {
  /** The hashed buyer or network. */
  readonly key: string;
  readonly requests: number;
  /** How long ago the first of them was. */
  readonly ageMs: number;
}

export interface LimitUses {
  /** Which set of limits: keys of different scopes never meet. */
  readonly scope: string;
  /** What one request costs of each limit, as time; see gcra-table.ts. */
  readonly costsMs: readonly number[];
  /** No key is ever charged further ahead than this. */
  readonly aheadMsMax: number;
  /** At most {@link LIMIT_USES_MAX}. */
  readonly uses: readonly LimitUse[];
}

export const LIMIT_USES_MAX = 512;

export interface NonceClaim {
  readonly sessionKey: string;
  readonly nonceKey: string;
  /** How long the nonce is remembered at least, unless the session uses more than {@link NONCES_PER_SESSION_MAX}. */
  readonly ttlMs: number;
}

/** Nonces remembered per session; the newest push out the oldest. */
export const NONCES_PER_SESSION_MAX = 64;

/** A text that one node made for all. */
export interface SharedText {
  /** Null: nobody made it yet, or it expired. */
  readonly text: string | null;
  /** Since its facts were read; 0 when there is no text. */
  readonly ageMs: number;
  /** True for one asker at a time: he makes the text anew and writes it; the others need not. */
  readonly isOursToMake: boolean;
}

export interface EdgeState {
  /** Adds the uses and answers, key by key and limit by limit, how far ahead of now each now is: 0 = unused. */
  shareLimits(request: LimitUses): Promise<readonly number[]>;
  /** True the first time a nonce is claimed, false after that. */
  claimNonce(claim: NonceClaim): Promise<boolean>;
  /** A text younger than `freshMs` is nobody's to make. Who is asked to make it has `makeMsMax` before another is. */
  readShared(request: {
    readonly key: string;
    readonly freshMs: number;
    readonly makeMsMax: number;
  }): Promise<SharedText>;
  writeShared(entry: {
    readonly key: string;
    readonly text: string;
    readonly ageMs: number;
    readonly ttlMs: number;
  }): Promise<void>;

  /** Whether the last that was heard of the edge was good. Cheap. */
  isReachable(): boolean;
  /** Connects in the background; returns at once and never throws. */
  start(): void;
  stop(): Promise<void>;
}
