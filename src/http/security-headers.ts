/**
 * Headers that every answer of both ports carries: what a browser must not do with it.
 *
 * Answers of the API are documents of data, so their policy allows nothing at all; pages bring their own (pages.ts). An
 * answer that says nothing about caching is personal and must not be kept by anybody in between.
 */

const API_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** What a page may load from others, besides what is ours: the origins of a challenge's widget, by what they are for. */
export interface WidgetSources {
  readonly scripts: readonly string[];
  readonly frames: readonly string[];
  readonly styles: readonly string[];
  readonly connections: readonly string[];
}

/** Pages take everything from this host and, but for the widget, nothing from any other; no inline script or style. */
export function pagePolicy(widget: WidgetSources | null): string {
  const from = (sources: readonly string[] = []): string => ["'self'", ...sources].join(" ");
  const frames = widget === null ? [] : [`frame-src ${widget.frames.join(" ")}`];
  return [
    "default-src 'none'",
    `script-src ${from(widget?.scripts)}`,
    `style-src ${from(widget?.styles)}`,
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src ${from(widget?.connections)}`,
    ...frames,
    "manifest-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** The policy of pages that show nothing of others. */
export const PAGE_POLICY = pagePolicy(null);

const ALWAYS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), usb=()",
  // For the browsers that do not know frame-ancestors.
  "x-frame-options": "DENY",
};

const UNLESS_SET = {
  "content-security-policy": API_POLICY,
  "cache-control": "no-store",
};

/** Told over HTTPS: never come by plain HTTP again, for a year. Over HTTP browsers ignore it, and so it is not said. */
const HTTPS_ONLY = "max-age=31536000";

/** Adds the headers to a finished answer. `isHttps`: buyers reach this port over HTTPS, whoever ends that. */
export function secureHeaders(headers: Headers, { isHttps = false }: { readonly isHttps?: boolean } = {}): void {
  if (isHttps) headers.set("strict-transport-security", HTTPS_ONLY);
  for (const [name, value] of Object.entries(ALWAYS)) headers.set(name, value);
  for (const [name, value] of Object.entries(UNLESS_SET)) if (!headers.has(name)) headers.set(name, value);
}
