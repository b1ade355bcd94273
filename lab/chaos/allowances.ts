/**
 * What a history can be found guilty of, and what the faults of its run excuse in advance.
 */

/** A broken promise. `check` is the number of the point that found it. */
export interface HistoryViolation {
  readonly check: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;
  readonly text: string;
}

/** What the faults of a run may have done to buyers without breaking a promise. */
export interface Allowances {
  /** An acceptance that was only answered 202 may end as `lost` or `void`, on record. */
  readonly recordedLoss: boolean;
  /** Epochs that were fenced may lack sequence numbers. */
  readonly gapsInFencedEpochs: boolean;
  /** How long units that came back may be on their way before every node offers them. */
  readonly inDoubtMs: number;
  /**
   * Share of the stock that may lie in other buckets than the buyer's when "empty" is said: a refill that takes longer than
   * a moment is not waited for. 0 for an item in one bucket.
   */
  readonly scatteredShare: number;
  /** A node whose clock is wrong may take the sale for not open, or for closed. */
  readonly wrongWindow: boolean;
  /** Orders that came back from the streams have a later epoch than they had: their numbers say nothing about time. */
  readonly renumbered: boolean;
}
