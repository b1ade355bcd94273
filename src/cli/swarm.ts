/**
 * `doorbuster swarm`: load from a scenario on a running deployment, then the audit and a report.
 *
 * Everything is read and checked before the first request: flags, scenario, target, files that will be written. The load
 * itself, and what its words mean, is lab/swarm/generator; it is loaded only when it is asked for. Exit 1 when something
 * was found, 2 when it was called wrongly.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { WatchedProcess } from "../../lab/swarm/generator/processor-watch.ts";
import type { SwarmOptions } from "../../lab/swarm/generator/swarm.ts";
import { readSettings } from "../config/load.ts";
import { CommandFailure, EXIT_USAGE } from "./failure.ts";
import { connectOperator, hostInUrl } from "./operator-client.ts";
import type { Surroundings } from "./surroundings.ts";
import { checkWritable } from "./writable-file.ts";

const PID_MAX = 4_194_304;

interface Flags {
  readonly url?: readonly string[];
  readonly adminUrl?: string;
  readonly token?: string;
  readonly sale?: string;
  readonly sku?: string;
  readonly requests?: number;
  readonly seed?: number;
  readonly connections?: number;
  readonly storm?: true;
  readonly processes: number;
  readonly serverPids?: readonly WatchedProcess[];
  readonly jsonLines?: string;
  readonly report?: string;
  readonly iOwnThisTarget?: string;
}

const HELP = `
Scenarios: smoke, on-sale, million, or the path of a YAML file (docs/operating/swarm.md).
Sessions are minted with the deployment's own secret: set SECRET, or DATA_DIR of a node in solo mode.
Buyers' addresses are told in X-Forwarded-For: the node must trust this machine (TRUSTED_PROXIES=127.0.0.1/32), or its
limit for one address (RATE_IP_PER_S) is what you measure.

  doorbuster swarm smoke
  doorbuster swarm on-sale --report report.html --server-pids api=4711,postgres=4712+
  doorbuster swarm million --processes 2 --url http://127.0.0.1:8080 --url http://127.0.0.1:8090`;

/** Adds the command. */
export function addSwarm(program: Command, surroundings: Surroundings): void {
  program
    .command("swarm")
    .description(
      "load a running deployment with a crowd from a scenario, then audit it; this machine only, unless you own another",
    )
    .argument("[scenario]", "a name or a path", "smoke")
    .option("--url <address...>", "where buyers connect (default: this machine, PORT); several take turns")
    .option("--admin-url <address>", "where operators connect (default: this machine, ADMIN_PORT)")
    .option("--token <token>", "the operator token (default: ADMIN_TOKEN, or solo mode's own)")
    .option("--sale <id>", "a sale that is open; what the swarm takes of it is gone (default: it makes its own)")
    .option("--sku <sku>", "the item of --sale (default: its first)")
    .option("--requests <count>", "how many arrivals in all, the mixture as it is", whole({ min: 1, max: 5_000_000 }))
    .option("--seed <number>", "makes other arrivals than the scenario's", whole({ min: 0, max: 2 ** 31 - 1 }))
    .option("--connections <count>", "at once", whole({ min: 1, max: 20_000 }))
    .option("--storm", "a new connection for each request")
    .option("--processes <count>", "that make the load", whole({ min: 1, max: 64 }), 1)
    .option(
      "--server-pids <list>",
      "whose processor time counts: name=pid,…; a + after the pid adds its children",
      pids,
    )
    .option("--json-lines <file>", "writes what happens, a JSON object a line")
    .option("--report <file>", "writes a page with charts, complete in itself")
    .option("--i-own-this-target <host>", "the exact name of a host that is not this machine and is yours to load")
    .addHelpText("after", HELP)
    .action((scenario: string, flags: Flags) => swarm(scenario, flags, surroundings));
}

async function swarm(name: string, flags: Flags, surroundings: Surroundings): Promise<void> {
  const { runSwarm } = await import("../../lab/swarm/generator/swarm.ts");
  const { LiveView } = await import("../../lab/swarm/generator/live-view.ts");
  const { Recording } = await import("../../lab/swarm/generator/recording.ts");
  const { renderHtml } = await import("../../lab/swarm/generator/html-report.ts");
  const { renderText } = await import("../../lab/swarm/generator/text-report.ts");
  const { SaleError } = await import("../../lab/swarm/generator/swarm-sale.ts");
  const options = await readOptions(name, flags, surroundings);
  for (const { pid } of options.watched ?? []) checkRunning(pid);
  for (const file of [flags.report, flags.jsonLines]) if (file !== undefined) checkWritable(file);
  const recording = flags.jsonLines === undefined ? null : new Recording(flags.jsonLines);
  // A block that is drawn over itself goes where the terminal is; lines must not get into what a program reads.
  const write = surroundings.isTerminal ? surroundings.out : surroundings.err;
  const output = { isTTY: surroundings.isTerminal, write: (text: string) => write(text) };
  const view = new LiveView(output, options.clock.monotonicMs);
  const interruption = new AbortController();
  void surroundings.untilToldToStop().then(() => interruption.abort(new CommandFailure("The swarm was interrupted.")));
  try {
    const result = await runSwarm({
      ...options,
      signal: interruption.signal,
      onProgress: (progress) => {
        view.show(progress);
        recording?.progress(progress);
      },
    });
    view.end();
    recording?.result(result);
    if (flags.report !== undefined) writeFileSync(flags.report, renderHtml(result));
    surroundings.out(renderText(result));
    if (result.findings.length > 0) throw new CommandFailure("The swarm found something.");
  } catch (error) {
    view.end();
    if (interruption.signal.aborted) throw interruption.signal.reason;
    throw error instanceof SaleError ? new CommandFailure(error.message) : error;
  } finally {
    recording?.close();
  }
}

