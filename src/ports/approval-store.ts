/**
 * Port: changes that wait for a second person.
 *
 * Promises: a request is decided once, by one call, on whatever node; never by who made it, whatever the caller thinks
 * (the database itself refuses). Only the decider of an approved request makes it, and only once: when he dies before
 * `finish`, the outcome stays open and nobody tries again, because a change of stock may not happen twice.
 */
import type { OperatorRole } from "../domain/operator-role.ts";

export type ApprovalState = "waiting" | "approved" | "rejected" | "withdrawn";

/** What will be done. `path` with its query, as it was sent. */
export interface RequestedCall {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  /** Of method, path and body. */
  readonly digest: string;
}

export interface Approval extends RequestedCall {
  readonly id: string;
  readonly requestedBy: { readonly id: string; readonly name: string };
  readonly requestedAt: number;
  readonly expiresAt: number;
  /** What the decider's role must include. */
  readonly role: OperatorRole;
  readonly state: ApprovalState;
  readonly decidedBy: { readonly id: string; readonly name: string } | null;
  readonly decidedAt: number | null;
  /** The status it was answered with; null when it was not made, or nobody knows. */
  readonly outcome: number | null;
}

export interface ApprovalStore {
  request(
    call: RequestedCall & {
      id: string;
      requestedBy: string;
      role: OperatorRole;
      nowMs: number;
      expiresAt: number;
    },
  ): Promise<Approval>;
  /** Newest first; at most `rowsMax`. */
  list(request: { rowsMax: number }): Promise<readonly Approval[]>;
  find(id: string): Promise<Approval | null>;
  /** False when it was decided before, has expired, or the decider is not one who may. */
  decide(decision: {
    id: string;
    by: string;
    state: Exclude<ApprovalState, "waiting">;
    nowMs: number;
  }): Promise<boolean>;
  /** Notes what came of an approved request. */
  finish(id: string, outcome: number): Promise<void>;
}
