/**
 * The main job end to end, for somebody who has just installed us: a node, a crowd, the audit, a verdict.
 *
 * Everything goes through the real HTTP API, in separate processes, on free loopback ports and in a temporary data
 * directory; the crowd itself and the judge live in lab/swarm. This file only says in which order things happen and what
 * the exit code is: 0 only if every rule of the judge holds.
 */
import pc from "picocolors";
import { Progress } from "../../lab/swarm/progress.ts";
import { formatReport } from "../../lab/swarm/report.ts";
import { RUN_TIMINGS, runCrowd } from "../../lab/swarm/run.ts";
import { type ShopProcess, startShop } from "../../lab/swarm/shop-process.ts";
import { createSystemClock } from "../../lab/swarm/system-clock.ts";
import { CommandFailure } from "./failure.ts";

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface DemoOptions {
  /** How large the crowd is. */
  readonly buyers: number;
  readonly stock: number;
  /** Makes the same crowd again. */
  readonly seed: number;
  /** Leaves the node running afterwards, until a signal comes. */
  readonly keep: boolean;
}

/** Runs the demonstration and answers the exit code. Rejects when it could not be carried out. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const clock = createSystemClock();
  const progress = new Progress(clock, process.stdout);
  const startedAtMs = clock.monotonicMs();
  progress.say(
    `A sale of ${options.stock.toLocaleString("en-US")} units for a crowd of ${options.buyers.toLocaleString("en-US")} (seed ${options.seed}). Starting a node …`,
  );
  const interruption = watchForInterruption();
  const shop = await startShop(clock);
  try {
    const run = runCrowd({
      buyerCount: options.buyers,
      stock: options.stock,
      seed: options.seed,
      hostname: shop.hostname,
      port: shop.port,
      adminAddress: shop.adminAddress,
      adminToken: shop.adminToken,
      shopPids: () => [shop.pid],
      timings: RUN_TIMINGS,
      clock,
      progress,
      startedAtMs,
    });
    const result = await Promise.race([run, interruption.first]);
    if (result === null) throw new CommandFailure("The demonstration was interrupted.");
    progress.say(`\n${formatReport(result)}`);
    if (options.keep) {
      progress.say(describeKept(shop, result.saleId));
      await interruption.first;
    }
    return result.findings.length === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof CommandFailure)) process.stderr.write(`The node said:\n${shop.output}\n`);
    throw error;
  } finally {
    progress.stop();
    interruption.stop();
    await shop.stop();
  }
}

/** The first signal ends the run in order, so that no node and no data directory is left behind. */
export function watchForInterruption(): { first: Promise<null>; stop: () => void } {
  let interrupt = (): void => undefined;
  const first = new Promise<null>((resolve) => {
    interrupt = () => resolve(null);
  });
  for (const signal of STOP_SIGNALS) process.once(signal, interrupt);
  const stop = (): void => {
    for (const signal of STOP_SIGNALS) process.off(signal, interrupt);
  };
  return { first, stop };
}

function describeKept(shop: ShopProcess, saleId: string): string {
  return [
    "The node is still running:",
    `  Buyers     ${pc.cyan(`${shop.buyerAddress}/sales/${saleId}`)}`,
    `  Operators  ${pc.cyan(shop.adminAddress)}`,
    `  Token      ${pc.bold(shop.adminToken)}`,
    "Ctrl-C stops it and removes its data.",
  ].join("\n");
}
