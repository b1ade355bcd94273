/**
 * `doorbuster audit ID`: prints the conservation proof of a sale; exit 1 when anything does not balance.
 */
import type { Command } from "commander";
import type { AuditReport } from "../ledger/auditor.ts";
import { colorsFor } from "./colors.ts";
import { CommandFailure } from "./failure.ts";
import { connectOperator, type Target } from "./operator-client.ts";
import { salePath } from "./sale.ts";
import type { Surroundings } from "./surroundings.ts";
import { renderTable } from "./table.ts";

interface AuditOptions extends Target {
  readonly json?: true;
}

/** Adds the command. */
export function addAudit(program: Command, surroundings: Surroundings): void {
  program
    .command("audit <id>")
    .description("prove that every unit of a sale is in exactly one place; exit 1 when it is not")
    .option("--url <url>", "the node's operator address (default: this machine, ADMIN_PORT)")
    .option("--token <token>", "the operator token (default: ADMIN_TOKEN, or solo mode's own)")
    .option("--json", "print the report as JSON")
    .action(async (id: string, options: AuditOptions) => {
      const operator = connectOperator(options, surroundings.env);
      const report = await operator.request<AuditReport>("GET", `${salePath(id)}/audit`);
      surroundings.out(options.json ? `${JSON.stringify(report, null, 2)}\n` : describeAudit(report, surroundings));
      if (!report.balanced) throw new CommandFailure("The audit found violations.");
    });
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
    : colors.red(`NOT balanced: ${report.violations.length} violation(s).`);
  return `${renderTable(header, rows)}\n${violations.join("")}${verdict}\n`;
}
