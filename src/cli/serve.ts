/**
 * `doorbuster serve`: runs a node until it is told to stop, and says where it is and how to sign in.
 *
 * The operator token is printed when solo mode has just made it or a person is watching; one that came from the
 * environment is never repeated. The first signal drains, a second one ends the process at once (main.ts).
 */
import { type Command, Option } from "commander";
import { type Config, loadConfig } from "../config/load.ts";
import { colorsFor } from "./colors.ts";
import { findOrCreateDemoSale } from "./demo-sale.ts";
import { CommandFailure } from "./failure.ts";
import { hostInUrl, OperatorClient, UNSPECIFIED_HOSTS } from "./operator-client.ts";
import { parseRoles, ROLES, type Role } from "./roles.ts";
import type { RunningNode, Surroundings } from "./surroundings.ts";

/** Nobody wonders before. */
const PATIENCE_MS = 2_000;

interface ServeOptions {
  readonly roles: readonly Role[];
  readonly demoSale?: true;
  readonly port?: string;
  readonly adminPort?: string;
  readonly dataDir?: string;
}

/** Adds the command. */
export function addServe(program: Command, surroundings: Surroundings): void {
  program
    .command("serve")
    .description("run a node; without DATABASE_URL everything it needs is started inside")
    .addOption(
      new Option("--roles <list>", `what this node does: ${ROLES.join(",")}`)
        .argParser(parseRoles)
        .default(ROLES, ROLES.join(",")),
    )
    .option("--demo-sale", "create a ready-made sale that opens in 30 seconds, or show the one that is there")
    .option("--port <port>", "where buyers connect (PORT)")
    .option("--admin-port <port>", "where operators connect (ADMIN_PORT)")
    .option("--data-dir <folder>", "solo mode's folder (DATA_DIR)")
    .addHelpText("after", "\nSettings come from the environment; `doorbuster config print` lists them.")
    .action((options: ServeOptions) => serve(options, surroundings));
}

async function serve(options: ServeOptions, surroundings: Surroundings): Promise<void> {
  const config = loadConfig({
    env: surroundings.env,
    overrides: { PORT: options.port, ADMIN_PORT: options.adminPort, DATA_DIR: options.dataDir },
  });
  if (options.demoSale && !(options.roles.includes("api") && options.roles.includes("admin"))) {
    throw new CommandFailure("--demo-sale needs the roles api and admin.");
  }
  const what = config.mode === "solo" ? `embedded database in ${config.dataDir}` : "PostgreSQL at DATABASE_URL";
  surroundings.err(`Starting Doorbuster, ${config.mode} mode, ${what} …\n`);
  const node = await startPatiently(config, options.roles, surroundings);
  try {
    surroundings.out(describeNode({ config, node, roles: options.roles, surroundings }));
    if (options.demoSale) surroundings.out(await openDemoSale(config, node, surroundings));
    surroundings.out(`Ready. ${surroundings.isTerminal ? "Ctrl-C stops it." : ""}\n`);
    const signal = await surroundings.untilToldToStop();
    surroundings.err(`\n${signal}: finishing what has begun, at most ${config.drainMs / 1_000} s …\n`);
  } finally {
    await node.stop();
  }
}

/** Says once what is waited for, when it takes long enough for somebody to wonder. */
async function startPatiently(
  config: Config,
  roles: readonly Role[],
  surroundings: Surroundings,
): Promise<RunningNode> {
  const what =
    config.mode === "solo"
      ? "Preparing the embedded database: a first start unpacks it, which takes up to half a minute"
      : "Waiting for the database";
  let isOver = false;
  // A wait that needs no timer of ours, and keeps no process alive.
  AbortSignal.timeout(PATIENCE_MS).addEventListener("abort", () => {
    if (!isOver) surroundings.err(`${what} …\n`);
  });
  try {
    return await surroundings.composition.startNode(config, roles);
  } finally {
    isOver = true;
  }
}

function describeNode(parts: {
  readonly config: Config;
  readonly node: RunningNode;
  readonly roles: readonly Role[];
  readonly surroundings: Surroundings;
}): string {
  const { config, node, roles, surroundings } = parts;
  const colors = colorsFor(surroundings);
  const operators = operatorUrl(config, node.adminPort);
  const lines: string[] = [];
  if (node.buyerPort !== null)
    lines.push(`  Buyers     ${colors.cyan(buyerUrl(config, node.buyerPort))}${reach(config.host)}`);
  if (roles.includes("admin")) {
    lines.push(`  Operators  ${colors.cyan(operators)}`, `  Token      ${describeToken(config, surroundings)}`);
  } else {
    lines.push(`  Health     ${colors.cyan(`${operators}/readyz`)}`);
  }
  return `\n${lines.join("\n")}\n\n`;
}

/** The printed address is this machine's own; that others reach the port too should be said. */
function reach(host: string): string {
  return UNSPECIFIED_HOSTS.includes(host) ? `  (HOST is ${host}: every network of this machine reaches it)` : "";
}

function describeToken(config: Config, surroundings: Surroundings): string {
  const origin = config.origins.ADMIN_TOKEN;
  if (origin === "made now" || (origin === "data directory" && surroundings.isTerminal)) {
    return colorsFor(surroundings).bold(config.adminToken);
  }
  return origin === "data directory" ? `in ${config.dataDir}/admin-token` : "the ADMIN_TOKEN you set";
}

async function openDemoSale(config: Config, node: RunningNode, surroundings: Surroundings): Promise<string> {
  const buyers = buyerUrl(config, node.buyerPort ?? config.port);
  const operator = new OperatorClient({
    url: operatorUrl(config, node.adminPort),
    token: config.adminToken,
  });
  const time = await fetch(`${buyers}/v1/time`, { signal: AbortSignal.timeout(5_000) });
  const { now } = (await time.json()) as { now: number };
  const { id, standing } = await findOrCreateDemoSale(operator, now);
  return `  Demo sale  ${colorsFor(surroundings).cyan(`${buyers}/sales/${id}`)}  ${standing}\n\n`;
}

function buyerUrl(config: Config, port: number): string {
  return `http://${hostInUrl(config.host)}:${port}`;
}

function operatorUrl(config: Config, port: number): string {
  return `http://${hostInUrl(config.adminHost)}:${port}`;
}
