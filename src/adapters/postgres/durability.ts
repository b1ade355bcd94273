/**
 * Whether PostgreSQL keeps what it confirmed: looked at on every new connection, in the one round trip it costs.
 *
 * Everything else here rests on a COMMIT being on disk. A server with `fsync` or `full_page_writes` off forgets or
 * garbles it when the power fails, so it is not used unless LEDGER_DURABILITY=everysec says that less is enough.
 * `synchronous_commit` is ours to choose: `off` becomes `on` for our sessions; what asks for more, or for `local`, stays.
 */
import { Fault } from "../../domain/faults.ts";
import type { Log } from "../../ports/telemetry.ts";

/** The question, and in the same statement the session's own `synchronous_commit`. */
const LOOK = `SELECT current_setting('fsync') AS "fsync", current_setting('full_page_writes') AS "fullPageWrites",
  CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END`;

interface LookRow {
  readonly fsync: string;
  readonly fullPageWrites: string;
}

/** What a new connection can be asked with; `pg.Client` fits. */
export interface Askable {
  query(text: string): Promise<{ readonly rows: readonly unknown[] }>;
}

/** One per process and server. See the head of this file. */
export class PostgresDurability {
  readonly #accepted: "always" | "everysec";
  readonly #log: Log;
  #weakness: string | null = null;

  constructor(options: { readonly accepted: "always" | "everysec"; readonly log: Log }) {
    this.#accepted = options.accepted;
    this.#log = options.log;
  }

  /** Why the server may forget, in words for the operator, as the last new connection found it; null when it does not. */
  get weakness(): string | null {
    return this.#weakness;
  }

  /** Whether the server is used all the same. */
  get isAccepted(): boolean {
    return this.#weakness === null || this.#accepted === "everysec";
  }

  /** Looks over a new connection before anybody uses it. Throws DATABASE_UNSAFE for a server that may not be used. */
  async look(connection: Askable): Promise<void> {
    const { rows } = await connection.query(LOOK);
    const weakness = weaknessOf(rows[0] as LookRow);
    const isNews = weakness !== this.#weakness;
    this.#weakness = weakness;
    if (!this.isAccepted) throw new Fault("DATABASE_UNSAFE", { internal: weakness ?? "" });
    if (!isNews) return;
    if (weakness === null) this.#log.info({}, "PostgreSQL keeps what it confirms again");
    else this.#log.warn({ weakness }, "PostgreSQL may forget what it confirmed, as LEDGER_DURABILITY allows");
  }
}

function weaknessOf({ fsync, fullPageWrites }: LookRow): string | null {
  const off = [...(fsync === "off" ? ["fsync"] : []), ...(fullPageWrites === "off" ? ["full_page_writes"] : [])];
  return off.length === 0 ? null : `${off.join(" and ")} ${off.length === 1 ? "is" : "are"} off`;
}
