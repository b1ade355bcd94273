/**
 * What an operator may do, as three roles of which each includes the one before.
 *
 * A viewer reads, an operator runs sales, an owner also decides about people and about what cannot be taken back. Which
 * route needs which is http/operator/operator-routes.ts.
 */

/** From least to most. */
export const OPERATOR_ROLES = ["viewer", "operator", "owner"] as const;
export type OperatorRole = (typeof OPERATOR_ROLES)[number];

/** True when whoever has `role` may do what `needed` may. */
export function includesRole(role: OperatorRole, needed: OperatorRole): boolean {
  return OPERATOR_ROLES.indexOf(role) >= OPERATOR_ROLES.indexOf(needed);
}
