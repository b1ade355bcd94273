/**
 * The one way into the operator API: who is it, may he, does it come from our own page, does it take two; then it is logged.
 *
 * The order matters: a stranger hears 401 whatever he asks, so he cannot learn which routes exist; a person hears 403
 * before his body is looked at; and nothing that changes anything runs before its entry is in the log. What a route needs is
 * in operator-routes.ts and nowhere else. Leaves to the routes: what the request means.
 */
import { hash } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import type { z } from "zod";
import { parseSaleId } from "../../domain/ids.ts";
import { includesRole } from "../../domain/operator-role.ts";
import { firstOpensAt, saleStateAt } from "../../domain/sale.ts";
import { parseStrictJson } from "../../domain/strict-json.ts";
import type { Approval } from "../../ports/approval-store.ts";
import type { OperatorSession } from "../../ports/operator-store.ts";
import { type Actor, hashOfToken, MACHINE } from "./actor.ts";
import { createOperatorCheck, type OperatorCheck } from "./authenticate.ts";
import { checkValue, readText } from "./body.ts";
import { readSessionCookie } from "./cookies.ts";
import type { OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import type { OperatorRecord } from "./operator-record.ts";
import { OPERATOR_ROUTES, type OperatorRoute, type TwoPeopleRule } from "./operator-routes.ts";
import type { PersonPatchSchema } from "./people-schemas.ts";
import { type OperatorProblem, problemResponse } from "./problem.ts";
import { isOwnPage } from "./same-origin.ts";

/** A console nobody touches for this long is somebody else's by now. */
export const SESSION_IDLE_MS_MAX = 2 * 3_600_000;
/** How long a proof lasts for what needs a fresh one. */
export const PROOF_MS_MAX = 15 * 60_000;
/** How long a request waits for its second person. */
export const APPROVAL_MS_MAX = 30 * 60_000;
const BODY_BYTES_MAX = 1_048_576;
/** A request that waits for somebody must be short enough to be read by him. */
const APPROVAL_BODY_LENGTH_MAX = 4_096;

/** The gate as middleware of the API that is mounted at `base`. */
export function createGate(
  deps: OperatorDependencies,
  parts: { record: OperatorRecord; base: string },
): MiddlewareHandler<OperatorEnv> {
  const gate = new Gate(deps, parts);
  return async (context, next) => gate.pass(context, next);
}

/** Fails when a route has no row. `routes` as hono lists them, below `base`. Rows may be for routes a node does not have. */
export function assertRoutesHaveRows(routes: readonly { method: string; path: string }[]): void {
  const made = routes.filter(({ method }) => method !== "ALL").map(({ method, path }) => `${method} ${path}`);
  const wrong = made.filter((name) => !Object.hasOwn(OPERATOR_ROUTES, name));
  if (wrong.length > 0) throw new Error(`these routes have no row in operator-routes.ts: ${wrong.join(", ")}`);
}

class Gate {
  readonly #deps: OperatorDependencies;
  readonly #record: OperatorRecord;
  readonly #base: string;
  readonly #isMachine: OperatorCheck;

  constructor(deps: OperatorDependencies, parts: { record: OperatorRecord; base: string }) {
    this.#deps = deps;
    this.#record = parts.record;
    this.#base = parts.base;
    this.#isMachine = createOperatorCheck(deps.adminToken);
  }

  async pass(context: Context<OperatorEnv>, next: () => Promise<void>): Promise<Response | undefined> {
    const route = this.#routeOf(context);
    const actor = await this.#identify(context);
    if (actor === null && route?.role !== "anyone") {
      this.#deps.log.warn({ remoteAddress: context.env?.remoteAddress }, "operator not signed in, or wrong token");
      return problemResponse({ reason: "unauthorized" });
    }
    // No such route: hono says 404, or 405 where the path has other methods.
    if (route === null) return void (await next());
    const isVouchedFor = actor?.kind === "machine" || context.env?.approved !== undefined;
    if (!isVouchedFor && !isOwnPage(context.req.raw, this.#deps.operators.ownOrigin)) {
      return problemResponse({ reason: "cross_site" });
    }
    if (actor !== null) context.set("actor", actor);
    if (actor === null || route.role === "anyone") return void (await next());
    const refused = this.#judge(route, actor);
    if (refused !== null) {
      if (route.changes !== undefined)
        await this.#record.access("refused", actor, `${context.req.method} ${context.req.path}`);
      return problemResponse(refused);
    }
    if (route.changes === undefined) return void (await next());
    return this.#change(context, next, { route, actor, kind: route.changes });
  }

  /** The row of the route that will answer. */
  #routeOf(context: Context<OperatorEnv>): OperatorRoute | null {
    const matched = matchedRoutes(context)[answeringIndex(context)];
    if (matched === undefined) return null;
    const row = OPERATOR_ROUTES[`${matched.method} ${matched.path.slice(this.#base.length)}`];
    if (row === undefined) throw new Error(`${matched.method} ${matched.path} has no row in operator-routes.ts`);
    return row;
  }

  /** A header that is there decides alone: a wrong token is not made good by a cookie. */
  async #identify(context: Context<OperatorEnv>): Promise<Actor | null> {
    const approved = context.env?.approved;
    if (approved !== undefined) return approved.actor;
    const authorization = context.req.header("authorization");
    if (authorization !== undefined) return this.#isMachine(authorization) ? MACHINE : null;
    const token = readSessionCookie(context.req.header("cookie") ?? null);
    if (token === null) return null;
    const tokenHash = hashOfToken(token);
    const find = (isUse: boolean): Promise<OperatorSession | null> => {
      const nowMs = this.#deps.clock.nowMs();
      return this.#deps.operators.people.findSession({ tokenHash, nowMs, idleMsMax: SESSION_IDLE_MS_MAX, isUse });
    };
    const session = await find(true);
    if (session === null) return null;
    context.set("isStillIn", async () => (await find(false)) !== null);
    const { id, name, role } = session.person;
    return { kind: "person", id, name, role, provenAt: session.provenAt, sessionHash: tokenHash };
  }

  #judge(route: OperatorRoute, actor: Actor): OperatorProblem | null {
    if (route.role !== "anyone" && !includesRole(actor.role, route.role)) {
      return { reason: "forbidden", detail: `This takes the role ${route.role}.` };
    }
    if (route.only === "people" && actor.kind !== "person") {
      return { reason: "forbidden", detail: "This is for people who signed in, not for the machine's token." };
    }
    if (route.only === "machine" && actor.kind !== "machine") {
      return {
        reason: "forbidden",
        detail: "This is for the machine's token alone: `doorbuster operator` on the server.",
      };
    }
    return route.needsProof === true ? this.#staleProof(actor) : null;
  }

  #staleProof(actor: Actor): OperatorProblem | null {
    if (actor.kind !== "person" || this.#deps.clock.nowMs() - actor.provenAt <= PROOF_MS_MAX) return null;
    return { reason: "proof_required" };
  }

  async #change(
    context: Context<OperatorEnv>,
    next: () => Promise<void>,
    facts: { route: OperatorRoute; actor: Actor; kind: "json" | "unread" },
  ): Promise<Response | undefined> {
    const { route, actor, kind } = facts;
    let body: string | null = null;
    if (kind === "json") {
      const text = await readText(context.req.raw, this.#deps.clock, BODY_BYTES_MAX);
      if (text.kind === "problem") return problemResponse(text.problem);
      body = text.value;
      context.req.raw = withBody(context.req.raw, body);
    }
    const approved = context.env?.approved;
    const call = { actor, method: context.req.method, path: pathOf(context.req.raw), body };
    if (approved === undefined && actor.kind === "person" && (await this.#takesTwo(context, route, body ?? ""))) {
      return this.#askSecond(route, { ...call, actor, body: body ?? "" });
    }
    const seq = await this.#record.asked(approved === undefined ? call : { ...call, approval: approved.approval });
    await next();
    await this.#record.answered(seq, context.res.status);
    return undefined;
  }

  async #takesTwo(context: Context<OperatorEnv>, route: OperatorRoute, body: string): Promise<boolean> {
    const rule: TwoPeopleRule | undefined = route.twoPeople?.rule;
    switch (rule) {
      case undefined:
        return false;
      case "always":
        return true;
      case "running sale":
        return this.#isRunning(parameterOf(context, "saleId"));
      case "more power":
        return this.#givesPower(parameterOf(context, "personId"), body);
    }
  }

  async #isRunning(id: string | undefined): Promise<boolean> {
    const saleId = parseSaleId(id);
    const sale = saleId === null ? null : await this.#deps.saleStore.findSale(saleId);
    if (sale === null) return false;
    const state = saleStateAt(sale, this.#deps.clock.nowMs(), firstOpensAt(sale));
    return state !== "scheduled" && state !== "closed";
  }

  async #givesPower(id: string | undefined, body: string): Promise<boolean> {
    const person = id === undefined ? null : await this.#deps.operators.people.findPerson(id);
    if (person === null) return false;
    const json = parseStrictJson(body);
    const patch = (json.kind === "value" ? json.value : {}) as Partial<z.output<typeof PersonPatchSchema>>;
    const isRaised = patch.role !== undefined && !includesRole(person.role, patch.role);
    return isRaised || (patch.isActive === true && !person.isActive);
  }

  /** Nothing is done; the request is kept for somebody else to consent to. */
  async #askSecond(
    route: OperatorRoute,
    call: { actor: Extract<Actor, { kind: "person" }>; method: string; path: string; body: string },
  ): Promise<Response> {
    const { actor, method, path, body } = call;
    const stale = this.#staleProof(actor);
    if (stale !== null) return problemResponse(stale);
    if (body.length > APPROVAL_BODY_LENGTH_MAX) return problemResponse({ reason: "payload_too_large" });
    const json = parseStrictJson(body);
    if (json.kind === "bad") return problemResponse({ reason: "malformed", detail: json.detail });
    const checked = route.twoPeople === undefined ? null : checkValue(route.twoPeople.schema, json.value);
    if (checked?.kind === "problem") return problemResponse(checked.problem);
    const { clock, random, operators } = this.#deps;
    const nowMs = clock.nowMs();
    const seq = await this.#record.asked(call);
    const approval = await operators.approvals.request({
      id: random.id(),
      requestedBy: actor.id,
      role: route.role === "anyone" ? "owner" : route.role,
      nowMs,
      expiresAt: nowMs + APPROVAL_MS_MAX,
      method,
      path,
      body,
      digest: digestOfCall({ method, path, body }),
    });
    await this.#record.answered(seq, 202);
    return Response.json({ approval: approvalDocument(approval) }, { status: 202 });
  }
}

