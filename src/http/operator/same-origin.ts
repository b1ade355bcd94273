/**
 * Whether a request that changes something comes from our own page, where a cookie or nothing at all vouches for it.
 *
 * The session's cookie is SameSite=Strict already; this is the second lock, for browsers with holes and for neighbours on
 * the same site. An Origin must be there and be ours; Sec-Fetch-Site, where the browser sends it, must say the same. What a
 * form of another site can send at all (text, url-encoded, multipart) is not taken. Requests with the token in a header
 * need none of this: no browser adds that by itself.
 */

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
/** The only type of body a page may send without having been asked first is none of these. */
const JSON_TYPE = "application/json";

/**
 * True for reading, and for what our own page sent. `ownOrigin` is what operators see in their address bar; null = whatever
 * host the request itself was sent to.
 */
export function isOwnPage(request: Request, ownOrigin: string | null): boolean {
  if (SAFE_METHODS.has(request.method)) return true;
  const { headers } = request;
  const site = headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin") return false;
  const origin = headers.get("origin");
  if (origin === null || !URL.canParse(origin)) return false;
  if (ownOrigin === null ? new URL(origin).host !== headers.get("host") : origin !== ownOrigin) return false;
  return request.method !== "POST" || isJsonOrNothing(headers.get("content-type"));
}

function isJsonOrNothing(contentType: string | null): boolean {
  return contentType === null || contentType.split(";")[0]?.trim().toLowerCase() === JSON_TYPE;
}
