/**
 * Requests from pages of other sites: which may read our answers (CORS), and which may change anything (CSRF).
 *
 * Nothing here authenticates: buyers carry a token that no foreign page has, so a forged request would fail anyway. It
 * is refused all the same, before anybody looks at it, because it can only be a mistake or an attack. Credentials are
 * never allowed across origins, and no wildcard: a shop that embeds us names its origins in CORS_ORIGINS.
 */
import type { HotAnswer } from "../funnel/request.ts";
import type { HotRoute } from "./listen/listener.ts";

/** How long a browser may remember a preflight: the longest that any of them accepts. */
const PREFLIGHT_AGE_S = 7_200;
const METHODS = "GET, HEAD, POST, DELETE";
/** Everything that the contract lets a buyer's program send. */
const REQUEST_HEADERS = [
  "authorization",
  "content-type",
  "content-digest",
  "idempotency-key",
  "if-none-match",
  "last-event-id",
  "x-clearance",
  "x-nonce",
  "x-pass",
  "x-signature",
  "x-timestamp",
].join(", ");
/** What a program may read beyond the handful that browsers show by themselves. */
const SHOWN_HEADERS = "etag, idempotent-replayed, retry-after";

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** The parts of a request that say where it comes from. */
export interface CrossingRequest {
  readonly method: string;
  header(name: string): string | null;
}

export interface CrossOriginPolicy {
  /** True when no other origin may read anything; then nothing needs to be added to any answer. */
  readonly isClosed: boolean;
  /** What is added to an answer for this `Origin`; null when it may not read it, or names none. */
  headersFor(origin: string | null): Readonly<Record<string, string>> | null;
  /** The answer to a preflight; null for what is none, or comes from an origin that is not let in. */
  preflight(request: CrossingRequest): Response | null;
  /** True for a request that changes something and was made by a page that is neither ours nor let in. */
  isForeign(request: CrossingRequest): boolean;
}

/**
 * A policy. `allowedOrigins` as browsers write them (`https://shop.example`); `ownOrigin` is asked per request, because a
 * port may be known late.
 */
export function createCrossOriginPolicy(options: {
  allowedOrigins: readonly string[];
  ownOrigin: () => string;
}): CrossOriginPolicy {
  const headers = new Map(
    options.allowedOrigins.map((origin) => [
      origin,
      Object.freeze({ "access-control-allow-origin": origin, "access-control-expose-headers": SHOWN_HEADERS }),
    ]),
  );
  const headersFor = (origin: string | null) => (origin === null ? null : (headers.get(origin) ?? null));
  return {
    isClosed: headers.size === 0,
    headersFor,
    preflight(request) {
      const allowed = headersFor(request.header("origin"));
      const isPreflight = request.method === "OPTIONS" && request.header("access-control-request-method") !== null;
      if (!isPreflight || allowed === null) return null;
      return new Response(null, {
        status: 204,
        headers: {
          ...allowed,
          "access-control-allow-methods": METHODS,
          "access-control-allow-headers": REQUEST_HEADERS,
          "access-control-max-age": String(PREFLIGHT_AGE_S),
          vary: "origin, access-control-request-method, access-control-request-headers",
        },
      });
    },
    isForeign(request) {
      if (SAFE_METHODS.has(request.method)) return false;
      const origin = request.header("origin");
      if (origin !== null && headers.has(origin)) return false;
      return isMadeElsewhere({ request, origin, ownOrigin: options.ownOrigin() });
    },
  };
}

/**
 * Browsers say in `Sec-Fetch-Site` who made a request, and no page can change that; the older ones send `Origin` with
 * everything that changes something. What sends neither is no browser, and nobody's page can make it send anything.
 */
function isMadeElsewhere(made: { request: CrossingRequest; origin: string | null; ownOrigin: string }): boolean {
  const { request, origin, ownOrigin } = made;
  const site = request.header("sec-fetch-site");
  if (site !== null) return site !== "same-origin" && site !== "none";
  if (origin === null) return false;
  return origin !== ownOrigin && hostOf(origin) !== request.header("host");
}

function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}

/** The hot route with what a page of an allowed origin needs to read its answers; the route itself when there is none. */
export function readableAcrossOrigins(route: HotRoute, policy: CrossOriginPolicy): HotRoute {
  if (policy.isClosed) return route;
  return {
    decide(request) {
      const headers = policy.headersFor(request.header("origin"));
      const answer = route.decide(request);
      if (headers === null) return answer;
      return answer instanceof Promise
        ? answer.then((late) => withHeaders(late, headers))
        : withHeaders(answer, headers);
    },
  };
}

function withHeaders(answer: HotAnswer, headers: Readonly<Record<string, string>>): HotAnswer {
  return { ...answer, headers: { ...answer.headers, ...headers } };
}
