/**
 * Port: being the one process that conducts. At most one holds it at a time, and losing it is noticed.
 *
 * Promises only to keep double work rare: everything a leader does is idempotent and checked by epoch, so two leaders
 * are harmless. A leader that stopped answering is replaced within seconds, also when its process is merely frozen.
 */
export interface Leadership {
  /** True while this process leads. Cheap; ask before each step. */
  readonly isHeld: boolean;
  /** Tries to lead, and keeps trying until stopped. */
  start(): void;
  /** Gives it up at once, for the next one. */
  stop(): Promise<void>;
}
