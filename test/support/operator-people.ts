/**
 * People at the operator app of a test: made in the store, signed in by a session of theirs, asking as the console does.
 */
import type { OperatorRole } from "../../src/domain/operator-role.ts";
import { hashOfToken } from "../../src/http/operator/actor.ts";
import type { RequestOptions, Staged } from "./operator-app.ts";

const HOST = "operator.test";
const HOUR_MS = 3_600_000;

/** Somebody who signed in. */
export interface SignedIn {
  readonly id: string;
  readonly cookie: string;
  /** As the console's page asks. */
  request(method: string, path: string, options?: RequestOptions): Promise<Response>;
}

/** The headers of a request that our own page sends with a session's cookie. */
export function pageHeaders(cookie: string): Record<string, string> {
  return { cookie, host: HOST, origin: `http://${HOST}`, "sec-fetch-site": "same-origin" };
}

/** Adds a person with a session. */
export async function signInAs(staged: Staged, role: OperatorRole, id: string = role): Promise<SignedIn> {
  const { people } = staged.operators;
  const added = await people.addPerson({ id, name: `${id} person`, role, externalId: `idp-${id}`, invitation: null });
  if (added === "taken") throw new Error(`${id} is taken`);
  const token = `session-token-of-${id}`;
  const nowMs = staged.clock.nowMs();
  await people.openSession({ tokenHash: hashOfToken(token), personId: id, nowMs, expiresAt: nowMs + 12 * HOUR_MS });
  const cookie = `__Host-doorbuster-operator=${token}`;
  return {
    id,
    cookie,
    request: (method, path, options = {}) =>
      staged.request(method, `/v1/admin${path}`, {
        ...options,
        token: null,
        headers: { ...pageHeaders(cookie), ...options.headers },
      }),
  };
}
