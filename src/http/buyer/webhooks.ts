/**
 * Notifications of payment providers: the raw body goes to the settlement, which checks the signature over it.
 *
 * The body is not parsed here and never re-serialised: the signature covers the bytes as they came. 204 says "send it no
 * more"; everything else makes the provider send it again, which is right for every fault of ours.
 */
import { isFault } from "../../domain/faults.ts";
import { problemResponse } from "../problem.ts";
import { readRequestBody } from "../request-body.ts";
import type { BuyerAppDependencies } from "./dependencies.ts";
import { QuietLog } from "./quiet-log.ts";
import { type BuyerHandler, refuse, refuseMalformed } from "./request-context.ts";

const PROVIDER_PATTERN = /^[a-z]{1,16}$/;

/** The handler of `POST /v1/webhooks/payments/{provider}`. */
export function createWebhookHandlers(
  dependencies: BuyerAppDependencies,
): Record<"receivePaymentNotification", BuyerHandler> {
  const { settlement, clock } = dependencies;
  const quietLog = new QuietLog(dependencies);
  return {
    async receivePaymentNotification(context) {
      const provider = context.req.param("provider") ?? "";
      if (!PROVIDER_PATTERN.test(provider)) return problemResponse("not_found");
      const body = await readRequestBody(context.req.raw, clock);
      if (body.kind === "refused") return refuse({ reason: body.reason, extra: { detail: body.detail } });
      const text = Buffer.from(body.bytes).toString("utf8");
      // Bytes that are not UTF-8 would be changed by decoding; no provider sends them and none could have signed the text.
      if (!Buffer.from(text, "utf8").equals(body.bytes)) return refuseMalformed("The body is not UTF-8.");
      try {
        const outcome = await settlement.notified(provider, text, Object.fromEntries(context.req.raw.headers));
        return outcome.kind === "taken" ? new Response(null, { status: 204 }) : problemResponse("not_found");
      } catch (error) {
        if (!isFault(error, "NOTIFICATION_FORGED")) throw error;
        quietLog.warn("forged", { provider }, "a payment notification was not signed by its provider");
        return refuse({ reason: "signature_invalid" });
      }
    },
  };
}
