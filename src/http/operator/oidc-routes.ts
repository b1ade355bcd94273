/**
 * Signing in at the identity provider: there and back again.
 *
 * What the sign-in has to remember travels in a sealed cookie of ten minutes, so that any node can finish it and nobody can
 * begin one in another's browser. The provider says who it is; whether he may operate, and as what, is in our own list.
 */
import { Hono } from "hono";
import { endedFlowCookie, flowCookie, readFlowCookie } from "./cookies.ts";
import type { OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import { type OperatorProblem, problemResponse } from "./problem.ts";
import { letIn, type SignInRoutesParts } from "./sign-in-routes.ts";

const CALLBACK_PATH = "/v1/admin/oidc/callback";
const NOT_HERE: OperatorProblem = { reason: "not_found", detail: "This deployment has no identity provider." };

export function createOidcRoutes(deps: OperatorDependencies, parts: SignInRoutesParts): OperatorApp {
  const { people } = deps.operators;
  const app = new Hono<OperatorEnv>();
  app.get("/oidc/start", async (context) => {
    const { provider, ownOrigin } = deps.operators;
    if (provider === null || ownOrigin === null) return problemResponse(NOT_HERE);
    const { url, state } = await provider.begin(`${ownOrigin}${CALLBACK_PATH}`);
    context.header("set-cookie", flowCookie(parts.signIn.sealFlow(state)));
    return context.redirect(url, 302);
  });
  app.get("/oidc/callback", async (context) => {
    const { provider, ownOrigin } = deps.operators;
    if (provider === null || ownOrigin === null) return problemResponse(NOT_HERE);
    const sealed = readFlowCookie(context.req.header("cookie") ?? null);
    const state = sealed === null ? null : parts.signIn.openFlow(sealed);
    context.header("set-cookie", endedFlowCookie());
    if (state === null) return context.redirect("/#/sign-in-failed", 302);
    const { search } = new URL(context.req.url);
    const answer = await provider.finish(`${ownOrigin}${CALLBACK_PATH}${search}`, state);
    const person = answer.kind === "known" ? await people.findExternal(answer.externalId) : null;
    if (person === null || !person.isActive) {
      const name = answer.kind === "known" ? answer.externalId : "";
      await parts.record.access("sign-in failed", { name }, answer.kind === "refused" ? answer.why : "not in our list");
      return context.redirect("/#/sign-in-failed", 302);
    }
    await letIn(context, person, "signed in", parts);
    return context.redirect("/", 302);
  });
  return app;
}