/** Where in hono's list of what matched the route stands that will answer; -1 when none will. */
function answeringIndex(context: Context<OperatorEnv>): number {
  return matchedRoutes(context).findIndex(({ method }) => method !== "ALL");
}

/** A part of the path as the answering route will see it: middleware has no parameters of its own. */
function parameterOf(context: Context<OperatorEnv>, name: string): string | undefined {
  const { req } = context;
  const own = req.routeIndex;
  req.routeIndex = answeringIndex(context);
  const value = req.param(name);
  req.routeIndex = own;
  return value;
}

/** What an approval is an approval of. The parts cannot run together: no method or path has a line feed. */
function digestOfCall(call: { method: string; path: string; body: string }): string {
  return hash("sha256", `${call.method}\n${call.path}\n${call.body}`, "base64url");
}

/** An approval as the console shows it: the request's own words. */
export function approvalDocument(approval: Approval): Omit<Approval, "body"> & { readonly body: unknown } {
  const json = parseStrictJson(approval.body);
  return { ...approval, body: json.kind === "value" ? json.value : null };
}

function pathOf(request: Request): string {
  const { pathname, search } = new URL(request.url);
  return `${pathname}${search}`;
}

function withBody(request: Request, body: string): Request {
  const { method, headers, url, signal } = request;
  return new Request(url, { method, headers, signal, ...(body === "" ? {} : { body }) });
}
