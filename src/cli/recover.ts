/**
 * `doorbuster recover ID --from-stream`: makes orders again that PostgreSQL has forgotten, from what Redis remembers.
 */
import type { Command } from "commander";
import { counted } from "../domain/counted.ts";
import type { RecoveryReport } from "../orders/stream-recovery.ts";
import { CommandFailure } from "./failure.ts";
import { connectOperator, type Target } from "./operator-client.ts";
import { salePath } from "./sale.ts";
import type { Surroundings } from "./surroundings.ts";

interface RecoverOptions extends Target {
  readonly fromStream?: true;
  readonly json?: true;
}

/** Adds the command. */
export function addRecover(program: Command, surroundings: Surroundings): void {
  program
    .command("recover <id>")
    .description("after PostgreSQL was restored from a backup: commit again what the sale's streams remember")
    .option("--from-stream", "from the streams in Redis, which keep a quarter of an hour")
    .option("--url <url>", "the node's operator address (default: this machine, ADMIN_PORT)")
    .option("--token <token>", "the operator token (default: ADMIN_TOKEN, or solo mode's own)")
    .option("--json", "print the report as JSON")
    .action(async (id: string, options: RecoverOptions) => {
      if (!options.fromStream) {
        throw new CommandFailure("Say from where: --from-stream is the only source there is. Nobody sells meanwhile.");
      }
      const operator = connectOperator(options, surroundings.env);
      const report = await operator.request<RecoveryReport>("POST", `${salePath(id)}/recover`, { from: "stream" });
      surroundings.out(options.json ? `${JSON.stringify(report, null, 2)}\n` : describe(report));
      if (report.voided > 0)
        throw new CommandFailure(`${counted(report.voided, "acceptance")} could not become orders again.`);
    });
}

function describe({ found, known, recovered, voided }: RecoveryReport): string {
  const parts = [`${known} were orders already`, `${recovered} are orders again`];
  if (voided > 0) parts.push(`${voided} are void: their units belong to others now`);
  return `${counted(found, "acceptance")} in the streams: ${parts.join(", ")}.\nThe sale goes on in postgres mode. Run doorbuster audit.\n`;
}
