/**
 * Port: counters and logs. Counting on the hot path is adding one to an integer; exporting is somebody else's work.
 */
import type { SaleId } from "../domain/ids.ts";
import type { RefusalReason } from "../domain/refusals.ts";

export interface Log {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** What ended an attempt: a refusal, a fresh acceptance, or an acceptance that was already known. */
export type Decision = RefusalReason | "accepted" | "replayed";

export interface FunnelTelemetry {
  /** One decided attempt. `saleId` null when no sale was found. `durationMs` from arrival to decision. */
  decided(saleId: SaleId | null, decision: Decision, durationMs: number): void;
}
