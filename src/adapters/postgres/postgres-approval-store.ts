/**
 * Changes that wait for a second person, in the table of migrations/0016_approvals.sql: implements ApprovalStore.
 *
 * That nobody decides about his own request is a CHECK of the table as well: a bug here could not make one person two.
 */
import type { OperatorRole } from "../../domain/operator-role.ts";
import type { Approval, ApprovalState, ApprovalStore, RequestedCall } from "../../ports/approval-store.ts";
import type { Database, Statement } from "../../ports/database.ts";

const SELECT = `SELECT a.id, a.method, a.path, a.body, a.digest, a.requested_at AS "requestedAt",
    a.expires_at AS "expiresAt", a.role, a.state, a.decided_at AS "decidedAt", a.outcome,
    json_build_object('id', a.requested_by, 'name', r.name) AS "requestedBy",
    CASE WHEN a.decided_by IS NOT NULL THEN json_build_object('id', a.decided_by, 'name', d.name) END AS "decidedBy"
  FROM approval a JOIN operator r ON r.id = a.requested_by LEFT JOIN operator d ON d.id = a.decided_by`;

const INSERT: Statement = {
  text: `INSERT INTO approval (id, requested_by, requested_at, expires_at, role, method, path, body, digest)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
};
const FIND: Statement = { text: `${SELECT} WHERE a.id = $1` };
const LIST: Statement = { text: `${SELECT} ORDER BY a.requested_at DESC, a.id LIMIT $1` };
/** Expired requests can still be taken back, which says no more than that they will not be made. */
const DECIDE: Statement = {
  text: `UPDATE approval SET state = $3, decided_by = $2, decided_at = $4
          WHERE id = $1 AND state = 'waiting' AND (requested_by = $2) = ($3 = 'withdrawn')
            AND (expires_at > $4 OR $3 = 'withdrawn')
          RETURNING id`,
};
const FINISH: Statement = { text: "UPDATE approval SET outcome = $2 WHERE id = $1 AND outcome IS NULL" };

/** `implements ApprovalStore`. */
export class PostgresApprovalStore implements ApprovalStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async request(
    call: RequestedCall & { id: string; requestedBy: string; role: OperatorRole; nowMs: number; expiresAt: number },
  ): Promise<Approval> {
    const { id, requestedBy, role, nowMs, expiresAt, method, path, body, digest } = call;
    await this.#database.query(INSERT, [id, requestedBy, nowMs, expiresAt, role, method, path, body, digest]);
    const made = await this.find(id);
    if (made === null) throw new Error("an approval was not written");
    return made;
  }

  list(request: { rowsMax: number }): Promise<readonly Approval[]> {
    return this.#database.query<Approval>(LIST, [request.rowsMax]);
  }

  async find(id: string): Promise<Approval | null> {
    return (await this.#database.query<Approval>(FIND, [id]))[0] ?? null;
  }

  async decide(decision: {
    id: string;
    by: string;
    state: Exclude<ApprovalState, "waiting">;
    nowMs: number;
  }): Promise<boolean> {
    const { id, by, state, nowMs } = decision;
    return (await this.#database.query(DECIDE, [id, by, state, nowMs])).length === 1;
  }

  async finish(id: string, outcome: number): Promise<void> {
    await this.#database.query(FINISH, [id, outcome]);
  }
}
