/**
 * The Database port over `pg`, for a real PostgreSQL and, through a stream of its own, for the embedded one.
 *
 * Every connection that failed in a way that leaves its state unknown is destroyed, never returned to the pool: the
 * next statement must not read a late answer of the last one. Retrying is left to callers, who know what is idempotent.
 */
import pg from "pg";
import { isFault } from "../../domain/faults.ts";
import type { Database, SqlConnection, SqlValue, Statement } from "../../ports/database.ts";
import type { Log } from "../../ports/telemetry.ts";
import { toDatabaseFault } from "./database-errors.ts";
import type { PostgresDurability } from "./durability.ts";

const INT8_TYPE = 20;
const CONNECT_TIMEOUT_MS = 3_000;
const RECONNECT_DELAY_MS = 500;

/** bigint columns hold milliseconds, counts and sequence numbers: all far below 2^53. */
function parseInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint out of range: ${text}`);
  return value;
}

const types = new pg.TypeOverrides();
types.setTypeParser(INT8_TYPE, parseInteger);

export interface PoolSettings {
  readonly kind: "postgres" | "pglite";
  readonly client: pg.ClientConfig;
  /** Makes the pool's connections, where a plain `pg.Client` will not do. */
  readonly clientClass?: typeof pg.Client;
  readonly connectionsMax: number;
  /** After this long an answer counts as unknown and the connection is destroyed. */
  readonly answerTimeoutMs: number;
  /** Looked at over each new connection; absent where nobody promises anything. */
  readonly durability?: PostgresDurability | undefined;
  readonly log: Log;
}

/** See the file comment. `implements Database`; create it with {@link createPostgresDatabase} or the pglite adapter. */
export class PooledDatabase implements Database {
  readonly kind: "postgres" | "pglite";
  readonly #pool: pg.Pool;
  readonly #settings: PoolSettings;
  #closed = false;

  constructor(settings: PoolSettings) {
    this.kind = settings.kind;
    this.#settings = settings;
    const { durability } = settings;
    this.#pool = new pg.Pool({
      ...settings.client,
      ...(settings.clientClass === undefined ? {} : { Client: settings.clientClass }),
      ...(durability === undefined ? {} : { onConnect: (client: pg.ClientBase) => durability.look(client) }),
      types,
      max: settings.connectionsMax,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      idleTimeoutMillis: 0,
      query_timeout: settings.answerTimeoutMs,
      keepAlive: true,
    });
    // An idle connection that breaks is not an event for anybody: the next caller opens a new one.
    this.#pool.on("error", (error) => settings.log.debug({ error: error.message }, "idle database connection lost"));
    // One that breaks in use fails its statement; the event beside it would end the process if nobody listened.
    this.#pool.on("connect", (client) => client.on("error", () => undefined));
  }

  async query<Row>(statement: Statement, values: readonly SqlValue[] = []): Promise<readonly Row[]> {
    const client = await this.#connect();
    try {
      const rows = await run<Row>(client, statement, values);
      client.release();
      return rows;
    } catch (error) {
      client.release(isFault(error, "DATABASE_UNAVAILABLE"));
      throw error;
    }
  }

  async transaction<Result>(work: (connection: SqlConnection) => Promise<Result>): Promise<Result> {
    const client = await this.#connect();
    try {
      await run(client, { text: "BEGIN" }, []);
      const result = await work({ query: (statement, values = []) => run(client, statement, values) });
      await run(client, { text: "COMMIT" }, []);
      client.release();
      return result;
    } catch (error) {
      // Errors of the callback's own (a refusal to go on) leave as they are.
      const usable = !isFault(error, "DATABASE_UNAVAILABLE") && (await rollBack(client));
      client.release(!usable);
      throw error;
    }
  }

  async listen(channel: string, onNotify: (payload: string) => void, onGap: () => void): Promise<() => Promise<void>> {
    const listener = new Listener({ channel, onNotify, onGap, settings: this.#settings });
    await listener.connect();
    return () => listener.close();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pool.end();
  }

  async #connect(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      throw toDatabaseFault(error);
    }
  }
}

/** Runs one statement. Whatever the driver throws, a lost connection and a time-out included, becomes a fault. */
async function run<Row>(client: pg.ClientBase, statement: Statement, values: readonly SqlValue[]): Promise<Row[]> {
  const query = { text: statement.text, values: values as unknown[] };
  try {
    const result = await client.query<pg.QueryResultRow>(
      statement.name === undefined ? query : { ...query, name: statement.name },
    );
    return result.rows as Row[];
  } catch (error) {
    throw toDatabaseFault(error);
  }
}

async function rollBack(client: pg.ClientBase): Promise<boolean> {
  try {
    await client.query("ROLLBACK");
    return true;
  } catch {
    // Only tells that this connection is beyond use; the error that led here is the one to report.
    return false;
  }
}

interface ListenerOptions {
  readonly channel: string;
  readonly onNotify: (payload: string) => void;
  readonly onGap: () => void;
  readonly settings: PoolSettings;
}

/** One connection that only listens, and comes back by itself after it was lost. */
class Listener {
  readonly #options: ListenerOptions;
  #client: pg.Client | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #closed = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  async connect(): Promise<void> {
    const { settings, channel, onNotify, onGap } = this.#options;
    const client = new pg.Client({ ...settings.client, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, keepAlive: true });
    client.on("error", (error) => settings.log.warn({ error: error.message }, "change feed connection lost"));
    client.on("end", () => this.#reconnectLater());
    client.on("notification", (message) => onNotify(message.payload ?? ""));
    try {
      await client.connect();
      await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      client.removeAllListeners("end");
      client.end().catch(() => undefined);
      throw toDatabaseFault(error);
    }
    if (this.#closed) {
      await client.end();
      return;
    }
    this.#client = client;
    onGap();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    await this.#client?.end();
  }

  #reconnectLater(): void {
    this.#client = null;
    if (this.#closed || this.#retry !== null) return;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.connect().catch(() => this.#reconnectLater());
    }, RECONNECT_DELAY_MS);
  }
}

/** A pool on a real PostgreSQL. `connectionsMax` and the time-outs are per pool. */
export function createPostgresDatabase(options: {
  url: string;
  connectionsMax: number;
  answerTimeoutMs: number;
  applicationName: string;
  durability?: PostgresDurability;
  log: Log;
}): Database {
  return new PooledDatabase({
    kind: "postgres",
    client: {
      connectionString: options.url,
      application_name: options.applicationName,
      // The server gives up before we do, so that an unknown outcome is the exception.
      statement_timeout: Math.floor(options.answerTimeoutMs * 0.8),
      lock_timeout: Math.floor(options.answerTimeoutMs * 0.6),
      idle_in_transaction_session_timeout: options.answerTimeoutMs * 2,
    },
    connectionsMax: options.connectionsMax,
    answerTimeoutMs: options.answerTimeoutMs,
    durability: options.durability,
    log: options.log,
  });
}
