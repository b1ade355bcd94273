/**
 * The addresses that are told about reservations, in PostgreSQL: implements WebhookStore over `webhook_endpoint`.
 *
 * A claim is a name and an instant in the row itself: it needs no connection of its own, and a process that died or froze
 * loses it by the database's clock.
 */
import type { Database } from "../../ports/database.ts";
import type { EventCursor } from "../../ports/event-log.ts";
import type { ClaimedEndpoint, WebhookClaim, WebhookEndpoint, WebhookStore } from "../../ports/webhook-store.ts";

const COLUMNS = `id, url, created_at AS "createdAt", failures_in_row AS "failuresInRow", last_failure AS "lastFailure",
  delivered_at AS "deliveredAt"`;

const CREATE = {
  text: `INSERT INTO webhook_endpoint (id, url) SELECT $1, $2 WHERE (SELECT count(*) FROM webhook_endpoint) < $3
         RETURNING ${COLUMNS}`,
};
const LIST = { text: `SELECT ${COLUMNS} FROM webhook_endpoint ORDER BY created_at, id` };
const DELETE = { text: "DELETE FROM webhook_endpoint WHERE id = $1 RETURNING id" };
const CLAIM = {
  name: "claim_webhook",
  text: `UPDATE webhook_endpoint SET claimant = $1, claimed_until = now_ms() + $2::bigint
          WHERE id = (SELECT id FROM webhook_endpoint WHERE due_at <= now_ms() AND claimed_until <= now_ms()
                       ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id, url, cursor_tx::text AS transaction, cursor_row::text AS row, failures_in_row AS "failuresInRow"`,
};
const ADVANCE = {
  name: "advance_webhook",
  text: `UPDATE webhook_endpoint SET cursor_tx = $3::text::xid8, cursor_row = $4::bigint, failures_in_row = 0,
            last_failure = NULL, delivered_at = now_ms(), claimed_until = now_ms() + $5::bigint
          WHERE id = $1 AND claimant = $2 AND claimed_until > now_ms() RETURNING id`,
};
const RELEASE = {
  name: "release_webhook",
  text: `UPDATE webhook_endpoint SET claimant = NULL, claimed_until = 0, due_at = now_ms() + $3::bigint,
            last_failure = coalesce($4::text, last_failure),
            failures_in_row = failures_in_row + CASE WHEN $4::text IS NULL THEN 0 ELSE 1 END
          WHERE id = $1 AND claimant = $2`,
};

type ClaimRow = Omit<ClaimedEndpoint, "cursor"> & EventCursor;

/** See the file comment. */
export class PostgresWebhookStore implements WebhookStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async createEndpoint(request: { id: string; url: string; endpointsMax: number }): Promise<WebhookEndpoint | null> {
    const values = [request.id, request.url, request.endpointsMax];
    const [made] = await this.#database.query<WebhookEndpoint>(CREATE, values);
    return made ?? null;
  }

  async listEndpoints(): Promise<readonly WebhookEndpoint[]> {
    return await this.#database.query<WebhookEndpoint>(LIST);
  }

  async deleteEndpoint(id: string): Promise<boolean> {
    return (await this.#database.query(DELETE, [id])).length > 0;
  }

  async claim(request: { claimant: string; claimMs: number }): Promise<ClaimedEndpoint | null> {
    const [row] = await this.#database.query<ClaimRow>(CLAIM, [request.claimant, request.claimMs]);
    if (row === undefined) return null;
    const { transaction, row: position, ...endpoint } = row;
    return { ...endpoint, cursor: { transaction, row: position } };
  }

  async advance(claim: WebhookClaim & { cursor: EventCursor; claimMs: number }): Promise<boolean> {
    const { id, claimant, cursor, claimMs } = claim;
    const values = [id, claimant, cursor.transaction, cursor.row, claimMs];
    return (await this.#database.query(ADVANCE, values)).length > 0;
  }

  async release(claim: WebhookClaim & { failure: string | null; dueInMs: number }): Promise<void> {
    await this.#database.query(RELEASE, [claim.id, claim.claimant, claim.dueInMs, claim.failure]);
  }
}
