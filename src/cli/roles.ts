/**
 * The roles a node can have; a deployment may split them over processes, one process may have them all.
 */
import { InvalidArgumentError } from "commander";

export const ROLES = ["api", "worker", "admin"] as const;
/** "api" answers buyers, "worker" ends holds and settles payments, "admin" serves operators. */
export type Role = (typeof ROLES)[number];

/** `api,worker` → roles, each once. Throws for a word that is no role. */
export function parseRoles(text: string): readonly Role[] {
  const words = text.split(",").map((word) => word.trim());
  const roles = ROLES.filter((role) => words.includes(role));
  const isEachKnown = words.every((word) => ROLES.some((role) => role === word));
  if (!isEachKnown || roles.length === 0) {
    throw new InvalidArgumentError(`Accepted: ${ROLES.join(", ")}, comma-separated.`);
  }
  return roles;
}
