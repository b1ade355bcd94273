/**
 * Port: how much of its memory this process uses. Asked twice a second at most; an answer must not take long.
 */

export interface MemoryGauge {
  /** From 0 to 1, of what the runtime, the container or the machine allows, whichever is nearest to its end. */
  usedFraction(): number;
}
