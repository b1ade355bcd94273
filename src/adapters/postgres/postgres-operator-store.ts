/**
 * People who operate and their sessions, in the tables of migrations/0014_operators.sql: implements OperatorStore.
 *
 * What may be used once is used by an UPDATE that names the state it expects; the row lock decides who was first.
 */
import type { OperatorRole } from "../../domain/operator-role.ts";
import type { Database, Statement } from "../../ports/database.ts";
import type { Credentials, Invitation, OperatorSession, OperatorStore, Person } from "../../ports/operator-store.ts";
import { sqlFailure } from "./database-errors.ts";

const UNIQUE_VIOLATION = "23505";
/** A session's last use is written down no more often than this. */
const SEEN_EVERY_MS = 60_000;

const PERSON = `o.id, o.name, o.role, o.is_active AS "isActive", o.external_id AS "externalId",
  (o.external_id IS NOT NULL OR o.password_hash IS NOT NULL) AS "isEnrolled", o.created_at AS "createdAt"`;
const CREDENTIALS = `SELECT ${PERSON}, o.password_hash AS "passwordHash", o.totp_sealed AS "totpSealed" FROM operator o`;

const ADD: Statement = {
  text: `INSERT INTO operator AS o (id, name, role, external_id, invitation_hash, invitation_expires_at, totp_sealed)
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${PERSON}`,
};
const LIST: Statement = { text: `SELECT ${PERSON} FROM operator o ORDER BY lower(o.name)` };
const FIND: Statement = { text: `SELECT ${PERSON} FROM operator o WHERE o.id = $1` };
const FIND_EXTERNAL: Statement = { text: `SELECT ${PERSON} FROM operator o WHERE o.external_id = $1` };
const BY_NAME: Statement = { text: `${CREDENTIALS} WHERE lower(o.name) = lower($1)` };
const BY_ID: Statement = { text: `${CREDENTIALS} WHERE o.id = $1` };
const BY_INVITATION: Statement = {
  text: `${CREDENTIALS} WHERE o.invitation_hash = $1 AND o.invitation_expires_at > $2 AND o.is_active`,
};
const CHANGE: Statement = {
  text: `UPDATE operator o SET role = coalesce($2, o.role), is_active = coalesce($3::boolean, o.is_active),
           invitation_hash = CASE WHEN $3 THEN o.invitation_hash WHEN $3 IS NULL THEN o.invitation_hash END,
           invitation_expires_at = CASE WHEN $3 THEN o.invitation_expires_at
                                        WHEN $3 IS NULL THEN o.invitation_expires_at END
         WHERE o.id = $1 RETURNING ${PERSON}`,
};
const INVITE: Statement = {
  text: `UPDATE operator o SET password_hash = NULL, totp_sealed = $4, totp_step = 0, invitation_hash = $2,
           invitation_expires_at = $3 WHERE o.id = $1 AND o.external_id IS NULL RETURNING o.id`,
};
const ENROL: Statement = {
  text: `UPDATE operator o SET password_hash = $2, totp_step = $3, invitation_hash = NULL, invitation_expires_at = NULL
         WHERE o.invitation_hash = $1 AND o.invitation_expires_at > $4 AND o.is_active RETURNING ${PERSON}`,
};
const CLAIM_STEP: Statement = {
  text: "UPDATE operator SET totp_step = $2 WHERE id = $1 AND totp_step < $2 RETURNING id",
};
const RESEAL: Statement = { text: "UPDATE operator SET totp_sealed = $2 WHERE id = $1 AND totp_sealed IS NOT NULL" };
const END_SESSIONS: Statement = { text: "DELETE FROM operator_session WHERE operator_id = $1" };

/** Opening one also clears away those that are over: nobody else does. */
const OPEN_SESSION: Statement = {
  text: `WITH over AS (DELETE FROM operator_session WHERE expires_at <= $3)
         INSERT INTO operator_session (token_hash, operator_id, created_at, seen_at, proven_at, expires_at)
         VALUES ($1, $2, $3, $3, $3, $4)`,
};
const FIND_SESSION: Statement = {
  name: "find_operator_session",
  text: `SELECT ${PERSON}, s.proven_at AS "provenAt", s.expires_at AS "expiresAt", s.seen_at AS "seenAt"
           FROM operator_session s JOIN operator o ON o.id = s.operator_id
          WHERE s.token_hash = $1 AND s.expires_at > $2 AND s.seen_at > $3 AND o.is_active`,
};
const SEE_SESSION: Statement = { text: "UPDATE operator_session SET seen_at = $2 WHERE token_hash = $1" };
const PROVE_SESSION: Statement = { text: "UPDATE operator_session SET proven_at = $2 WHERE token_hash = $1" };
const END_SESSION: Statement = { text: "DELETE FROM operator_session WHERE token_hash = $1" };

