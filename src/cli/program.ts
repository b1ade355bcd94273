/**
 * The command line: all commands in one list, and how each of them ends.
 *
 * Exit 0 only on success, 1 when a command failed, 2 when it was called wrongly. Nothing here ends the process, so
 * that main.ts and the tests run the same code.
 */
import { Command, CommanderError } from "commander";
import { readVersion } from "../config/version.ts";
import { addAudit } from "./audit.ts";
import { addConfig } from "./config-print.ts";
import { CommandFailure, EXIT_FAILED, EXIT_USAGE, explainFailure } from "./failure.ts";
import { addKeys } from "./keys.ts";
import { addMigrate } from "./migrate.ts";
import { addOperator } from "./operator.ts";
import { addRecover } from "./recover.ts";
import { addRehearse } from "./rehearse.ts";
import { addDemo } from "./run-demo.ts";
import { addSale } from "./sale.ts";
import { addServe } from "./serve.ts";
import type { Surroundings } from "./surroundings.ts";
import { addSwarm } from "./swarm.ts";

/** Runs one command line (without the program's own name) and answers the exit code. */
export async function runCommandLine(args: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    await createProgram(surroundings).parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    surroundings.err(`doorbuster: ${explainFailure(error)}\n`);
    return error instanceof CommandFailure ? error.exitCode : EXIT_FAILED;
  }
}

function createProgram(surroundings: Surroundings): Command {
  const program = new Command("doorbuster")
    .description("Self-hosted flash-sale and ticket on-sale engine: sells exactly the stock.")
    .version(readVersion(), "-V, --version", "says which version this is")
    .exitOverride()
    .showHelpAfterError("(--help shows what is accepted)")
    .configureOutput({ writeOut: (text) => surroundings.out(text), writeErr: (text) => surroundings.err(text) });
  addServe(program, surroundings);
  addDemo(program);
  addSale(program, surroundings);
  addAudit(program, surroundings);
  addRecover(program, surroundings);
  addOperator(program, surroundings);
  addSwarm(program, surroundings);
  addRehearse(program, surroundings);
  addMigrate(program, surroundings);
  addConfig(program, surroundings);
  addKeys(program, surroundings);
  return program;
}
