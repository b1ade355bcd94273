/**
 * Where the program starts: hands the command line, the process and the composition root to cli/.
 *
 * The first SIGINT, SIGTERM or SIGHUP lets the running command end in order; a second one ends the process at once. The end
 * of the launcher (bin/doorbuster.js), seen by its channel, counts as a SIGTERM: nobody else could stop us then.
 */
import { adoptDeploymentSecret } from "./app/known-secrets.ts";
import { migrateDatabase } from "./app/migrate.ts";
import { startNode } from "./app/node.ts";
import { runCommandLine } from "./cli/program.ts";

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const EXIT_FORCED = 130;

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}

function untilToldToStop(): Promise<string> {
  return new Promise((resolve) => {
    let isStopping = false;
    for (const signal of STOP_SIGNALS) {
      process.on(signal, () => {
        if (isStopping) process.exit(EXIT_FORCED);
        isStopping = true;
        resolve(signal);
      });
    }
  });
}

process.on("disconnect", () => process.kill(process.pid, "SIGTERM"));
process.channel?.unref();

const exitCode = await runCommandLine(process.argv.slice(2), {
  env: process.env,
  isTerminal: process.stdout.isTTY === true,
  composition: { startNode, migrateDatabase, adoptDeploymentSecret },
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  readInput,
  untilToldToStop,
});
// An empty write calls back after everything before it: nothing that was printed into a pipe is lost.
await new Promise((resolve) => process.stdout.write("", resolve));
await new Promise((resolve) => process.stderr.write("", resolve));
process.exit(exitCode);
