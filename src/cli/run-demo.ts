/**
 * `doorbuster demo`: registers the command; the demonstration itself is loaded only when it is asked for.
 */
import { type Command, InvalidArgumentError } from "commander";
import { CommandFailure } from "./failure.ts";

interface DemoOptions {
  readonly buyers: number;
  readonly stock: number;
  readonly seed: number;
  readonly keep?: true;
}

/** Adds the command. */
export function addDemo(program: Command): void {
  program
    .command("demo")
    .description("sell out a real sale on this machine: a node, a crowd with bots among it, the audit and a verdict")
    .option("--buyers <count>", "how large the crowd is", wholeNumber({ min: 1, max: 1_000_000 }), 100_000)
    .option("--stock <units>", "how many units there are", wholeNumber({ min: 3, max: 1_000_000 }), 10_000)
    .option("--seed <number>", "makes the same crowd again", wholeNumber({ min: 0, max: 2 ** 31 - 1 }), 1)
    .option("--keep", "leave the node running afterwards, to look around")
    .action(async (options: DemoOptions) => {
      const { runDemo } = await import("./demo.ts");
      const exitCode = await runDemo({ ...options, keep: options.keep === true });
      if (exitCode !== 0) throw new CommandFailure("The demonstration did not hold what it promises.", exitCode);
    });
}

function wholeNumber(bounds: { min: number; max: number }): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < bounds.min || value > bounds.max) {
      throw new InvalidArgumentError(`Accepted: a whole number from ${bounds.min} to ${bounds.max}.`);
    }
    return value;
  };
}
