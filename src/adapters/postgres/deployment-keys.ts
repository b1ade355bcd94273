/**
 * Which SECRET this deployment signs with, as fingerprints in its database: a node that has another one is found out.
 *
 * With a SECRET of its own a node works and is useless to the others: its sessions, passes and receipts are forgeries to
 * them. The rule is one: a node must know the youngest secret, as SECRET or as SECRET_PREVIOUS. Bringing in a new one
 * therefore works node by node, in the steps of docs/operating/operators.md; only the first node and `doorbuster keys
 * adopt` put a secret in use that follows no other.
 */
import { Fault } from "../../domain/faults.ts";
import type { Database, SqlConnection } from "../../ports/database.ts";

/** A secret as it may be shown: what its sessions' ids begin with, and a code under it over the deployment's name. */
export interface KnownSecret {
  readonly kid: string;
  readonly fingerprint: string;
}

/** Any number that nobody else in the database uses: "keys" in ASCII. */
const KEYS_LOCK = 0x6b657973;
const LOCK = { text: `SELECT pg_advisory_xact_lock(${KEYS_LOCK})` };
const READ = { text: "SELECT kid, fingerprint FROM deployment_key ORDER BY generation" };
const ADD = { text: "INSERT INTO deployment_key (kid, fingerprint) VALUES ($1, $2)" };

const ROTATION = 'docs/operating/operators.md, "Another SECRET"';

/** What a node was started with. */
export interface OwnSecrets {
  readonly current: KnownSecret;
  readonly previous: KnownSecret | null;
}

/** Checks the node's secrets, and notes a new one that follows the youngest. Throws SECRET_MISMATCH. */
export async function joinDeployment(database: Database, own: OwnSecrets): Promise<void> {
  const known = await database.query<KnownSecret>(READ);
  if (isSame(known.at(-1), own.current)) return;
  await database.transaction(async (connection) => {
    await connection.query(LOCK);
    const settled = await connection.query<KnownSecret>(READ);
    const contradiction = findContradiction(settled, own);
    if (contradiction !== null) throw new Fault("SECRET_MISMATCH", { internal: contradiction });
    // Between the steps of a change nodes of either secret start; only one that is new is noted.
    if (!settled.some((one) => isSame(one, own.current))) await add(connection, own.current);
  });
}

/** Puts a secret in use that follows no other: everything that was signed before is over. False: it was the youngest. */
export async function adoptSecret(database: Database, secret: KnownSecret): Promise<boolean> {
  return database.transaction(async (connection) => {
    await connection.query(LOCK);
    const known = await connection.query<KnownSecret>(READ);
    if (isSame(known.at(-1), secret)) return false;
    await add(connection, secret);
    return true;
  });
}

/** What is wrong with the node's secrets, in words that name the variable; null when nothing is. */
export function findContradiction(known: readonly KnownSecret[], { current, previous }: OwnSecrets): string | null {
  const youngest = known.at(-1);
  if (youngest === undefined || isSame(youngest, current)) return null;
  if (previous !== null && isSame(youngest, previous)) return null;
  const isOlder = known.some((one) => isSame(one, current));
  const own = `SECRET here has the kid ${current.kid}, the deployment's the kid ${youngest.kid}`;
  if (isOlder) {
    return `${own}. SECRET is one that was replaced: set it to the one that the other nodes have; while it is being changed, set SECRET_PREVIOUS to the other of the two. See ${ROTATION}`;
  }
  if (previous !== null) {
    return `${own}, SECRET_PREVIOUS here the kid ${previous.kid}. Neither is the one that the other nodes have: a new SECRET needs that one as SECRET_PREVIOUS. See ${ROTATION}`;
  }
  return `${own}. Set SECRET to the one that the other nodes have. To change it, set SECRET_PREVIOUS to that one while both are in use: ${ROTATION}. To give up all that was signed with it, run "doorbuster keys adopt" with the new SECRET and restart every node`;
}

async function add(connection: SqlConnection, { kid, fingerprint }: KnownSecret): Promise<void> {
  await connection.query(ADD, [kid, fingerprint]);
}

function isSame(one: KnownSecret | undefined, other: KnownSecret): boolean {
  return one !== undefined && one.fingerprint === other.fingerprint;
}
