/**
 * What the operator API needs of rehearsals; the composition root knows how they are run, signed and kept.
 */
import type { SignedCertificate } from "../../domain/certificate.ts";
import type { SaleId } from "../../domain/ids.ts";
import type { RehearsalProgress } from "../../ports/rehearsal-runner.ts";

/** What an operator asks for, checked. */
export interface RehearsalRequest {
  readonly saleId: SaleId | null;
  readonly expectedBuyers: number | null;
  readonly busiestSecondShare: number;
  readonly durationMs: number;
  readonly latencyMsMax: number;
  readonly isForced: boolean;
  /** Where buyers connect; empty = this node's own port, or else PUBLIC_URL. */
  readonly urls: readonly string[];
}

/** A rehearsal as operators read it. */
export interface RehearsalDocument {
  readonly id: string;
  readonly state: "running" | "certified" | "failed";
  readonly startedAt: number;
  readonly finishedAt: number | null;
  readonly saleId: string | null;
  /** Null when it does not run, or on another node. */
  readonly progress: RehearsalProgress | null;
  /** Why there is no certificate. */
  readonly failure: string | null;
  readonly signed: SignedCertificate | null;
}

export type RehearsalStart =
  | { readonly kind: "started"; readonly id: string }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "no such sale" };

export interface Rehearsals {
  /** Stands for the settings of this node, as in certificates. */
  readonly settings: string;
  /** Answers once it is settled that it runs. */
  start(request: RehearsalRequest): Promise<RehearsalStart>;
  /** Ends one before its time, on whichever node it runs; one that is over stays as it is. Null when there is none of that id. */
  cancel(id: string): Promise<RehearsalDocument | null>;
  /** Null when there is none of that id. */
  find(id: string): Promise<RehearsalDocument | null>;
  /** The newest first. With a sale, only those that were for it. */
  list(request: { saleId: string | null; rowsMax: number }): Promise<readonly RehearsalDocument[]>;
}
