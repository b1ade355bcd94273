/**
 * The node under test: a real process on either runtime, configured by environment alone, as an operator starts it.
 *
 * The runtime is started on src/main.ts itself rather than through the launcher, so that the pid we kill is the pid
 * that answers buyers. Nothing of the parent's environment reaches it except what a process needs to live.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { placeEmptyCluster } from "./embedded-database.ts";
import { takeFreePort } from "./ports.ts";

export type Runtime = "bun" | "node";

const ROOT = join(import.meta.dirname, "../..");
const OUTPUT_CHARACTERS_MAX = 400_000;
const READY_WITHIN_MS = 45_000;
const END_WITHIN_MS = 30_000;

export interface NodeOptions {
  readonly runtime: Runtime;
  /** Null = solo mode, with the embedded database in `dataFolder`. */
  readonly databaseUrl: string | null;
  /** When absent it is made and deleted by us, with an empty database already in it. */
  readonly dataFolder?: string;
  /** Shared by nodes of one deployment; when absent, one is made for each database. */
  readonly secret?: string;
  readonly adminToken?: string;
  readonly roles?: string;
  /** Where buyers connect; a free port when absent. */
  readonly buyerPort?: number;
  /** More variables, or overrides; an empty string removes one. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What a process left behind. */
export interface EndedProcess {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

const secrets = new Map<string, string>();

/** Nodes of one database belong to one deployment, whichever test starts them. */
function secretOf(databaseUrl: string | null): string {
  const fresh = randomBytes(32).toString("base64url");
  if (databaseUrl === null) return fresh;
  const name = new URL(databaseUrl);
  const key = `${name.host}${name.pathname}`;
  const secret = secrets.get(key) ?? fresh;
  secrets.set(key, secret);
  return secret;
}

/** The command that runs a TypeScript file on a runtime. */
export function runtimeCommand(runtime: Runtime): [string, string[]] {
  if (runtime === "bun") {
    if (process.versions["bun"] === undefined) throw new Error("run these tests with `bun test`");
    return [process.execPath, ["--no-orphans"]];
  }
  const path = join(ROOT, "node_modules/.bin/node");
  if (!existsSync(path)) throw new Error(`Node 24 is not installed at ${path}: run npm ci`);
  // As bin/runtime.js does.
  return [path, ["--max-semi-space-size=16"]];
}

/** Runs the program with arguments until it ends by itself; a program that does not end is killed and fails the test. */
export async function runToEnd(options: {
  runtime: Runtime;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  withinMs?: number;
}): Promise<EndedProcess> {
  const child = new ChildNode(options.runtime, options.args, options.env);
  try {
    return await child.ended(options.withinMs ?? END_WITHIN_MS);
  } catch (error) {
    await child.kill();
    throw error;
  }
}

/** The variables that every process gets, and nothing else of ours. */
function environment(extra: Readonly<Record<string, string>>): Record<string, string> {
  const base: Record<string, string> = {
    PATH: process.env["PATH"] ?? "",
    HOME: process.env["HOME"] ?? "/tmp",
    NO_COLOR: "1",
  };
  for (const [name, value] of Object.entries(extra)) {
    if (value === "") delete base[name];
    else base[name] = value;
  }
  return base;
}

/** A started process and what it said. */
class ChildNode {
  readonly process: ChildProcess;
  output = "";
  readonly #ended: Promise<EndedProcess>;

