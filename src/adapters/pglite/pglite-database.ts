/**
 * The embedded Postgres behind the same Database port: `pg` talks to it through a stream instead of a socket.
 *
 * One code path for SQL, types and errors, whichever database is used. Survives a killed process (its write-ahead log
 * is in the page cache), not a power cut: it does not fsync. See SAFETY.md.
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import pg from "pg";
import { Fault } from "../../domain/faults.ts";
import type { Database, SqlConnection, SqlValue, Statement } from "../../ports/database.ts";
import type { Log } from "../../ports/telemetry.ts";
import { PooledDatabase } from "../postgres/database.ts";
import { lockDirectory } from "./directory-lock.ts";
import { SessionTurns } from "./session-turns.ts";
import { isWireMessage, type WireMessage, WireStream } from "./wire-stream.ts";

const START_TIMEOUT_MS = 60_000;
const CLOSE_TIMEOUT_MS = 10_000;

interface WorkerReport {
  readonly kind: "ready" | "closed" | "failed";
  readonly text?: string;
}

/** Starts the embedded server in `directory`, where a database is made if there is none, and takes its lock. */
export async function openPgliteDatabase(options: {
  directory: string;
  answerTimeoutMs: number;
  log: Log;
}): Promise<EmbeddedDatabase> {
  const { directory, log } = options;
  const release = lockDirectory(directory);
  try {
    const worker = await startServer(join(directory, "postgres"));
    return new PgliteDatabase({ worker, release, log, answerTimeoutMs: options.answerTimeoutMs });
  } catch (error) {
    release();
    throw error;
  }
}

/** The embedded database. The same session serves both views; the hot one comes first, see session-turns.ts. */
export interface EmbeddedDatabase extends Database {
  readonly hot: Database;
}

/** `implements Database` with one session; notifications arrive on that same session. */
class PgliteDatabase implements EmbeddedDatabase {
  readonly kind = "pglite";
  readonly hot: Database;
  readonly #turns = new SessionTurns();
  readonly #pool: PooledDatabase;
  readonly #worker: Worker;
  readonly #release: () => void;
  readonly #notified = new Map<string, Set<(payload: string) => void>>();

  constructor(options: { worker: Worker; release: () => void; log: Log; answerTimeoutMs: number }) {
    this.#worker = options.worker;
    this.#release = options.release;
    this.hot = {
      kind: this.kind,
      query: (statement, values) => this.#turns.run("hot", () => this.#pool.query(statement, values)),
      transaction: (work) => this.#turns.run("hot", () => this.#pool.transaction(work)),
      listen: (channel, onNotify, onGap) => this.listen(channel, onNotify, onGap),
      close: () => this.close(),
    };
    const notified = this.#notified;
    /** `pg` makes its clients itself; each tells its notifications to whoever listens here. */
    class NotifiedClient extends pg.Client {
      constructor(config?: pg.ClientConfig) {
        super(config);
        this.on("notification", (message) => {
          for (const callback of notified.get(message.channel) ?? []) callback(message.payload ?? "");
        });
      }
    }
    this.#pool = new PooledDatabase({
      kind: "pglite",
      client: { user: "postgres", database: "postgres", stream: () => new WireStream(options.worker) as never },
      clientClass: NotifiedClient,
      connectionsMax: 1,
      answerTimeoutMs: options.answerTimeoutMs,
      log: options.log,
    });
  }

  query<Row>(statement: Statement, values: readonly SqlValue[] = []): Promise<readonly Row[]> {
    return this.#turns.run("general", () => this.#pool.query<Row>(statement, values));
  }

  transaction<Result>(work: (connection: SqlConnection) => Promise<Result>): Promise<Result> {
    return this.#turns.run("general", () => this.#pool.transaction(work));
  }

  async listen(channel: string, onNotify: (payload: string) => void, onGap: () => void): Promise<() => Promise<void>> {
    const callbacks = this.#notified.get(channel) ?? new Set();
    this.#notified.set(channel, callbacks);
    callbacks.add(onNotify);
    await this.query({ text: `LISTEN ${pg.escapeIdentifier(channel)}` });
    onGap();
    return async () => {
      callbacks.delete(onNotify);
    };
  }

  async close(): Promise<void> {
    await this.#pool.close();
    await closeWorker(this.#worker);
    this.#release();
  }
}

/**
 * Making a new cluster takes a gigabyte of memory that its thread would keep for as long as it lives; so the thread that
 * made it is ended, and a fresh one (a quarter of that) serves. It is made beside its place and moved there complete, so a
 * process killed meanwhile leaves nothing that looks like a database.
 */
async function startServer(directory: string): Promise<Worker> {
  if (!existsSync(directory)) {
    const unfinished = `${directory}.new`;
    rmSync(unfinished, { recursive: true, force: true });
    await closeWorker(await startWorker(unfinished));
    renameSync(unfinished, directory);
  }
  return startWorker(directory);
}

async function startWorker(directory: string): Promise<Worker> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: { directory } });
  const report = await nextReport(worker, START_TIMEOUT_MS);
  if (report.kind === "ready") return worker;
  await worker.terminate();
  throw new Fault("DATA_DIRECTORY_UNUSABLE", { internal: `${directory}: ${report.text ?? report.kind}` });
}

async function closeWorker(worker: Worker): Promise<void> {
  const closed = nextReport(worker, CLOSE_TIMEOUT_MS);
  worker.postMessage("close");
  await closed;
  await worker.terminate();
}

/** The worker's next word about itself, or a failure when it dies or stays silent. */
function nextReport(worker: Worker, timeoutMs: number): Promise<WorkerReport> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => settle({ kind: "failed", text: "no answer from the embedded database" }), timeoutMs);
    const onMessage = (message: WorkerReport | WireMessage) => {
      if (!isWireMessage(message)) settle(message);
    };
    const onError = (error: Error) => settle({ kind: "failed", text: error.message });
    const onExit = () => settle({ kind: "failed", text: "the embedded database stopped" });
    function settle(report: WorkerReport): void {
      clearTimeout(timer);
      worker.off("message", onMessage).off("error", onError).off("exit", onExit);
      resolve(report);
    }
    worker.on("message", onMessage).on("error", onError).on("exit", onExit);
  });
}
