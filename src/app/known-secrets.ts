/**
 * A node's secrets as its database may know them, and `doorbuster keys adopt`: a secret that follows no other.
 */
import { createLog } from "../adapters/local/log.ts";
import { readDeploymentId } from "../adapters/postgres/deployment-id.ts";
import { adoptSecret, type KnownSecret, type OwnSecrets } from "../adapters/postgres/deployment-keys.ts";
import type { Settings } from "../config/load.ts";
import { deriveKeys, fingerprintOf, type Keys } from "../funnel/3-identity/keys.ts";
import type { Database } from "../ports/database.ts";
import { openDatabase } from "./storage.ts";

/** Needs the migrations; throws the database's faults. */
export async function knownSecrets(keys: Keys, database: Database): Promise<OwnSecrets> {
  const deployment = await readDeploymentId(database);
  const known = (one: Keys): KnownSecret => ({ kid: one.kid, fingerprint: fingerprintOf(one, deployment) });
  return { current: known(keys), previous: keys.previous === null ? null : known(keys.previous) };
}

/**
 * Makes SECRET the deployment's, whatever it was before; answers its kid, and whether that changed anything. Throws the
 * database's faults.
 */
export async function adoptDeploymentSecret(
  settings: Settings & { readonly secret: string },
): Promise<{ readonly kid: string; readonly isNew: boolean }> {
  const log = createLog({ level: settings.logLevel });
  const database = await openDatabase(settings, log);
  try {
    const { current } = await knownSecrets(deriveKeys(settings.secret, null), database.general);
    return { kid: current.kid, isNew: await adoptSecret(database.general, current) };
  } finally {
    await database.close();
    await log.flush();
  }
}