  constructor(runtime: Runtime, args: readonly string[], env: Readonly<Record<string, string>>) {
    const [command, flags] = runtimeCommand(runtime);
    this.process = spawn(command, [...flags, join(ROOT, "src/main.ts"), ...args], {
      cwd: ROOT,
      env: environment(env),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const keep = (chunk: Buffer): void => {
      this.output = (this.output + chunk.toString("utf8")).slice(-OUTPUT_CHARACTERS_MAX);
    };
    this.process.stdout?.on("data", keep);
    this.process.stderr?.on("data", keep);
    const endWithUs = (): void => void this.process.kill("SIGKILL");
    process.once("exit", endWithUs);
    this.process.once("exit", () => process.off("exit", endWithUs));
    this.#ended = new Promise((resolve, reject) => {
      this.process.once("error", reject);
      this.process.once("close", (code, signal) => resolve({ code, signal, output: this.output }));
    });
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  async ended(withinMs: number): Promise<EndedProcess> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`still running after ${withinMs} ms:\n${this.output}`)), withinMs);
    });
    try {
      return await Promise.race([this.#ended, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async kill(): Promise<EndedProcess> {
    if (this.isRunning) {
      this.process.kill("SIGCONT");
      this.process.kill("SIGKILL");
    }
    return await this.ended(END_WITHIN_MS);
  }
}

/** A node that is ready for buyers. End it with `stop`, or as a crash with `kill`. */
export class NodeProcess {
  readonly runtime: Runtime;
  readonly buyerPort: number;
  readonly adminPort: number;
  readonly adminToken: string;
  readonly secret: string;
  readonly dataFolder: string | null;
  readonly #child: ChildNode;
  readonly #ownsDataFolder: boolean;

  private constructor(fields: {
    runtime: Runtime;
    buyerPort: number;
    adminPort: number;
    adminToken: string;
    secret: string;
    dataFolder: string | null;
    ownsDataFolder: boolean;
    child: ChildNode;
  }) {
    this.runtime = fields.runtime;
    this.buyerPort = fields.buyerPort;
    this.adminPort = fields.adminPort;
    this.adminToken = fields.adminToken;
    this.secret = fields.secret;
    this.dataFolder = fields.dataFolder;
    this.#ownsDataFolder = fields.ownsDataFolder;
    this.#child = fields.child;
  }

  /** Starts the process without waiting for it; `ready` waits. */
  static async spawn(options: NodeOptions): Promise<NodeProcess> {
    const buyerPort = options.buyerPort ?? (await takeFreePort());
    const adminPort = await takeFreePort();
    const adminToken = options.adminToken ?? randomBytes(24).toString("base64url");
    const secret = options.secret ?? secretOf(options.databaseUrl);
    const isSolo = options.databaseUrl === null;
    const ownsDataFolder = isSolo && options.dataFolder === undefined;
    const dataFolder = ownsDataFolder ? mkdtempSync(join(tmpdir(), "doorbuster-data-")) : (options.dataFolder ?? null);
    if (ownsDataFolder && dataFolder !== null) await placeEmptyCluster(dataFolder);
    const env: Record<string, string> = {
      HOST: "127.0.0.1",
      PORT: String(buyerPort),
      ADMIN_PORT: String(adminPort),
      ADMIN_TOKEN: adminToken,
      SECRET: secret,
      LOG_LEVEL: "info",
      ...(dataFolder === null ? {} : { DATA_DIR: dataFolder }),
      ...(options.databaseUrl === null ? {} : { DATABASE_URL: options.databaseUrl }),
      ...options.env,
    };
    const roles = options.roles === undefined ? [] : ["--roles", options.roles];
    const child = new ChildNode(options.runtime, ["serve", ...roles], env);
    const { runtime } = options;
    return new NodeProcess({ runtime, buyerPort, adminPort, adminToken, secret, dataFolder, ownsDataFolder, child });
  }

  /** Starts a node and waits until it says that it is ready. */
  static async start(options: NodeOptions): Promise<NodeProcess> {
    const node = await NodeProcess.spawn(options);
    try {
      await node.ready();
    } catch (error) {
      await node.kill();
      throw error;
    }
    return node;
  }

  get buyerUrl(): string {
    return `http://127.0.0.1:${this.buyerPort}`;
  }

  get adminUrl(): string {
    return `http://127.0.0.1:${this.adminPort}`;
  }

  get pid(): number {
    return this.#child.process.pid as number;
  }

  get isRunning(): boolean {
    return this.#child.isRunning;
  }

  /** Everything it printed so far. */
  get output(): string {
    return this.#child.output;
  }

  /** Waits until /readyz answers 200; fails at once, with the output, when the process ends instead. */
  async ready(): Promise<void> {
    const started = performance.now();
    for (;;) {
      if (!this.isRunning) throw new Error(`the node ended while starting:\n${this.output}`);
      if (performance.now() - started > READY_WITHIN_MS) throw new Error(`not ready:\n${this.output}`);
      const status = await fetch(`${this.buyerUrl}/readyz`).then(
        (response) => response.status,
        () => 0,
      );
      if (status === 200) return;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  /** Sends a signal and does not wait. */
  signal(name: NodeJS.Signals): void {
    this.#child.process.kill(name);
  }

  /** `kill -9`, and waits for the end. The data folder stays when the caller brought it. */
  async kill(): Promise<void> {
    await this.#child.kill();
    this.#deleteOwnFolder();
  }

  /** SIGTERM, as an orchestrator would; a node that does not end in time fails the test. */
  async stop(): Promise<EndedProcess> {
    if (this.isRunning) this.#child.process.kill("SIGTERM");
    try {
      return await this.#child.ended(END_WITHIN_MS);
    } finally {
      await this.kill();
    }
  }

  /** The end of the process, however it comes. */
  async ended(withinMs: number = END_WITHIN_MS): Promise<EndedProcess> {
    return await this.#child.ended(withinMs);
  }

  #deleteOwnFolder(): void {
    if (this.#ownsDataFolder && this.dataFolder !== null) rmSync(this.dataFolder, { recursive: true, force: true });
  }
}

/** Starts several nodes of one deployment at the same time, and none if one fails. */
export async function startNodes(all: readonly NodeOptions[]): Promise<NodeProcess[]> {
  const settled = await Promise.allSettled(all.map((options) => NodeProcess.start(options)));
  const nodes = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const failure = settled.find((one) => one.status === "rejected");
  if (failure === undefined) return nodes;
  await Promise.all(nodes.map((node) => node.kill()));
  throw failure.reason;
}
