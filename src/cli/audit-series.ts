/**
 * `doorbuster audit ID --every <ms> --for <ms>`: the quick audit again and again while a sale runs, a line for each.
 *
 * A line that could not be had (the node or Redis did not answer) is printed as such and proves nothing either way; the
 * series fails on a violation, or when not a single audit succeeded.
 */
import { setTimeout as wait } from "node:timers/promises";
import { counted } from "../domain/counted.ts";
import type { PlacesAudit } from "../ledger/auditor.ts";
import { colorsFor } from "./colors.ts";
import { CommandFailure } from "./failure.ts";
import type { OperatorClient } from "./operator-client.ts";
import { salePath } from "./sale.ts";
import type { Surroundings } from "./surroundings.ts";

const PLACES = ["free", "unapplied", "available", "leased", "uncommitted", "held", "sold"] as const;
const COLUMN_WIDTH = 12;

export interface AuditSeries {
  readonly id: string;
  readonly everyMs: number;
  readonly forMs: number;
  readonly isJson: boolean;
}

interface Tally {
  audits: number;
  unanswered: number;
  violations: number;
  slowestMs: number;
}

/** Prints a line for each audit and a summary at the end. Throws CommandFailure on any violation. */
export async function auditSeries(
  series: AuditSeries,
  operator: Pick<OperatorClient, "request">,
  surroundings: Surroundings,
): Promise<void> {
  const tally: Tally = { audits: 0, unanswered: 0, violations: 0, slowestMs: 0 };
  if (!series.isJson) surroundings.out(headerLine());
  const startedMs = performance.now();
  for (let round = 0; ; round += 1) {
    await auditOnce(series, operator, { surroundings, tally });
    const nextMs = startedMs + (round + 1) * series.everyMs;
    if (nextMs - startedMs >= series.forMs) break;
    await wait(Math.max(0, nextMs - performance.now()));
  }
  if (!series.isJson) surroundings.out(summary(tally, surroundings));
  if (tally.violations > 0) throw new CommandFailure(`${counted(tally.violations, "audit")} found violations.`);
  if (tally.audits === 0) throw new CommandFailure("Not a single audit was answered.");
}

async function auditOnce(
  series: AuditSeries,
  operator: Pick<OperatorClient, "request">,
  { surroundings, tally }: { surroundings: Surroundings; tally: Tally },
): Promise<void> {
  const askedMs = performance.now();
  try {
    const report = await operator.request<PlacesAudit>("GET", `${salePath(series.id)}/audit?scope=places`);
    tally.audits += 1;
    tally.slowestMs = Math.max(tally.slowestMs, performance.now() - askedMs);
    if (!report.balanced) tally.violations += 1;
    surroundings.out(series.isJson ? `${JSON.stringify(report)}\n` : describe(report, surroundings));
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    tally.unanswered += 1;
    if (series.isJson) surroundings.out(`${JSON.stringify({ unanswered: error.message })}\n`);
    else surroundings.out(`not answered: ${error.message}\n`);
  }
}

function headerLine(): string {
  return `${["time", "mode", "total", ...PLACES].map((title) => title.padStart(COLUMN_WIDTH)).join("")}\n`;
}

function describe(report: PlacesAudit, surroundings: Surroundings): string {
  const colors = colorsFor(surroundings);
  const time = new Date(report.takenAt).toISOString().slice(11, 23);
  const sums = PLACES.map((place) => report.items.reduce((sum, item) => sum + item[place], 0));
  const total = report.items.reduce((sum, item) => sum + item.total, 0);
  const line = [time, report.mode, total, ...sums].map((cell) => String(cell).padStart(COLUMN_WIDTH)).join("");
  const verdict = report.balanced ? colors.green("balanced") : colors.red("NOT balanced");
  const unproven = report.unproven === null ? "" : `  (buckets not proven: ${report.unproven})`;
  const violations = report.violations.map((found) => `  ${found.code} ${found.sku}: ${found.text}\n`).join("");
  return `${line}  ${verdict}${unproven}\n${violations}`;
}

function summary(tally: Tally, surroundings: Surroundings): string {
  const { audits, unanswered, violations, slowestMs } = tally;
  const text = `${counted(audits, "audit")}, ${violations} with violations, ${unanswered} not answered, slowest ${slowestMs.toFixed(0)} ms.`;
  const colors = colorsFor(surroundings);
  return `${violations === 0 ? colors.green(text) : colors.red(text)}\n`;
}
