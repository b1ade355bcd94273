/**
 * Arming an attempt: before the sale opens a buyer says what he wants, and gets a pass for exactly that.
 *
 * The pass will stand for his signature, so a sale that demands signatures demands one here. Asking again gives an equally
 * good pass and costs nothing, so a replay needs no rule of its own. What is checked is the pass desk's business.
 */
import { isRefusal } from "../../funnel/3-identity/authenticate.ts";
import { PassRequestSchema } from "../contract/schemas.ts";
import type { BuyerAppDependencies } from "./dependencies.ts";
import {
  authenticatedRequest,
  type BuyerHandler,
  readBody,
  refuse,
  requireSession,
  throttledRequest,
} from "./request-context.ts";

/** The handler of `POST /v1/sales/{saleId}/passes`. */
export function createPassHandlers(dependencies: BuyerAppDependencies): Record<"createPass", BuyerHandler> {
  const { catalogue, passes } = dependencies;
  return {
    async createPass(context) {
      const sale = catalogue.findSale(context.req.param("saleId") ?? "");
      if (sale === null) return refuse({ reason: "no_such_sale" });
      const session = requireSession(context, dependencies, { signature: sale.signature });
      if (session instanceof Response) return session;
      const body = await readBody(context, dependencies, { schema: PassRequestSchema });
      if (body instanceof Response) return body;
      const { sku, quantity, idempotencyKey, challenge = null } = body.value;
      const request = { ...authenticatedRequest(context), remoteAddress: throttledRequest(context).remoteAddress };
      const wish = { session, saleId: sale.id, sku, quantity, idempotencyKey, challenge, request };
      const issued = await passes.issue(wish);
      return isRefusal(issued) ? refuse(issued) : Response.json(issued, { status: 201 });
    },
  };
}