/** What the flags, the scenario and the environment say together. Throws CommandFailure with what is wrong. */
async function readOptions(name: string, flags: Flags, surroundings: Surroundings): Promise<SwarmOptions> {
  const { ScenarioError } = await import("../../lab/swarm/generator/scenario.ts");
  const { loadScenario } = await import("../../lab/swarm/generator/scenario-files.ts");
  const { planOf } = await import("../../lab/swarm/generator/plan.ts");
  const { checkOwner, parseTargets, TargetError } = await import("../../lab/swarm/generator/target.ts");
  const { OperatorClient } = await import("../../lab/swarm/operator-client.ts");
  const { createSystemClock } = await import("../../lab/swarm/system-clock.ts");
  const { PORT, HOST, DATA_DIR } = surroundings.env;
  const settings = readSettings({ env: { PORT, HOST, DATA_DIR } });
  try {
    const { scenario, recorded } = loadScenario(name);
    const owned = flags.iOwnThisTarget ?? null;
    const targets = parseTargets(flags.url ?? [`http://${hostInUrl(settings.host)}:${settings.port}`], owned);
    const node = { url: flags.adminUrl, token: flags.token, urlFlag: "--admin-url" };
    const operator = connectOperator(node, surroundings.env);
    checkOwner(new URL(operator.url).hostname, owned);
    const requests = flags.requests ?? null;
    planOf(scenario, recorded, requests);
    const mode = flags.storm ? "storm" : scenario.connections.mode;
    const connections = { ...scenario.connections, mode, max: flags.connections ?? scenario.connections.max };
    return {
      ...{ recorded, requests, targets },
      scenario: { ...scenario, connections, seed: flags.seed ?? scenario.seed },
      operator: new OperatorClient({ call: (method, path, body) => operator.request(method, path, body ?? undefined) }),
      secret: surroundings.env["SECRET"] || keptSecret(resolve(settings.dataDir, "secret")),
      saleId: flags.sale ?? null,
      sku: flags.sku ?? null,
      processes: flags.processes,
      watched: flags.serverPids ?? [],
      clock: createSystemClock(),
    };
  } catch (error) {
    const isUsage = error instanceof ScenarioError || error instanceof TargetError;
    throw isUsage ? new CommandFailure(error.message, EXIT_USAGE) : error;
  }
}

/** A process that is not there would be shown as one that costs nothing. Asked only where the system tells. */
function checkRunning(pid: number): void {
  if (existsSync(`/proc/${process.pid}`) && !existsSync(`/proc/${pid}`)) {
    throw new CommandFailure(`--server-pids: there is no process ${pid} on this machine.`, EXIT_USAGE);
  }
}

function keptSecret(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new CommandFailure(
      `No secret to mint sessions with: SECRET is not set, and ${file} cannot be read (${(error as Error).message}). Set SECRET to the deployment's, or DATA_DIR to the folder of a node in solo mode.`,
      EXIT_USAGE,
    );
  }
}

function whole(bounds: { min: number; max: number }): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= bounds.min && value <= bounds.max) return value;
    throw new InvalidArgumentError(`Accepted: a whole number from ${bounds.min} to ${bounds.max}.`);
  };
}

/** `api=4711,postgres=4712+`, or pids alone. */
function pids(text: string): readonly WatchedProcess[] {
  return text.split(",").map((word) => {
    const parts = /^(?:([a-z][a-z0-9-]{0,31})=)?([1-9]\d{0,6})(\+?)$/.exec(word.trim());
    const pid = Number(parts?.[2]);
    if (parts === null || pid > PID_MAX) {
      throw new InvalidArgumentError("Accepted: name=pid, comma-separated, such as api=4711,postgres=4712+.");
    }
    return { part: parts[1] ?? `process ${pid}`, pid, children: parts[3] === "+" };
  });
}
