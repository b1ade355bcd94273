/**
 * Port: rehearsals that were, and the certificates they were given.
 *
 * Promises: `begin` lets one rehearsal of a deployment run at a time, whichever node is asked; one whose node died counts as ended
 * once its time is over. What was finished never changes again. Does not check signatures: whoever reads a certificate does.
 * A call that fails throws the database's fault and may be repeated.
 */

export interface StoredRehearsal {
  readonly id: string;
  readonly startedAt: number;
  /** When it is over at the latest. */
  readonly endsAt: number;
  /** Null while it runs. */
  readonly finishedAt: number | null;
  /** The sale that it was for; null = none. */
  readonly saleId: string | null;
  /** The signed certificate as text; null while it runs and where there is none. */
  readonly signed: string | null;
  /** Why there is no certificate; null while it runs and where there is one. */
  readonly failure: string | null;
  /** Somebody asked for its end. */
  readonly isStopping: boolean;
}

export interface RehearsalStore {
  /** False when another one runs. */
  begin(rehearsal: {
    readonly id: string;
    readonly saleId: string | null;
    readonly durationMs: number;
  }): Promise<boolean>;
  finish(outcome: {
    readonly id: string;
    readonly signed: string | null;
    readonly failure: string | null;
  }): Promise<void>;
  /**
   * Notes down that somebody asked for its end: half a minute later it is over, also when its node died. Of one that is over, or
   * of none, nothing is noted.
   */
  askToStop(id: string): Promise<void>;
  find(id: string): Promise<StoredRehearsal | null>;
  /** The newest first. With a sale, only those that were for it. */
  list(request: { readonly saleId: string | null; readonly rowsMax: number }): Promise<readonly StoredRehearsal[]>;
}
