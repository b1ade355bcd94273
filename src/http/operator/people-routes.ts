/**
 * People who operate: adding, changing and inviting them, and reading what everybody did.
 *
 * A person of the identity provider is known by who he is there. Everybody else enrols by an invitation, which is shown once,
 * to whoever holds the machine's token: a person who could invite could be his own second person.
 */
import { Hono } from "hono";
import type { Person } from "../../ports/operator-store.ts";
import { readJson } from "./body.ts";
import type { OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import { NewPersonSchema, PersonPatchSchema } from "./people-schemas.ts";
import { type OperatorProblem, problemResponse } from "./problem.ts";
import { NoBodySchema } from "./schemas.ts";
import type { SignIn } from "./sign-in.ts";

/** Entries of the log on one page. */
const LOG_ROWS_MAX = 500;
const NO_SUCH_PERSON: OperatorProblem = { reason: "not_found", detail: "There is no such person." };

export function createPeopleRoutes(deps: OperatorDependencies, signIn: SignIn): OperatorApp {
  const { people, operatorLog } = deps.operators;
  const app = new Hono<OperatorEnv>();

  app.get("/people", async (context) => context.json({ people: await people.listPeople() }));
  app.post("/people", async (context) => {
    const body = await readJson(context.req.raw, deps.clock, NewPersonSchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    const { name, role, externalId = null } = body.value;
    if (externalId === null && context.get("actor").kind !== "machine") {
      const detail = "Only `doorbuster operator add` on the server can invite; here people are added by externalId.";
      return problemResponse({ reason: "forbidden", detail });
    }
    const id = deps.random.id();
    const invitation = externalId === null ? signIn.newInvitation(id) : null;
    const person = await people.addPerson({ id, name, role, externalId, invitation: invitation?.kept ?? null });
    if (person === "taken") return problemResponse({ reason: "conflict", detail: TAKEN });
    return context.json({ person, ...invitationOf(invitation) }, 201);
  });
  app.patch("/people/:personId", async (context) => {
    const body = await readJson(context.req.raw, deps.clock, PersonPatchSchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    const person: Person | null = await people.changePerson({ id: context.req.param("personId"), ...body.value });
    return person === null ? problemResponse(NO_SUCH_PERSON) : context.json({ person });
  });
  app.post("/people/:personId/invitation", async (context) => {
    const body = await readJson(context.req.raw, deps.clock, NoBodySchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    const id = context.req.param("personId");
    const person = await people.findPerson(id);
    if (person === null) return problemResponse(NO_SUCH_PERSON);
    const invitation = signIn.newInvitation(id);
    if (!(await people.invite(id, invitation.kept))) {
      return problemResponse({ reason: "conflict", detail: "This person signs in at the identity provider." });
    }
    return context.json({ person: { ...person, isEnrolled: false }, ...invitationOf(invitation) });
  });

  app.get("/log", async (context) => {
    const afterSeq = wholeNumber(context.req.query("after"), 0);
    const rowsMax = wholeNumber(context.req.query("limit"), LOG_ROWS_MAX);
    if (afterSeq === null || rowsMax === null) {
      return problemResponse({ reason: "malformed", detail: "after and limit are whole numbers." });
    }
    // The head first: entries that come meanwhile are then beyond it, and no gap.
    const head = await operatorLog.head();
    const entries = await operatorLog.read({ afterSeq, rowsMax: Math.min(Math.max(1, rowsMax), LOG_ROWS_MAX) });
    return context.json({ head, entries: entries.filter(({ seq }) => seq <= head.seq) });
  });
  return app;
}

const TAKEN = "There is somebody of that name, or with that externalId, already.";

function invitationOf(made: ReturnType<SignIn["newInvitation"]> | null) {
  return made === null ? {} : { invitation: { token: made.token, expiresAt: made.kept.expiresAt } };
}

function wholeNumber(text: string | undefined, byDefault: number): number | null {
  if (text === undefined) return byDefault;
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}
