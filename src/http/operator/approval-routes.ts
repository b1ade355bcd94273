/**
 * Deciding about requests that take two people: who asked may only take his back, anybody else with the role says yes or no.
 *
 * A yes names the digest of what was shown, and makes the request then and there, once, as it was kept and in the name of who
 * asked, who must still be entitled to it. The answer is the request's own.
 */
import { Hono } from "hono";
import { includesRole } from "../../domain/operator-role.ts";
import type { Approval } from "../../ports/approval-store.ts";
import type { PersonActor } from "./actor.ts";
import { readJson } from "./body.ts";
import type { ApprovedCall, OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import { approvalDocument } from "./gate.ts";
import { DecisionSchema } from "./people-schemas.ts";
import { type OperatorProblem, problemResponse } from "./problem.ts";
import { NoBodySchema } from "./schemas.ts";

const APPROVALS_LISTED_MAX = 100;
const NO_SUCH_REQUEST: OperatorProblem = { reason: "not_found", detail: "There is no such request." };
const DECIDED: OperatorProblem = {
  reason: "conflict",
  detail: "This request was decided already, has run out, or is not yours to decide.",
};
const CHANGED: OperatorProblem = { reason: "conflict", detail: "This is not the request that you were shown." };

/** `perform` makes a kept request, as if it had come in now. */
export function createApprovalRoutes(
  deps: OperatorDependencies,
  perform: (request: Request, approved: ApprovedCall) => Promise<Response>,
): OperatorApp {
  const { approvals, people } = deps.operators;
  const app = new Hono<OperatorEnv>();

  app.get("/approvals", async (context) => {
    const listed = await approvals.list({ rowsMax: APPROVALS_LISTED_MAX });
    return context.json({ approvals: listed.map(approvalDocument), serverNow: deps.clock.nowMs() });
  });
  app.post("/approvals/:approvalId/approve", async (context) => {
    const body = await readJson(context.req.raw, deps.clock, DecisionSchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    const approval = await approvals.find(context.req.param("approvalId"));
    if (approval === null) return problemResponse(NO_SUCH_REQUEST);
    if (approval.digest !== body.value.digest) return problemResponse(CHANGED);
    const refused = mayDecide(context.get("actor"), approval);
    if (refused !== null) return problemResponse(refused);
    const decider = context.get("actor") as PersonActor;
    const asker = await people.findPerson(approval.requestedBy.id);
    if (asker === null || !asker.isActive || !includesRole(asker.role, approval.role)) {
      return problemResponse({ reason: "conflict", detail: "Who asked for this may not do it any more." });
    }
    const decision = { id: approval.id, by: decider.id, state: "approved" as const, nowMs: deps.clock.nowMs() };
    if (!(await approvals.decide(decision))) return problemResponse(DECIDED);
    const { id, name, role } = asker;
    const answer = await perform(requestOf(approval), {
      actor: { kind: "person", id, name, role, provenAt: deps.clock.nowMs(), sessionHash: null },
      approval: { id: approval.id, by: { id: decider.id, name: decider.name } },
    });
    await approvals.finish(approval.id, answer.status);
    return answer;
  });
  for (const [command, state] of [
    ["reject", "rejected"],
    ["withdraw", "withdrawn"],
  ] as const) {
    app.post(`/approvals/:approvalId/${command}`, async (context) => {
      const body = await readJson(context.req.raw, deps.clock, NoBodySchema);
      if (body.kind === "problem") return problemResponse(body.problem);
      const approval = await approvals.find(context.req.param("approvalId"));
      if (approval === null) return problemResponse(NO_SUCH_REQUEST);
      const actor = context.get("actor") as PersonActor;
      const refused = state === "rejected" ? mayDecide(actor, approval) : null;
      if (refused !== null) return problemResponse(refused);
      const isDecided = await approvals.decide({ id: approval.id, by: actor.id, state, nowMs: deps.clock.nowMs() });
      if (!isDecided) return problemResponse(DECIDED);
      const decided = await approvals.find(approval.id);
      return decided === null
        ? problemResponse(NO_SUCH_REQUEST)
        : context.json({ approval: approvalDocument(decided) });
    });
  }
  return app;
}

/** Nobody is his own second person; the store and its table say so once more. */
function mayDecide(actor: OperatorEnv["Variables"]["actor"], approval: Approval): OperatorProblem | null {
  if (actor.kind !== "person" || actor.id === approval.requestedBy.id) {
    return { reason: "forbidden", detail: "Somebody else has to decide about a request of yours." };
  }
  if (!includesRole(actor.role, approval.role)) {
    return { reason: "forbidden", detail: `This takes the role ${approval.role}.` };
  }
  return null;
}

function requestOf(approval: Approval): Request {
  return new Request(`http://operator.internal${approval.path}`, {
    method: approval.method,
    headers: { "content-type": "application/json" },
    ...(approval.body === "" ? {} : { body: approval.body }),
  });
}
