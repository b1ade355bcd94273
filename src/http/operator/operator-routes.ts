/**
 * THE table of the operator API's routes: who may, what is logged, and what takes two people.
 *
 * The gate (gate.ts) reads nothing else, and looks a request up by the very route that will answer it, so no spelling of
 * a path has rules of its own. A route without a row stops the app from being built. The
 * matrix of roles and routes in the tests is written by hand against this table.
 */
import type { z } from "zod";
import type { OperatorRole } from "../../domain/operator-role.ts";
import { NewPersonSchema, PersonPatchSchema, PriceSchema } from "./people-schemas.ts";
import { AdjustSchema, RecoverySchema } from "./schemas.ts";

/** When a signed-in person needs another one's consent; the machine's token never does. */
export type TwoPeopleRule =
  /** From the opening to the end, pauses included. */
  | "running sale"
  /** A person who is given more than he had; taking away must be quick. */
  | "more power"
  | "always";

export interface OperatorRoute {
  /** "anyone" has not signed in yet. */
  readonly role: OperatorRole | "anyone";
  /** Set for routes that change something: these are logged, with their JSON body, or without one that nobody has read yet. */
  readonly changes?: "json" | "unread";
  /** Who may call it when not everybody with the role. */
  readonly only?: "people" | "machine";
  readonly twoPeople?: { readonly rule: TwoPeopleRule; readonly schema: z.ZodType };
  /** Asks a person for a code again when his last proof is too old. */
  readonly needsProof?: true;
}

const READ = { role: "viewer" } as const satisfies OperatorRoute;
const RUN = { role: "operator", changes: "json" } as const satisfies OperatorRoute;
const ANYONE = { role: "anyone" } as const satisfies OperatorRoute;
const OWN_SESSION = { role: "viewer", only: "people" } as const satisfies OperatorRoute;

/** By method and path below /v1/admin. */
export const OPERATOR_ROUTES: Readonly<Record<string, OperatorRoute>> = {
  "GET /sign-in": ANYONE,
  "POST /sign-in": ANYONE,
  "POST /enrolment": ANYONE,
  "POST /enrolment/complete": ANYONE,
  "GET /oidc/start": ANYONE,
  "GET /oidc/callback": ANYONE,
  "GET /me": READ,
  "POST /sign-out": OWN_SESSION,
  "POST /step-up": OWN_SESSION,

  "GET /sales": READ,
  "POST /sales": RUN,
  "GET /sales/:saleId": READ,
  "PATCH /sales/:saleId": RUN,
  "POST /sales/:saleId/warm-up": RUN,
  "POST /sales/:saleId/open": RUN,
  "POST /sales/:saleId/pause": RUN,
  "POST /sales/:saleId/resume": RUN,
  "POST /sales/:saleId/close": RUN,
  "POST /sales/:saleId/items/:sku/adjust": { ...RUN, twoPeople: { rule: "running sale", schema: AdjustSchema } },
  "POST /sales/:saleId/items/:sku/adjust/dry-run": READ,
  "PUT /sales/:saleId/items/:sku/price": { ...RUN, twoPeople: { rule: "running sale", schema: PriceSchema } },
  "GET /sales/:saleId/audit": READ,
  "GET /sales/:saleId/mode-changes": READ,
  "POST /sales/:saleId/recover": {
    role: "owner",
    changes: "json",
    twoPeople: { rule: "always", schema: RecoverySchema },
  },
  "GET /sales/:saleId/stats": READ,
  "GET /sales/:saleId/stats/stream": READ,
  "GET /sales/:saleId/orders": READ,
  "PUT /sales/:saleId/allowlist": { role: "operator", changes: "unread" },
  "GET /bans": READ,
  "POST /bans": RUN,
  "DELETE /bans/:banId": RUN,
  "GET /risk": READ,
  "POST /rehearsals": RUN,
  "DELETE /rehearsals/:id": RUN,
  "GET /rehearsals": READ,
  "GET /rehearsals/:id": READ,
  "GET /webhooks": { role: "operator" },
  "POST /webhooks": { role: "owner", changes: "json" },
  "DELETE /webhooks/:id": { role: "owner", changes: "json" },

  "GET /approvals": READ,
  "POST /approvals/:approvalId/approve": { ...RUN, only: "people", needsProof: true },
  "POST /approvals/:approvalId/reject": { ...RUN, only: "people" },
  "POST /approvals/:approvalId/withdraw": { ...RUN, only: "people" },
  "GET /people": { role: "owner" },
  "POST /people": { role: "owner", changes: "json", twoPeople: { rule: "always", schema: NewPersonSchema } },
  "PATCH /people/:personId": {
    role: "owner",
    changes: "json",
    twoPeople: { rule: "more power", schema: PersonPatchSchema },
  },
  // Whoever could make invitations could be two people himself.
  "POST /people/:personId/invitation": { role: "owner", changes: "json", only: "machine" },
  "GET /log": { role: "owner" },
};
