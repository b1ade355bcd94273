/**
 * One command line in this process, with everything it says kept: for commands that start no node and ask no database.
 */
import { runCommandLine } from "../../src/cli/program.ts";

/** How a command ended, and what it wrote. */
export interface CommandEnd {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line in these surroundings; starting or migrating anything is an error. It is told to stop once what it says has `stopAt`. */
export async function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  stopAt?: string,
): Promise<CommandEnd> {
  const told = Promise.withResolvers<string>();
  const heard = { out: "", err: "" };
  const refuse = (): never => {
    throw new Error("not expected here");
  };
  const code = await runCommandLine(args, {
    env,
    isTerminal: false,
    composition: { startNode: refuse, migrateDatabase: refuse, adoptDeploymentSecret: refuse },
    out: (text) => {
      heard.out += text;
    },
    err: (text) => {
      heard.err += text;
      if (stopAt !== undefined && heard.err.includes(stopAt)) told.resolve("SIGINT");
    },
    readInput: async () => "",
    untilToldToStop: () => told.promise,
  });
  return { code, ...heard };
}
