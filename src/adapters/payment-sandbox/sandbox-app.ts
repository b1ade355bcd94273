/**
 * The sandbox over HTTP: its hosted checkout page for people, its control for tests and the demo.
 *
 *     GET  /checkout/{paymentId}   the page; the id is 128 random bits and is all that is needed, like any hosted checkout
 *     POST /checkout/{paymentId}   its form: pay, decline, pay_late
 *     POST /control                the same for many payments at once, and outages; needs the control token
 *
 * Mount it under SANDBOX_PATH. Neither can do what the provider's own rules forbid: both only call the books.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import { isFault } from "../../domain/faults.ts";
import { isId } from "../../domain/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import { busyPage, checkoutPage, missingPage, pageHeaders } from "./checkout-page.ts";
import { CANCEL_RULES, DELAY_MS_MAX, NOTIFY_AT_ONCE, NOTIFY_COPIES_MAX } from "./sandbox-payment.ts";
import { SANDBOX_PATH, type SandboxProvider } from "./sandbox-provider.ts";
import type { SandboxStore } from "./sandbox-store.ts";

const FORM_BYTES_MAX = 4 * 1024;
const CONTROL_BYTES_MAX = 128 * 1024;
const RETRY_AFTER_S = 1;
const PAYMENTS_PER_CALL_MAX = 1_000;
const SECONDS_MAX = DELAY_MS_MAX / 1000;
/** Without a say, late money comes five seconds after the longest margin that a checkout keeps before a hold's end. */
const LATE_DELAY_MS_DEFAULT = 65_000;

const delayMs = z.int().min(0).max(DELAY_MS_MAX);
const formSchema = z.object({
  action: z.enum(["pay", "decline", "pay_late"]),
  lateSeconds: z.coerce
    .number()
    .int()
    .min(0)
    .max(SECONDS_MAX)
    .default(LATE_DELAY_MS_DEFAULT / 1000),
  cancelRule: z.enum(CANCEL_RULES).default("answers_processing"),
  notifySeconds: z.coerce.number().int().min(0).max(SECONDS_MAX).default(0),
  notifyCopies: z.coerce.number().int().min(1).max(NOTIFY_COPIES_MAX).default(1),
  notifyOrder: z.enum(["kept", "reversed"]).default("kept"),
});
const targets = {
  paymentIds: z.array(z.string().refine(isId)).min(1).max(PAYMENTS_PER_CALL_MAX),
  notify: z
    .strictObject({
      delayMs: delayMs.default(NOTIFY_AT_ONCE.delayMs),
      copies: z.int().min(1).max(NOTIFY_COPIES_MAX).default(NOTIFY_AT_ONCE.copies),
      reversed: z.boolean().default(NOTIFY_AT_ONCE.reversed),
    })
    .optional(),
};
const controlSchema = z.discriminatedUnion("action", [
  z.strictObject({ action: z.literal("pay"), ...targets, capturedAmount: z.int().min(0).optional() }),
  z.strictObject({ action: z.literal("decline"), ...targets }),
  z.strictObject({
    action: z.literal("pay_late"),
    ...targets,
    countedFrom: z.enum(["now", "expiry"]).default("expiry"),
    delayMs: delayMs.default(LATE_DELAY_MS_DEFAULT),
    cancelRule: z.enum(CANCEL_RULES).default("answers_processing"),
  }),
  z.strictObject({ action: z.literal("outage"), durationMs: z.int().min(0).max(DELAY_MS_MAX) }),
]);
type Control = z.infer<typeof controlSchema>;

export interface SandboxAppOptions {
  readonly payments: SandboxStore;
  readonly provider: SandboxProvider;
  readonly clock: Clock;
  /** Whoever has it may pay any payment of the sandbox. */
  readonly controlToken: string;
}

/** Builds the sub-app. */
export function createSandboxApp(options: SandboxAppOptions): Hono {
  const { payments, clock } = options;
  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    if (!isFault(c.error) || !c.error.retryable) return;
    const headers = { ...pageHeaders(null), "Retry-After": String(RETRY_AFTER_S) };
    c.res = await c.html(busyPage(), 503, headers);
  });

  app.get("/checkout/:paymentId", async (c) => {
    const payment = await payments.find(c.req.param("paymentId"), clock.nowMs());
    if (payment === null) return c.html(missingPage(), 404, pageHeaders(null));
    return c.html(checkoutPage(payment), 200, pageHeaders(payment.returnUrl));
  });

  app.post("/checkout/:paymentId", bodyLimit({ maxSize: FORM_BYTES_MAX }), async (c) => {
    const paymentId = c.req.param("paymentId");
    const payment = await payments.find(paymentId, clock.nowMs());
    if (payment === null) return c.html(missingPage(), 404, pageHeaders(null));
    const form = formSchema.safeParse(await c.req.parseBody());
    if (!form.success) return c.html(checkoutPage(payment), 400, pageHeaders(payment.returnUrl));
    const isMoved = await press(options, paymentId, form.data);
    // Whoever paid goes back to the shop; anything else stays here, where the page says what happened.
    const goesBack = isMoved && form.data.action !== "decline";
    return c.redirect(goesBack ? payment.returnUrl : `${SANDBOX_PATH}/checkout/${paymentId}`, 303);
  });

  app.post("/control", bodyLimit({ maxSize: CONTROL_BYTES_MAX }), async (c) => {
    if (!isSameToken(c.req.header("authorization") ?? "", `Bearer ${options.controlToken}`)) {
      return c.json({ error: "the control needs its token" }, 401);
    }
    const control = controlSchema.safeParse(await c.req.json().catch(() => null));
    if (!control.success) return c.json({ error: z.prettifyError(control.error) }, 400);
    const moved = await command(options, control.data);
    return c.json({ moved });
  });

  return app;
}

/** One press of a button on the page. True when it changed the payment. */
async function press(
  { payments, clock }: SandboxAppOptions,
  paymentId: string,
  form: z.infer<typeof formSchema>,
): Promise<boolean> {
  const notify = {
    delayMs: form.notifySeconds * 1000,
    copies: form.notifyCopies,
    reversed: form.notifyOrder === "reversed",
  };
  const move = { paymentIds: [paymentId], notify };
  const nowMs = clock.nowMs();
  if (form.action === "pay") return (await payments.pay({ ...move, capturedAmount: null }, nowMs)).length > 0;
  if (form.action === "decline") return (await payments.decline(move, nowMs)).length > 0;
  const late = { countedFrom: "expiry", delayMs: form.lateSeconds * 1000, cancelRule: form.cancelRule } as const;
  return (await payments.payLate({ ...move, late }, nowMs)).length > 0;
}

/** One control call. Answers the payments that it moved. */
async function command({ payments, provider, clock }: SandboxAppOptions, control: Control): Promise<readonly string[]> {
  if (control.action === "outage") {
    provider.failFor(control.durationMs);
    return [];
  }
  const move = { paymentIds: control.paymentIds, notify: control.notify ?? null };
  const moved = await (() => {
    switch (control.action) {
      case "pay":
        return payments.pay({ ...move, capturedAmount: control.capturedAmount ?? null }, clock.nowMs());
      case "decline":
        return payments.decline(move, clock.nowMs());
      case "pay_late":
        return payments.payLate({ ...move, late: control }, clock.nowMs());
    }
  })();
  return moved.map((payment) => payment.paymentId);
}

/** Compares digests, so that neither content nor length shows in the time it takes. */
function isSameToken(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
