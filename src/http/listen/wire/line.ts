/**
 * One TCP connection as the runtimes' listeners offer it, and as the rest of this folder uses it.
 *
 * The two runtimes differ in who keeps what a slow reader has not taken yet; behind this it is the line in both.
 */

/** The other end of a connection. */
export interface Line {
  /** Sends all of it, sooner or later. False: the other end takes less than it is sent; `drained` follows. */
  write(bytes: Uint8Array): boolean;
  /** Delivers nothing more until `resume`. */
  pause(): void;
  resume(): void;
  /** Says that nothing more will be sent, after what is still to be sent. */
  end(): void;
  /** Ends the connection in both directions; what was taken still leaves. */
  close(): void;
  /** Ends the connection at once, whatever is on its way. */
  destroy(): void;
}

/** What the runtime tells of a connection. */
export interface LineEvents {
  data(bytes: Buffer): void;
  drained(): void;
  /** The other end will send nothing more. */
  ended(): void;
  closed(): void;
}