type CredentialsRow = Person & Omit<Credentials, "person">;

/** `implements OperatorStore`. */
export class PostgresOperatorStore implements OperatorStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async addPerson(person: {
    id: string;
    name: string;
    role: OperatorRole;
    externalId: string | null;
    invitation: Invitation | null;
  }): Promise<Person | "taken"> {
    const { id, name, role, externalId, invitation } = person;
    const secrets = [invitation?.hash ?? null, invitation?.expiresAt ?? null, invitation?.totpSealed ?? null];
    try {
      const [row] = await this.#database.query<Person>(ADD, [id, name, role, externalId, ...secrets]);
      return row ?? "taken";
    } catch (error) {
      if (sqlFailure(error)?.sqlState === UNIQUE_VIOLATION) return "taken";
      throw error;
    }
  }

  listPeople(): Promise<readonly Person[]> {
    return this.#database.query<Person>(LIST);
  }

  async findPerson(id: string): Promise<Person | null> {
    return (await this.#database.query<Person>(FIND, [id]))[0] ?? null;
  }

  async findCredentials(name: string): Promise<Credentials | null> {
    return toCredentials(await this.#database.query<CredentialsRow>(BY_NAME, [name]));
  }

  async findCredentialsOf(id: string): Promise<Credentials | null> {
    return toCredentials(await this.#database.query<CredentialsRow>(BY_ID, [id]));
  }

  async findExternal(externalId: string): Promise<Person | null> {
    return (await this.#database.query<Person>(FIND_EXTERNAL, [externalId]))[0] ?? null;
  }

  async changePerson(change: {
    id: string;
    role?: OperatorRole | undefined;
    isActive?: boolean | undefined;
  }): Promise<Person | null> {
    const { id, role = null, isActive = null } = change;
    return this.#database.transaction(async (connection) => {
      const [row] = await connection.query<Person>(CHANGE, [id, role, isActive]);
      if (isActive === false) await connection.query(END_SESSIONS, [id]);
      return row ?? null;
    });
  }

  async findInvitation(hash: string, nowMs: number): Promise<Credentials | null> {
    return toCredentials(await this.#database.query<CredentialsRow>(BY_INVITATION, [hash, nowMs]));
  }

  async invite(id: string, invitation: Invitation): Promise<boolean> {
    return this.#database.transaction(async (connection) => {
      const values = [id, invitation.hash, invitation.expiresAt, invitation.totpSealed];
      const invited = await connection.query(INVITE, values);
      await connection.query(END_SESSIONS, invited.length === 1 ? [id] : [""]);
      return invited.length === 1;
    });
  }

  async enrol(enrolment: {
    invitationHash: string;
    passwordHash: string;
    totpStep: number;
    nowMs: number;
  }): Promise<Person | null> {
    const { invitationHash, passwordHash, totpStep, nowMs } = enrolment;
    return (await this.#database.query<Person>(ENROL, [invitationHash, passwordHash, totpStep, nowMs]))[0] ?? null;
  }

  async claimTotpStep(id: string, step: number): Promise<boolean> {
    return (await this.#database.query(CLAIM_STEP, [id, step])).length === 1;
  }

  async resealTotp(id: string, totpSealed: string): Promise<void> {
    await this.#database.query(RESEAL, [id, totpSealed]);
  }

  async openSession(session: { tokenHash: string; personId: string; nowMs: number; expiresAt: number }): Promise<void> {
    const { tokenHash, personId, nowMs, expiresAt } = session;
    await this.#database.query(OPEN_SESSION, [tokenHash, personId, nowMs, expiresAt]);
  }

  async findSession(request: {
    tokenHash: string;
    nowMs: number;
    idleMsMax: number;
    isUse: boolean;
  }): Promise<OperatorSession | null> {
    const { tokenHash, nowMs, idleMsMax, isUse } = request;
    const values = [tokenHash, nowMs, nowMs - idleMsMax];
    const [row] = await this.#database.query<Person & Omit<OperatorSession, "person"> & { seenAt: number }>(
      FIND_SESSION,
      values,
    );
    if (row === undefined) return null;
    const { provenAt, expiresAt, seenAt, ...person } = row;
    if (isUse && nowMs - seenAt > SEEN_EVERY_MS) await this.#database.query(SEE_SESSION, [tokenHash, nowMs]);
    return { person, provenAt, expiresAt };
  }

  async proveSession(tokenHash: string, nowMs: number): Promise<void> {
    await this.#database.query(PROVE_SESSION, [tokenHash, nowMs]);
  }

  async endSession(tokenHash: string): Promise<void> {
    await this.#database.query(END_SESSION, [tokenHash]);
  }
}

function toCredentials([row]: readonly CredentialsRow[]): Credentials | null {
  if (row === undefined) return null;
  const { passwordHash, totpSealed, ...person } = row;
  return { person, passwordHash, totpSealed };
}
