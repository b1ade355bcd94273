/**
 * What every handler of the buyer API does first: read the body strictly, and find out who is asking.
 *
 * Both answer with a value or with the Response that ends the request, so a handler reads as a straight line. The texts of
 * refusals never repeat what was sent. What the session may do is the handler's question.
 */
import type { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Refusal } from "../../domain/refusals.ts";
import { parseStrictJson } from "../../domain/strict-json.ts";
import {
  type AuthenticatedRequest,
  type AuthenticationDemands,
  isRefusal,
} from "../../funnel/3-identity/authenticate.ts";
import { compareDigest } from "../../funnel/3-identity/content-digest.ts";
import type { Session } from "../../funnel/3-identity/session-token.ts";
import type { ConnectionContext } from "../listen/listener.ts";
import { refusalResponse } from "../problem.ts";
import { readRequestBody } from "../request-body.ts";
import type { BuyerAppDependencies, ThrottledRequest } from "./dependencies.ts";

/** hono's environment: `c.env` is what the listener says about the connection. */
export interface BuyerEnv {
  Bindings: ConnectionContext;
}
export type BuyerContext = Context<BuyerEnv>;

/** A handler of one route. */
export type BuyerHandler = (context: BuyerContext) => Response | Promise<Response>;

/** Ends a request with a refusal. */
export function refuse(refusal: Refusal): Response {
  return refusalResponse(refusal);
}

/** Ends a request whose form is wrong. `detail` must not repeat what was sent. */
export function refuseMalformed(detail: string): Response {
  return refusalResponse({ reason: "malformed", extra: { detail } });
}

/** The parts of the request that the throttle looks at. */
export function throttledRequest(context: BuyerContext): ThrottledRequest {
  return {
    remoteAddress: context.env.remoteAddress,
    header: (name) => context.req.raw.headers.get(name),
  };
}

/** Path and query as they were sent, which is what a signature covers. */
function pathAndQueryOf(url: string): string {
  return url.slice(url.indexOf("/", url.indexOf("://") + 3));
}

/** The session of the request, or the response that ends it. Demands nothing but a session where none are given. */
export function requireSession(
  context: BuyerContext,
  dependencies: BuyerAppDependencies,
  demands: Partial<AuthenticationDemands> = {},
): Session | Response {
  const request = authenticatedRequest(context);
  const usual: AuthenticationDemands = { signature: "optional", replay: "harmless" };
  const answer = dependencies.authenticator.authenticate(request, { ...usual, ...demands });
  if (isRefusal(answer)) return refuse(answer);
  const limited = dependencies.readThrottle.admit(throttledRequest(context), answer, null);
  return limited === null ? answer : refuse(limited);
}

/** The same for calls that a replay would repeat: a request that any node has seen is refused. */
export async function requireSessionOnce(
  context: BuyerContext,
  dependencies: BuyerAppDependencies,
): Promise<Session | Response> {
  const session = requireSession(context, dependencies, { replay: "refused" });
  if (session instanceof Response) return session;
  const replayed = await dependencies.authenticator.claimNonce(authenticatedRequest(context), session);
  return replayed === null ? session : refuse(replayed);
}

/** The parts of the request that prove who sent it. */
export function authenticatedRequest(context: BuyerContext): AuthenticatedRequest {
  const { headers } = context.req.raw;
  return {
    method: context.req.method,
    pathAndQuery: pathAndQueryOf(context.req.url),
    header: (name) => headers.get(name),
  };
}

/** The parsed body, or the response that ends the request. `whenEmpty` stands for a body of no bytes. */
export async function readBody<Schema extends z.ZodType>(
  context: BuyerContext,
  dependencies: BuyerAppDependencies,
  options: { schema: Schema; whenEmpty?: z.infer<Schema> },
): Promise<{ readonly value: z.infer<Schema> } | Response> {
  const { raw } = context.req;
  const body = await readRequestBody(raw, dependencies.clock);
  if (body.kind === "refused") return refuse({ reason: body.reason, extra: { detail: body.detail } });
  // An unsigned body may come without a digest; one that is sent is always checked.
  const digest = compareDigest(raw.headers.get("content-digest"), body.bytes);
  const isCovered = digest === "match" || (digest === "absent" && (isUnsigned(raw) || body.bytes.length === 0));
  if (!isCovered) return refuse({ reason: "signature_invalid" });
  if (body.bytes.length === 0 && options.whenEmpty !== undefined) return { value: options.whenEmpty };
  return parseBody(raw, body.bytes, options.schema);
}

function isUnsigned(request: Request): boolean {
  return request.headers.get("x-signature") === null;
}

function parseBody<Schema extends z.ZodType>(
  request: Request,
  bytes: Uint8Array,
  schema: Schema,
): { readonly value: z.infer<Schema> } | Response {
  const contentType = request.headers.get("content-type");
  if (contentType !== null && !/^application\/json\s*(;|$)/i.test(contentType)) {
    return refuseMalformed("The body must be application/json.");
  }
  const text = decodeUtf8(bytes);
  if (text === null) return refuseMalformed("The body is not UTF-8.");
  const json = parseStrictJson(text);
  if (json.kind === "bad") return refuseMalformed(json.detail);
  const parsed = schema.safeParse(json.value);
  return parsed.success ? { value: parsed.data } : refuseMalformed(explain(parsed.error));
}

/** Keeps a byte order mark, so that it is refused like any other character before the value. */
const DECODER_OPTIONS = { fatal: true, ignoreBOM: true };

function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", DECODER_OPTIONS).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

/** Names the first member that is wrong. Names of members come from the schema, never from the body. */
function explain(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return "The body is not what the schema says.";
  if (issue.code === "unrecognized_keys") return "The body has a member that the schema does not know.";
  const path = issue.path.join(".");
  return path === "" ? "The body is not what the schema says." : `The member "${path}" is not what the schema says.`;
}
