/**
 * Leadership as a session advisory lock on a connection of its own, with a heartbeat beside it.
 *
 *     waiting ──got the lock, first beat written──► leading ──beat too old, connection lost, stop()──► waiting / stopped
 *
 * A dead process loses the lock with its connection. A frozen one keeps its connection: its beats stop, so the next
 * candidate has the server end that connection. The frozen one notices by itself as well: it believes its lead only for
 * a while after its last beat was confirmed, by its own monotonic clock, which is less than what candidates wait for.
 */
import pg from "pg";
import type { Clock } from "../../ports/clock.ts";
import type { Leadership } from "../../ports/leadership.ts";
import type { Log } from "../../ports/telemetry.ts";

/** First half of the advisory lock's key; the second is the hash of the name. Lanes of items use 2. */
const LOCK_SPACE = 3;
const BEAT_INTERVAL_MS = 1_000;
/** A holder that wrote no beat for this long is ended by the next candidate. */
const BEAT_AGE_MS_MAX = 5_000;
/** A leader without a confirmed beat for this long leads no more: well before anybody may replace it. */
const CONFIRMED_MS_MAX = 3_000;
const ANSWER_TIMEOUT_MS = 2_000;

const TRY = `SELECT pg_try_advisory_lock(${LOCK_SPACE}, hashtext($1)) AS won`;
const BEAT = `INSERT INTO leader (name, node_id, pid, beat_at) VALUES ($1, $2, pg_backend_pid(), now_ms())
  ON CONFLICT (name) DO UPDATE SET node_id = EXCLUDED.node_id, pid = EXCLUDED.pid, beat_at = EXCLUDED.beat_at`;
const HOLDER = `SELECT l.pid FROM pg_locks l
   WHERE l.locktype = 'advisory' AND l.classid = ${LOCK_SPACE}::oid AND l.objid = hashtext($1)::bigint::bit(32)::bigint::oid
     AND l.objsubid = 2 AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
/** Whoever holds the lock without having beaten yet gets a beat of grace, written in its name. */
const GRACE = `INSERT INTO leader (name, node_id, pid, beat_at) SELECT $1, '', h.pid, now_ms() FROM (${HOLDER}) h
  ON CONFLICT (name) DO UPDATE SET node_id = '', pid = EXCLUDED.pid, beat_at = EXCLUDED.beat_at
    WHERE leader.pid <> EXCLUDED.pid`;
const END_FROZEN = `SELECT h.pid, pg_terminate_backend(h.pid) AS ended FROM (${HOLDER}) h
   JOIN leader b ON b.name = $1 AND b.pid = h.pid WHERE b.beat_at < now_ms() - ${BEAT_AGE_MS_MAX}`;

interface LeadershipOptions {
  readonly url: string;
  readonly name: string;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** A candidate for the lead called `name`; processes that name the same database and name compete. */
export function createPostgresLeadership(options: LeadershipOptions): Leadership {
  return new PostgresLeadership(options);
}

/** `implements Leadership`. */
class PostgresLeadership implements Leadership {
  readonly #options: LeadershipOptions;
  #client: pg.Client | null = null;
  /** Monotonic instant before which the last confirmed beat was not sent; null while not leading. */
  #confirmedAtMs: number | null = null;
  #cancelTimer: (() => void) | null = null;
  #step: Promise<void> | null = null;
  #isStopped = true;

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  get isHeld(): boolean {
    const confirmedAtMs = this.#confirmedAtMs;
    return confirmedAtMs !== null && this.#options.clock.monotonicMs() - confirmedAtMs < CONFIRMED_MS_MAX;
  }

  start(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#runStep();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#confirmedAtMs = null;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    await this.#step;
    await this.#dropClient();
  }

  #runStep(): void {
    this.#step = this.#takeStep().finally(() => {
      if (this.#isStopped) return;
      this.#cancelTimer = this.#options.clock.setTimer(BEAT_INTERVAL_MS, () => this.#runStep());
    });
  }

  /** Beats as the leader, or tries to become it. Whatever goes wrong costs the connection and so the lead. */
  async #takeStep(): Promise<void> {
    const { clock, log, name, nodeId } = this.#options;
    try {
      const client = this.#client ?? (await this.#connect());
      const sentAtMs = clock.monotonicMs();
      if (this.#confirmedAtMs === null && !(await this.#tryToWin(client))) return;
      await client.query(BEAT, [name, nodeId]);
      if (this.#client !== client || this.#isStopped) return;
      if (this.#confirmedAtMs === null) log.info({ name, nodeId }, "this process leads");
      this.#confirmedAtMs = sentAtMs;
    } catch (error) {
      log.warn({ name, error: error instanceof Error ? error.message : String(error) }, "no word on who leads");
      await this.#dropClient();
    }
  }

  async #tryToWin(client: pg.Client): Promise<boolean> {
    const { log, name } = this.#options;
    const tried = await client.query<{ won: boolean }>(TRY, [name]);
    if (tried.rows[0]?.won === true) return true;
    await client.query(GRACE, [name]);
    const ended = await client.query<{ pid: number; ended: boolean }>(END_FROZEN, [name]);
    for (const { pid } of ended.rows)
      log.warn({ name, pid }, "ended the connection of a leader that stopped answering");
    return false;
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#options.url,
      application_name: `doorbuster-leader-${this.#options.nodeId}`,
      connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
      statement_timeout: ANSWER_TIMEOUT_MS,
      keepAlive: true,
    });
    client.on("error", () => this.#lose(client));
    client.on("end", () => this.#lose(client));
    await client.connect();
    if (this.#isStopped) {
      await client.end();
      throw new Error("stopped while connecting");
    }
    this.#client = client;
    return client;
  }

  /** The server ended the connection, and with it the lock. */
  #lose(client: pg.Client): void {
    if (this.#client !== client) return;
    this.#client = null;
    if (this.#confirmedAtMs !== null)
      this.#options.log.warn({ name: this.#options.name }, "this process leads no more");
    this.#confirmedAtMs = null;
  }

  async #dropClient(): Promise<void> {
    const client = this.#client;
    if (client === null) return;
    this.#lose(client);
    // A connection that is broken already has nothing to say goodbye to.
    await client.end().catch(() => undefined);
  }
}
