/**
 * Headers that every answer of both ports carries: what a browser must not do with it.
 *
 * Answers of the API are documents of data, so their policy allows nothing at all; pages bring their own (pages.ts). An
 * answer that says nothing about caching is personal and must not be kept by anybody in between.
 */

const API_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** Pages take everything from this host and nothing from any other; no inline script or style. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

const ALWAYS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  // For the browsers that do not know frame-ancestors.
  "x-frame-options": "DENY",
};

const UNLESS_SET = {
  "content-security-policy": API_POLICY,
  "cache-control": "no-store",
};

/** Adds the headers to a finished answer. */
export function secureHeaders(headers: Headers): void {
  for (const [name, value] of Object.entries(ALWAYS)) headers.set(name, value);
  for (const [name, value] of Object.entries(UNLESS_SET)) if (!headers.has(name)) headers.set(name, value);
}
