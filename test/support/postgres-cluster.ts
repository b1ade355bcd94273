/**
 * A real PostgreSQL server for one test file: a fresh cluster in a temporary folder on a free loopback port.
 *
 * It is set up as in production: nodes refuse one that may forget. Its files lie in memory where there is room, since no
 * test here pulls the plug of the machine; `kill` and `stop` of processes lose nothing. Measurements ask for the disk.
 * As root it runs as the `postgres` user, because PostgreSQL refuses to run as root. Everything is ended by pid.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { takeFreePort } from "./ports.ts";
import { isInMemory, quickFolder } from "./quick-folder.ts";
import { waitUntil } from "./waiting.ts";

const VERSION_MIN = 15;
const VERSIONS_FOLDER = "/usr/lib/postgresql";

export interface ClusterOptions {
  /** On the disk, as in production and for measurements. */
  readonly isDurable?: boolean;
  readonly parentFolder?: string;
  /** Settings of the server, over the command line. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** The folder of the newest installed PostgreSQL's programs; throws with what to install when there is none. */
export function findPostgresPrograms(): string {
  const versions = existsSync(VERSIONS_FOLDER) ? readdirSync(VERSIONS_FOLDER).map(Number) : [];
  const newest = Math.max(0, ...versions.filter((version) => existsSync(`${VERSIONS_FOLDER}/${version}/bin/postgres`)));
  if (newest < VERSION_MIN) {
    throw new Error(
      `these tests need PostgreSQL ${VERSION_MIN} or newer in ${VERSIONS_FOLDER}: apt-get install postgresql`,
    );
  }
  return `${VERSIONS_FOLDER}/${newest}/bin`;
}

/** Prefixes a command so that it runs as the postgres user when we are root. It keeps its pid, and dies with us. */
function asPostgresUser(command: readonly string[]): [string, string[]] {
  const isRoot = process.getuid?.() === 0;
  const full = isRoot
    ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=QUIT", "--", ...command]
    : [...command];
  return [full[0] as string, full.slice(1)];
}

/** A running cluster. Stop it in `afterAll`. */
export class PostgresCluster {
  readonly port: number;
  readonly #folder: string;
  readonly #programs: string;
  readonly #settings: Readonly<Record<string, string>>;
  #server: ChildProcess | null = null;
  #output = "";
  #databaseCount = 0;

  private constructor(options: {
    port: number;
    folder: string;
    programs: string;
    settings: Readonly<Record<string, string>>;
  }) {
    this.port = options.port;
    this.#folder = options.folder;
    this.#programs = options.programs;
    this.#settings = options.settings;
  }

  /** The process id of the server, null while it is stopped. */
  get pid(): number | null {
    return this.#server?.pid ?? null;
  }

  /** False when it was stopped, and when it ended by itself. */
  get isRunning(): boolean {
    return this.#server !== null && this.#server.exitCode === null && this.#server.signalCode === null;
  }

  /** Where the stopped server's data are, for a copy. */
  get dataFolder(): string {
    return join(this.#folder, "data");
  }

  /** The end of the server's log. */
  get output(): string {
    return this.#output;
  }

  /** Makes a cluster and starts its server. A durable one lies on the disk and waits for it at every commit. */
  static async start(options: ClusterOptions = {}): Promise<PostgresCluster> {
    const programs = findPostgresPrograms();
    const parent = options.parentFolder ?? (options.isDurable === true ? tmpdir() : quickFolder());
    const folder = mkdtempSync(join(parent, "doorbuster-postgres-"));
    if (process.getuid?.() === 0) execFileSync("chown", ["postgres", folder]);
    const [command, args] = asPostgresUser([
      `${programs}/initdb`,
      `--pgdata=${folder}/data`,
      "--username=postgres",
      "--auth=trust",
      "--encoding=UTF8",
      "--locale=C",
      "--no-sync",
    ]);
    execFileSync(command, args, { cwd: folder, stdio: "pipe" });
    const cluster = new PostgresCluster({
      port: await takeFreePort(),
      folder,
      programs,
      settings: options.settings ?? {},
    });
    await cluster.startServer();
    return cluster;
  }

  /** The connection URL of a database. */
  url(database = "postgres"): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  /** A fresh, empty database; answers its URL. */
  async createDatabase(): Promise<string> {
    this.#databaseCount += 1;
    const name = `test_${this.#databaseCount}`;
    await this.query("postgres", `create database ${name}`);
    return this.url(name);
  }

  /** Runs one statement over a connection of its own. */
  async query<Row extends pg.QueryResultRow>(
    databaseOrUrl: string,
    text: string,
    values: unknown[] = [],
  ): Promise<Row[]> {
    const url = databaseOrUrl.startsWith("postgres://") ? databaseOrUrl : this.url(databaseOrUrl);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      const result = await client.query<Row>(text, values);
      return result.rows;
    } finally {
      await client.end();
    }
  }

