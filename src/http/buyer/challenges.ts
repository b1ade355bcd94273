/**
 * Challenges ahead of time: a buyer takes one before the sale opens, solves it, and turns the solution into a clearance.
 *
 * With a clearance the opening click stays one small request. Both routes ask who is asking, because a challenge belongs to
 * a session. Handing the same solution in twice is refused by the challenge itself, so a replay needs no rule of its own.
 */

import { ClearanceRequestSchema } from "../contract/schemas.ts";
import type { BuyerAppDependencies } from "./dependencies.ts";
import { type BuyerHandler, readBody, refuse, refuseMalformed, requireSession } from "./request-context.ts";

/** The handlers of `GET /v1/challenges/new` and `POST /v1/challenges`. */
export function createChallengeHandlers(
  dependencies: BuyerAppDependencies,
): Record<"createChallenge" | "solveChallenge", BuyerHandler> {
  const { challenges, catalogue, clock, risk } = dependencies;
  return {
    createChallenge(context) {
      const [saleId, second] = context.req.queries("saleId") ?? [];
      if (saleId === undefined || second !== undefined) return refuseMalformed("One saleId is needed in the query.");
      const kind = context.req.query("kind");
      if (kind !== undefined && !challenges.offers(kind)) return refuseMalformed("There is no such kind of challenge.");
      const sale = catalogue.findSale(saleId);
      if (sale === null) return refuse({ reason: "no_such_sale" });
      const session = requireSession(context, dependencies);
      if (session instanceof Response) return session;
      const challenge = challenges.giveAhead({ sale, session, kind, nowMs: clock.nowMs() });
      return Response.json({ saleId: sale.id, challenge: challenge ?? "none" });
    },

    async solveChallenge(context) {
      const session = requireSession(context, dependencies);
      if (session instanceof Response) return session;
      const body = await readBody(context, dependencies, { schema: ClearanceRequestSchema });
      if (body instanceof Response) return body;
      const { saleId, token, solution } = body.value;
      const sale = catalogue.findSale(saleId);
      if (sale === null) return refuse({ reason: "no_such_sale" });
      const cleared = await challenges.clear({ sale, session, solution: { token, solution }, nowMs: clock.nowMs() });
      if ("reason" in cleared) {
        risk.refused(session, cleared);
        return refuse(cleared);
      }
      const { clearance, expiresAt } = cleared;
      return Response.json({ saleId: sale.id, clearance, expiresAt }, { status: 201 });
    },
  };
}
