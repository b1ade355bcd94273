/**
 * A person at the sandbox's hosted checkout page: opens the link and presses a button of the form that is there.
 */
import { createHmac, hkdfSync } from "node:crypto";
import { type Answer, call } from "./answers.ts";
import type { Buyer } from "./buyer-client.ts";

/** The buttons of the page, by a word of their label or value. */
export type SandboxButton = "pay" | "decline" | "late";

interface PageForm {
  readonly action: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly label: string;
}

/** Begins the checkout of a reservation; answers its link and payment. */
export async function beginCheckout(buyer: Buyer, rid: string): Promise<{ checkoutUrl: string; paymentId: string }> {
  const answer = await buyer.checkout(rid);
  if (answer.status !== 201) throw new Error(`no checkout: ${answer.status} ${answer.text}`);
  return answer.json;
}

/** Begins the checkout and presses "pay". */
export async function payInSandbox(buyer: Buyer, rid: string): Promise<{ checkoutUrl: string; paymentId: string }> {
  const checkout = await beginCheckout(buyer, rid);
  await press(checkout.checkoutUrl, "pay");
  return checkout;
}

/** Presses a button of the checkout page, as a browser without scripts would, after filling in fields of its form. */
export async function press(
  checkoutUrl: string,
  button: SandboxButton,
  filledIn: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const page = await call(checkoutUrl);
  if (page.status !== 200) throw new Error(`no checkout page: ${page.status} ${page.text.slice(0, 300)}`);
  const form = findForm(page.text, button);
  return await call(new URL(form.action, checkoutUrl).href, {
    method: "POST",
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ ...form.fields, ...filledIn }).toString(),
  });
}

function findForm(html: string, button: SandboxButton): PageForm {
  const forms = [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].flatMap(([, attributes = "", inner = ""]) =>
    readButtons(attributes, inner),
  );
  const wanted = forms.find((form) => buttonOf(form) === button);
  if (wanted === undefined) throw new Error(`no "${button}" among: ${forms.map((form) => form.label).join(" | ")}`);
  return wanted;
}

function buttonOf(form: PageForm): SandboxButton | null {
  const words = form.label.toLowerCase();
  if (/late/.test(words)) return "late";
  if (/decline/.test(words)) return "decline";
  return /\bpay\b/.test(words) ? "pay" : null;
}

function readButtons(attributes: string, inner: string): PageForm[] {
  const action = attributeOf(attributes, "action") ?? "";
  const inputs = [...inner.matchAll(/<input\b([^>]*)>/gi)].map(([, input = ""]) => input);
  const fields = Object.fromEntries(
    inputs.map((input) => [attributeOf(input, "name") ?? "", attributeOf(input, "value") ?? ""]),
  );
  return [...inner.matchAll(/<button\b([^>]*)>([\s\S]*?)<\/button>/gi)].map(([, own = "", text = ""]) => {
    const name = attributeOf(own, "name");
    const value = attributeOf(own, "value") ?? "";
    const formAction = attributeOf(own, "formaction") ?? action;
    const label = `${text.replace(/<[^>]*>/g, " ")} ${value} ${formAction.split("/").pop()}`;
    return { action: formAction, label, fields: name === null ? fields : { ...fields, [name]: value } };
  });
}

function attributeOf(attributes: string, name: string): string | null {
  const found = new RegExp(`\\b${name}="([^"]*)"`, "i").exec(attributes);
  return found === null ? null : (found[1] as string).replaceAll("&amp;", "&");
}

/** The headers with which the sandbox, whose key follows from the deployment's SECRET, signs (Standard Webhooks). */
export function signNotification(
  secret: string,
  notification: { id: string; body: string; atS?: number },
): Record<string, string> {
  const key = Buffer.from(hkdfSync("sha256", secret, "", "doorbuster/sandbox-notification/v1", 32));
  const timestamp = String(Math.floor(notification.atS ?? Date.now() / 1_000));
  const mac = createHmac("sha256", key).update(`${notification.id}.${timestamp}.${notification.body}`).digest("base64");
  return { "webhook-id": notification.id, "webhook-timestamp": timestamp, "webhook-signature": `v1,${mac}` };
}
