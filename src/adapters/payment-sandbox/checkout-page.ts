/**
 * The hosted checkout page: plain HTML without a script, readable by anything that can send a form.
 *
 * Everything that came from outside goes through hono's `html`, which escapes it. The policy allows one style sheet, by
 * its hash, and forms back to this page; nothing else is loaded from anywhere. Money is written in English, like
 * the page: it is a developer's tool, not a shop.
 */
import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import { type CANCEL_RULES, DELAY_MS_MAX, NOTIFY_COPIES_MAX, type SandboxPayment } from "./sandbox-payment.ts";

const MARGIN_SECONDS_MAX = 60;
const MARGIN_SECONDS_ON_TOP = 5;

const STYLE = `
:root { color-scheme: light dark; --ink: #1a1d24; --soft: #5a6170; --page: #f4f5f8; --card: #fff; --line: #c9ced8;
  --go: #14653b; --go-ink: #fff; --note: #fff4d6; --note-ink: #5c4300; }
@media (prefers-color-scheme: dark) { :root { --ink: #eceef3; --soft: #a9b0be; --page: #14161b; --card: #1e2128;
  --line: #454b59; --go: #5fd49a; --go-ink: #06200f; --note: #3a2f10; --note-ink: #ffe3a0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 30rem; margin: 0 auto; padding: 1rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.25rem; }
.note { background: var(--note); color: var(--note-ink); border-radius: .5rem; padding: .5rem .75rem; margin: 0 0 1rem; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
.amount { font-size: 2rem; font-weight: 700; margin: .25rem 0; font-variant-numeric: tabular-nums; }
.soft { color: var(--soft); margin: .25rem 0 1rem; }
.status { border-left: .25rem solid currentColor; padding-left: .75rem; font-weight: 600; }
button, input, select { font: inherit; color: inherit; border: 1px solid var(--line); border-radius: .5rem;
  min-height: 2.75rem; padding: .5rem .75rem; width: 100%; background: var(--card); }
button { font-weight: 600; cursor: pointer; margin-top: .75rem; }
button.go { background: var(--go); border-color: var(--go); color: var(--go-ink); }
:focus-visible { outline: 3px solid #3b82f6; outline-offset: 2px; }
details { margin-top: 1rem; border-top: 1px solid var(--line); padding-top: .75rem; }
summary { cursor: pointer; min-height: 2rem; }
label { display: block; margin-top: .75rem; }
a { color: inherit; }
`;
const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");

const CANCEL_RULE_TEXT = {
  answers_processing: "cannot be cancelled while the money is on its way",
  stops: "is stopped when the shop cancels first",
  captured_anyway: "arrives even after it was cancelled (misbehaviour)",
} as const satisfies Record<(typeof CANCEL_RULES)[number], string>;

/** Headers of every page of the sandbox. `returnUrl` may be on another origin: a form may lead there. */
export function pageHeaders(returnUrl: string | null): Record<string, string> {
  const elsewhere = returnUrl !== null && URL.canParse(returnUrl) ? ` ${new URL(returnUrl).origin}` : "";
  return {
    "content-security-policy": `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self'${elsewhere}; base-uri 'none'; frame-ancestors 'none'`,
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
  };
}

type Markup = ReturnType<typeof html>;

/** The page of one payment: the form while it can be paid, else what became of it. */
export function checkoutPage(payment: SandboxPayment): Markup {
  const isPayable = payment.status === "open" || payment.status === "failed";
  return layout(
    "Sandbox checkout",
    html`<div class="card">
        <h1>${payment.description}</h1>
        <p class="amount">${formatMoney(payment)}</p>
        <p class="soft">Pay before ${formatTime(payment.expiresAt)}</p>
        <p class="status" role="status">${statusText(payment)}</p>
        ${isPayable ? payForm(payment) : ""}
        <p><a href="${payment.returnUrl}">Back to the shop</a></p>
      </div>`,
  );
}

/** What is shown for an address that belongs to no payment. */
export function missingPage(): Markup {
  return layout("No such payment", html`<div class="card"><h1>There is no such payment.</h1></div>`);
}

/** What is shown while the database has no time for us. */
export function busyPage(): Markup {
  return layout(
    "Please try again",
    html`<div class="card"><h1>Please try again in a moment.</h1><p class="soft">Nothing was paid twice.</p></div>`,
  );
}

function layout(title: string, content: Markup): Markup {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <style>${raw(STYLE)}</style>
      </head>
      <body>
        <main>
          <p class="note">Sandbox: no real money moves here.</p>
          ${content}
        </main>
      </body>
    </html>`;
}

function payForm(payment: SandboxPayment): Markup {
  return html`<form method="post">
    <button class="go" name="action" value="pay">Pay ${formatMoney(payment)}</button>
    <button name="action" value="decline">Decline the card</button>
    <details>
      <summary>Pay late</summary>
      <label>Seconds after this checkout has expired
        <input name="lateSeconds" type="number" min="0" max="${DELAY_MS_MAX / 1000}" value="${lateSecondsOf(payment)}" required /></label>
      <label>The payment
        <select name="cancelRule">
          ${Object.entries(CANCEL_RULE_TEXT).map(([rule, text]) => html`<option value="${rule}">${text}</option>`)}
        </select></label>
      <button name="action" value="pay_late">Pay late</button>
    </details>
    <details>
      <summary>How the shop hears of it</summary>
      <label>Seconds of delay
        <input name="notifySeconds" type="number" min="0" max="${DELAY_MS_MAX / 1000}" value="0" required /></label>
      <label>Deliveries of each notification
        <input name="notifyCopies" type="number" min="1" max="${NOTIFY_COPIES_MAX}" value="1" required /></label>
      <label>Order
        <select name="notifyOrder">
          <option value="kept">as things happened</option>
          <option value="reversed">the last first</option>
        </select></label>
    </details>
  </form>`;
}

/**
 * After the end of the hold, as far as a provider can tell: a shop keeps a margin between the two, at most a minute and
 * never longer than the checkout itself.
 */
function lateSecondsOf(payment: SandboxPayment): number {
  const openSeconds = Math.ceil((payment.expiresAt - payment.createdAt) / 1000);
  return MARGIN_SECONDS_ON_TOP + Math.min(MARGIN_SECONDS_MAX, openSeconds);
}

function statusText(payment: SandboxPayment): string {
  switch (payment.status) {
    case "open":
      return "Waiting for your payment.";
    case "failed":
      return "The card was declined. Nothing was taken; you can try again.";
    case "processing":
      return "The money is on its way. This can take a while.";
    case "succeeded":
      return "Paid. Thank you.";
    case "cancelled":
      return "This payment was cancelled or has expired. Nothing was taken.";
    case "refunded":
      return "The money was sent back.";
  }
}

function formatMoney({ amount, currency }: { amount: number; currency: string }): string {
  try {
    const format = new Intl.NumberFormat("en", { style: "currency", currency });
    return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
  } catch (error) {
    // A code that ISO 4217 does not know still has to be payable in a sandbox.
    if (error instanceof RangeError) return `${amount} ${currency}`;
    throw error;
  }
}

function formatTime(atMs: number): Markup {
  const iso = new Date(atMs).toISOString();
  return html`<time datetime="${iso}">${iso.slice(11, 19)} UTC</time>`;
}