  /** Starts the server of the stopped cluster again, on the same port, and waits until it answers. */
  async startServer(): Promise<void> {
    const [command, args] = asPostgresUser([
      `${this.#programs}/postgres`,
      "-D",
      `${this.#folder}/data`,
      "-p",
      String(this.port),
      "-c",
      "listen_addresses=127.0.0.1",
      "-c",
      `unix_socket_directories=${this.#folder}`,
      // Where the files lie in memory, so does the log of changes.
      "-c",
      "max_wal_size=256MB",
      ...Object.entries(this.#settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
      "-c",
      "max_connections=200",
      "-c",
      "shared_buffers=64MB",
    ]);
    const server = spawn(command, args, { cwd: this.#folder, stdio: ["ignore", "pipe", "pipe"] });
    server.stdout?.on("data", (chunk) => this.#keep(chunk));
    server.stderr?.on("data", (chunk) => this.#keep(chunk));
    this.#server = server;
    const endWithUs = (): void => {
      server.kill("SIGKILL");
      if (isInMemory(this.#folder)) rmSync(this.#folder, { recursive: true, force: true });
    };
    process.once("exit", endWithUs);
    server.once("exit", () => process.off("exit", endWithUs));
    await waitUntil(
      "PostgreSQL to answer",
      async () => {
        if (server.exitCode !== null) throw new Error(`PostgreSQL ended: ${this.#output.slice(-2_000)}`);
        return (await this.query<{ one: number }>("postgres", "select 1 as one")).length === 1;
      },
      { withinMs: 30_000, everyMs: 50 },
    );
  }

  /** Ends the server: "fast" as an administrator would, "immediate" as a crash would. The data stay. */
  async stopServer(how: "fast" | "immediate" = "fast"): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
    server.kill("SIGCONT");
    server.kill(how === "fast" ? "SIGINT" : "SIGQUIT");
    await ended;
  }

  /** Freezes every process of the server: connections stay open and nothing answers, as on a stalled disk. */
  freeze(): void {
    this.#signalAll("SIGSTOP");
  }

  /** Lets a frozen server go on. */
  thaw(): void {
    this.#signalAll("SIGCONT");
  }

  /** The processes of the running server. */
  get pids(): readonly number[] {
    const parent = this.#server?.pid;
    return parent === undefined ? [] : [parent, ...childrenOf(parent)];
  }

  /** Copies the running server into a folder that does not exist yet, as an administrator's nightly backup does. */
  async baseBackup(folder: string): Promise<void> {
    const parent = mkdtempSync(join(tmpdir(), "doorbuster-backup-"));
    if (process.getuid?.() === 0) execFileSync("chown", ["postgres", parent]);
    const where = ["-h", "127.0.0.1", "-p", String(this.port), "-U", "postgres"];
    const [command, args] = asPostgresUser([
      `${this.#programs}/pg_basebackup`,
      ...where,
      "-D",
      `${parent}/data`,
      "--checkpoint=fast",
      "--no-sync",
    ]);
    await promisify(execFile)(command, args, { cwd: parent });
    renameSync(parent, folder);
  }

  /** Puts the copy in the place of the stopped server's data, and starts it. */
  async restore(folder: string): Promise<void> {
    rmSync(this.dataFolder, { recursive: true });
    renameSync(join(folder, "data"), this.dataFolder);
    rmSync(folder, { recursive: true });
    await this.startServer();
  }

  /** Ends the server and deletes the folder. */
  async stop(): Promise<void> {
    if (this.isRunning) this.thaw();
    await this.stopServer("immediate");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #keep(chunk: Buffer): void {
    this.#output = (this.#output + chunk.toString("utf8")).slice(-20_000);
  }

  #signalAll(signal: "SIGSTOP" | "SIGCONT"): void {
    const parent = this.#server?.pid;
    if (parent === undefined) throw new Error("the server is not running");
    process.kill(parent, signal);
    for (const child of childrenOf(parent)) signalIfAlive(child, signal);
  }
}

/** A backend may end between our looking and the signal; that is as good as a signal that it got. */
function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function childrenOf(parent: number): number[] {
  const text = readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}
