/**
 * `doorbuster demo`: registers the command; the demonstration itself is loaded only when it is asked for.
 */
import { type Command, InvalidArgumentError } from "commander";
import { CommandFailure } from "./failure.ts";

interface DemoOptions {
  readonly buyers?: number;
  readonly stock?: number;
  readonly seed: number;
  readonly redis?: true;
  readonly keep?: true;
}

/** A crowd that two cores carry within a minute and a half, and within two when it has a deployment to carry as well. */
const SOLO_SIZE = { buyers: 100_000, stock: 10_000 };
const REDIS_SIZE = { buyers: 30_000, stock: 10_000 };

/** Adds the command. */
export function addDemo(program: Command): void {
  program
    .command("demo")
    .description("sell out a real sale on this machine: a node, a crowd with bots among it, the audit and a verdict")
    .option(
      "--buyers <count>",
      `how large the crowd is (default: ${SOLO_SIZE.buyers}; with --redis ${REDIS_SIZE.buyers})`,
      wholeNumber({ min: 1, max: 1_000_000 }),
    )
    .option(
      "--stock <units>",
      `how many units there are (default: ${SOLO_SIZE.stock}; with --redis ${REDIS_SIZE.stock})`,
      wholeNumber({ min: 3, max: 1_000_000 }),
    )
    .option("--seed <number>", "makes the same crowd again", wholeNumber({ min: 0, max: 2 ** 31 - 1 }), 1)
    .option(
      "--redis",
      "on Redis, PostgreSQL, three nodes, two workers and nginx, started here; a node, a worker and Redis are killed meanwhile",
    )
    .option("--keep", "leave everything running afterwards, to look around")
    .action(async (options: DemoOptions) => {
      const size = options.redis ? REDIS_SIZE : SOLO_SIZE;
      const { buyers = size.buyers, stock = size.stock, seed } = options;
      const wanted = { buyers, stock, seed, keep: options.keep === true };
      const exitCode = options.redis
        ? await (await import("./demo-redis.ts")).runRedisDemo(wanted)
        : await (await import("./demo.ts")).runDemo(wanted);
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
