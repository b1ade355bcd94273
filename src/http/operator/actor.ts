/**
 * Who makes a request of the operator API: a signed-in person, or a machine with ADMIN_TOKEN, which is an owner.
 *
 * The token is not a person: it approves nothing, and rules about two people do not bind it. Whoever holds it has the
 * server's own configuration and could do anything else there as well.
 */
import { hash } from "node:crypto";
import type { OperatorRole } from "../../domain/operator-role.ts";

export interface PersonActor {
  readonly kind: "person";
  readonly id: string;
  readonly name: string;
  readonly role: OperatorRole;
  /** When he last proved himself. */
  readonly provenAt: number;
  /** Of his session; null while an approved request of his is made. */
  readonly sessionHash: string | null;
}

export type Actor = PersonActor | { readonly kind: "machine"; readonly role: "owner" };

export const MACHINE: Actor = { kind: "machine", role: "owner" };

/** How the database knows a secret that we hand out: session tokens and invitations. */
export function hashOfToken(token: string): string {
  return hash("sha256", token, "base64url");
}
