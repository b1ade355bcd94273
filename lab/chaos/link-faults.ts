/**
 * The words for what a link can do to the bytes that pass it, and for what it did.
 *
 * Who does it is fault-pipe.ts, one direction at a time; who switches it is fault-proxy.ts.
 */

/** What happens to the bytes of a link. All members off = an honest wire. */
export interface LinkFaults {
  /** Each chunk arrives this much later, plus up to `jitterMs`. Order is kept. */
  readonly latencyMs: number;
  readonly jitterMs: number;
  /** Bytes a write; null = as they come. 1 is the hardest test of a parser. */
  readonly sliceBytes: number | null;
  readonly bytesPerS: number | null;
  /**
   * "stall": nothing passes until it is healed, then everything does, as after a partition. "lose": what is sent is gone
   * and the connection stays half-open for ever, also after healing.
   */
  readonly silence: "none" | "stall" | "lose";
  /** Share of chunks, in either direction, that are cut at a random byte, with both ends reset. */
  readonly cutShare: number;
  /** Share of answers that are swallowed after the server sent them, with both ends reset. */
  readonly dropReplyShare: number;
  /** Newcomers are reset before their first byte. */
  readonly refuses: boolean;
}

export const HONEST: LinkFaults = {
  latencyMs: 0,
  jitterMs: 0,
  sliceBytes: null,
  bytesPerS: null,
  silence: "none",
  cutShare: 0,
  dropReplyShare: 0,
  refuses: false,
};

export type Direction = "toServer" | "toClient";

/** What a tap wants to become of the bytes it saw. */
export type TapVerdict = "forward" | "swallow";

/** Sees a chunk just before it would be forwarded. */
export type Tap = (bytes: Uint8Array, direction: Direction) => TapVerdict;

/** Faults that happened. */
export interface FaultCounts {
  connections: number;
  delayedChunks: number;
  slices: number;
  swallowedBytes: number;
  droppedReplies: number;
  cutFrames: number;
  refusals: number;
}
