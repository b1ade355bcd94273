/**
 * `doorbuster audit ID`: prints the conservation proof of a sale; exit 1 when anything does not balance.
 *
 * With --every it looks again and again where the units are, while the sale runs (audit-series.ts).
 */
import { type Command, InvalidArgumentError } from "commander";
import { counted } from "../domain/counted.ts";
import type { AuditReport } from "../ledger/auditor.ts";
import { auditSeries } from "./audit-series.ts";
import { colorsFor } from "./colors.ts";
import { CommandFailure } from "./failure.ts";
import { connectOperator, type Target } from "./operator-client.ts";
import { salePath } from "./sale.ts";
import type { Surroundings } from "./surroundings.ts";
import { renderTable } from "./table.ts";

interface AuditOptions extends Target {
  readonly json?: true;
  readonly every?: number;
  readonly for?: number;
}

/** The quick audit is made for every second; more often it would compete with selling. */
const EVERY_MS_MIN = 100;
const FOR_MS_DEFAULT = 60_000;

/** Adds the command. */
export function addAudit(program: Command, surroundings: Surroundings): void {
  program
    .command("audit <id>")
    .description("prove that every unit of a sale is in exactly one place; exit 1 when it is not")
    .option("--url <url>", "the node's operator address (default: this machine, ADMIN_PORT)")
    .option("--token <token>", "the operator token (default: ADMIN_TOKEN, or solo mode's own)")
    .option("--json", "print the report as JSON")
    .option("--every <ms>", "look again and again where the units are, a line each time", milliseconds)
    .option("--for <ms>", `how long, with --every (default: ${FOR_MS_DEFAULT})`, milliseconds)
    .action(async (id: string, options: AuditOptions) => {
      const operator = connectOperator(options, surroundings.env);
      if (options.every !== undefined) {
        const forMs = options.for ?? FOR_MS_DEFAULT;
        const series = { id, everyMs: Math.max(EVERY_MS_MIN, options.every), forMs, isJson: options.json === true };
        await auditSeries(series, operator, surroundings);
        return;
      }
      const report = await operator.request<AuditReport>("GET", `${salePath(id)}/audit`);
      surroundings.out(options.json ? `${JSON.stringify(report, null, 2)}\n` : describeAudit(report, surroundings));
      if (!report.balanced) throw new CommandFailure("The audit found violations.");
    });
}

function milliseconds(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("Accepted: a whole number of milliseconds above 0, such as 1000.");
}

/** The report as a table, the violations, and a verdict in one sentence. */
function describeAudit(report: AuditReport, surroundings: Surroundings): string {
  const header = ["sku", "total", "free", "granted", "held", "sold", "in flight"];
  const rows = report.items.map((item) => [
    item.sku,
    item.total,
    item.free,
    item.granted,
    item.held,
    item.sold,
    item.inFlight,
  ]);
  const violations = report.violations.map((violation) => `  ${violation.code} ${violation.sku}: ${violation.text}\n`);
  const units = report.items.reduce((sum, item) => sum + item.total, 0);
  const colors = colorsFor(surroundings);
  const verdict = report.balanced
    ? colors.green(`Balanced: each of ${units} units is in exactly one place.`)
    : colors.red(`NOT balanced: ${counted(report.violations.length, "violation")}.`);
  const unproven = report.unproven ? `The buckets could not be looked at: ${report.unproven}\n` : "";
  return `${renderTable(header, rows)}\n${describePlaces(report)}${violations.join("")}${unproven}${verdict}\n`;
}

/** Where the units in flight are; nothing while PostgreSQL alone decides. */
function describePlaces(report: AuditReport): string {
  const header = ["sku", "bucket", "unapplied", "available", "leased", "uncommitted", "accepted", "proven"];
  const rows = report.items.flatMap(({ sku, places }) =>
    (places?.buckets ?? []).map((bucket) => [
      sku,
      bucket.bucket,
      bucket.unapplied,
      bucket.available,
      bucket.leased,
      bucket.uncommitted,
      bucket.seq,
      bucket.provenSeq,
    ]),
  );
  return rows.length === 0 ? "" : `${renderTable(header, rows)}\n`;
}
