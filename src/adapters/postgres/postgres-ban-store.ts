/**
 * Bans by hand and by rule, cool-downs and risk reports, in the tables and functions of migrations/0013_bans.sql.
 *
 * Every change of a ban raises one revision and is announced, by a trigger; nothing here need think of it.
 */
import { Fault } from "../../domain/faults.ts";
import type { AutomaticBan, BanStore, StoredRiskReport } from "../../ports/ban-store.ts";
import type { Database } from "../../ports/database.ts";
import type { Ban, NewBan, SaleStore } from "../../ports/sale-store.ts";

/** A ban as the table has it. */
interface BanRow extends Omit<Ban, "createdAt" | "expiresAt"> {
  readonly created_at: number;
  readonly expires_at: number | null;
}

const BAN_COLUMNS = "id, kind, subject, reason, effect, origin, created_at, expires_at";

function toBan(row: BanRow): Ban {
  const { id, kind, subject, reason, effect, origin, created_at: createdAt, expires_at: expiresAt } = row;
  return { id, kind, subject, reason, effect, origin, createdAt, expiresAt };
}

const INSERT = {
  text: `INSERT INTO ban (id, kind, subject, reason, effect, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
         RETURNING ${BAN_COLUMNS}`,
};
const LIST = {
  name: "list_bans",
  text: `SELECT ${BAN_COLUMNS} FROM ban WHERE lifted_at IS NULL AND (expires_at IS NULL OR expires_at > now_ms())
          ORDER BY created_at DESC, id`,
};
const LIFT = {
  text: `UPDATE ban SET lifted_at = now_ms()
          WHERE id = $1 AND lifted_at IS NULL AND (expires_at IS NULL OR expires_at > now_ms()) RETURNING id`,
};
const REVISION = { name: "ban_revision", text: "SELECT revision FROM ban_revision" };
const BAN = {
  name: "ban_automatically",
  text: `SELECT ${BAN_COLUMNS} FROM ban_automatically($1, $2, $3, $4, $5, $6, $7)`,
};
const COOL_DOWN = { name: "apply_cool_downs", text: "SELECT apply_cool_downs($1, $2, $3) AS looked" };
const FORGET = [
  "DELETE FROM ban WHERE coalesce(lifted_at, expires_at) < now_ms() - $1",
  "DELETE FROM dropped_hold WHERE at < now_ms() - $1",
  "DELETE FROM risk_report WHERE at < now_ms() - $1",
] as const;
const WRITE_REPORT = {
  name: "write_risk_report",
  text: `INSERT INTO risk_report (run_id, report, counts) VALUES ($1, $2::jsonb, $3::jsonb)
         ON CONFLICT (run_id) DO UPDATE SET report = excluded.report, counts = excluded.counts, at = now_ms()`,
};
const READ_COUNTS = {
  name: "read_risk_counts",
  text: "SELECT counts FROM risk_report WHERE run_id <> $1 AND at >= now_ms() - $2",
};
const READ_REPORTS = {
  name: "read_risk_reports",
  text: `SELECT run_id AS "runId", at, report FROM risk_report WHERE at >= now_ms() - $1 ORDER BY at DESC, run_id`,
};

/** `implements BanStore`, and the bans of `SaleStore`. */
export class PostgresBanStore
  implements BanStore, Pick<SaleStore, "createBan" | "listBans" | "deleteBan" | "banRevision">
{
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async createBan(ban: NewBan): Promise<Ban> {
    const values = [ban.id, ban.kind, ban.subject, ban.reason, ban.effect ?? "refuse", ban.expiresAt];
    const [row] = await this.#database.query<BanRow>(INSERT, values);
    if (row === undefined) throw new Fault("DATABASE_REFUSED", { internal: "a ban was not written" });
    return toBan(row);
  }

  async listBans(): Promise<readonly Ban[]> {
    return (await this.#database.query<BanRow>(LIST)).map(toBan);
  }

  async deleteBan(id: string): Promise<boolean> {
    return (await this.#database.query(LIFT, [id])).length === 1;
  }

  async banRevision(): Promise<number> {
    const [row] = await this.#database.query<{ revision: number }>(REVISION);
    return row?.revision ?? 0;
  }

  async banAutomatically(ban: AutomaticBan): Promise<Ban | null> {
    const values = [ban.id, ban.kind, ban.subject, ban.reason, ban.banMs, ban.banMsMax, ban.windowMs];
    const [row] = await this.#database.query<BanRow>(BAN, values);
    return row === undefined ? null : toBan(row);
  }

  async coolDown(request: { rowsMax: number; windowMs: number; coolDownMsMax: number }): Promise<number> {
    const values = [request.rowsMax, request.windowMs, request.coolDownMsMax];
    const [row] = await this.#database.query<{ looked: number }>(COOL_DOWN, values);
    return row?.looked ?? 0;
  }

  async forget(request: { banAgeMsMin: number; dropAgeMsMin: number; reportAgeMsMin: number }): Promise<void> {
    const ages = [request.banAgeMsMin, request.dropAgeMsMin, request.reportAgeMsMin];
    for (const [index, text] of FORGET.entries()) await this.#database.query({ text }, [ages[index] ?? 0]);
  }

  async writeReport({ runId, report, counts }: { runId: string; report: unknown; counts: unknown }): Promise<void> {
    await this.#database.query(WRITE_REPORT, [runId, JSON.stringify(report), JSON.stringify(counts)]);
  }

  async readCounts<Counts>(request: { exceptRunId: string; ageMsMax: number }): Promise<readonly Counts[]> {
    const values = [request.exceptRunId, request.ageMsMax];
    return (await this.#database.query<{ counts: Counts }>(READ_COUNTS, values)).map(({ counts }) => counts);
  }

  async readReports(request: { ageMsMax: number }): Promise<readonly StoredRiskReport[]> {
    return this.#database.query<StoredRiskReport>(READ_REPORTS, [request.ageMsMax]);
  }
}
