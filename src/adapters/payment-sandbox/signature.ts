/**
 * Signs and checks the sandbox's notifications as Standard Webhooks says (https://www.standardwebhooks.com).
 *
 * The signature covers id, timestamp and the raw body; five minutes of tolerance against the machine's own clock are the
 * library's. Telling why a notification was refused is for logs only: to the sender every forgery looks the same.
 */
import { hkdfSync } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { Fault } from "../../domain/faults.ts";
import { isId } from "../../domain/ids.ts";
import type { Notification } from "../../ports/payment-provider.ts";

const KEY_BYTES = 32;
const KEY_INFO = "doorbuster/sandbox-notification/v1";

export interface NotificationSigner {
  /** The three headers of a notification. */
  sign(request: { notificationId: string; body: string; nowMs: number }): Record<string, string>;
  /** Throws NOTIFICATION_FORGED. */
  verify(request: { body: string; headers: Readonly<Record<string, string>> }): Notification;
}

/** A signer whose key follows from the deployment's secret. */
export function createNotificationSigner(secret: string): NotificationSigner {
  const key = new Uint8Array(hkdfSync("sha256", secret, "", KEY_INFO, KEY_BYTES));
  const webhook = new Webhook(key, { format: "raw" });
  return {
    sign({ notificationId, body, nowMs }) {
      const at = new Date(nowMs);
      return {
        "webhook-id": notificationId,
        "webhook-timestamp": String(Math.floor(nowMs / 1000)),
        "webhook-signature": webhook.sign(notificationId, at, body),
      };
    },
    verify({ body, headers }) {
      const notificationId = headerOf(headers, "webhook-id");
      try {
        const paymentId = paymentIdOf(webhook.verify(body, headers as Record<string, string>));
        if (!isId(notificationId)) throw new TypeError("the notification's id is not an id");
        return { notificationId, paymentId };
      } catch (error) {
        throw new Fault("NOTIFICATION_FORGED", { cause: error });
      }
    },
  };
}

function headerOf(headers: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
}

function paymentIdOf(content: unknown): string {
  const data = typeof content === "object" && content !== null && "data" in content ? content.data : null;
  const paymentId = typeof data === "object" && data !== null && "paymentId" in data ? data.paymentId : null;
  if (!isId(paymentId)) throw new TypeError("the notification names no payment");
  return paymentId;
}
