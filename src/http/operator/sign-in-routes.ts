/**
 * Signing in and out of the console: with name, password and code, by taking up an invitation, or at the identity provider.
 *
 * Every try is counted by the brake and, good or bad, logged. The session is a cookie that scripts cannot read; the token for
 * machines never becomes one.
 */
import { type Context, Hono } from "hono";
import type { z } from "zod";
import type { Person } from "../../ports/operator-store.ts";
import type { Actor } from "./actor.ts";
import { readJson } from "./body.ts";
import { endedSessionCookie, sessionCookie } from "./cookies.ts";
import type { OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import type { OperatorRecord } from "./operator-record.ts";
import { PasswordsBusy } from "./password.ts";
import { EnrolmentCompleteSchema, EnrolmentSchema, SignInSchema, StepUpSchema } from "./people-schemas.ts";
import { invalidFields, type OperatorProblem, problemResponse } from "./problem.ts";
import type { SignIn } from "./sign-in.ts";
import type { SignInBrake } from "./sign-in-brake.ts";

const BODY_BYTES_MAX = 8_192;
const NOBODYS_NAME = "(nobody's name)";
const NOT_YOU: OperatorProblem = { reason: "sign_in_failed" };

export interface SignInRoutesParts {
  readonly signIn: SignIn;
  readonly brake: SignInBrake;
  readonly record: OperatorRecord;
}

/** The actor as the console shows him. */
export function actorDocument(actor: Actor): Readonly<Record<string, string>> {
  if (actor.kind === "machine") return { kind: "machine", role: actor.role };
  return { kind: "person", id: actor.id, name: actor.name, role: actor.role };
}

export function createSignInRoutes(deps: OperatorDependencies, parts: SignInRoutesParts): OperatorApp {
  const { signIn, record } = parts;
  const { people, provider } = deps.operators;
  const app = new Hono<OperatorEnv>();

  app.get("/sign-in", async (context) => {
    const known = await people.listPeople();
    const actor: Actor | undefined = context.get("actor");
    return context.json({
      people: known.some((person) => person.isEnrolled),
      provider: provider !== null,
      me: actor === undefined ? null : actorDocument(actor),
    });
  });
  app.post("/sign-in", (context) =>
    tryOnce(context, deps, parts, { schema: SignInSchema, nameOf: (body) => body.name }, async (body) => {
      const { person, knownName } = await signIn.check(body);
      if (person === null) {
        await record.access("sign-in failed", { name: knownName ?? NOBODYS_NAME });
        return problemResponse(NOT_YOU);
      }
      return letIn(context, person, "signed in", parts);
    }),
  );
  app.post("/enrolment", (context) =>
    tryOnce(context, deps, parts, { schema: EnrolmentSchema, nameOf: nameOfInvited }, async ({ invitation }) => {
      const offer = await signIn.readInvitation(invitation);
      return offer === null ? problemResponse(NOT_YOU) : context.json(offer);
    }),
  );
  app.post("/enrolment/complete", (context) =>
    tryOnce(context, deps, parts, { schema: EnrolmentCompleteSchema, nameOf: nameOfInvited }, async (body) => {
      const person = await signIn.enrol(body);
      if (!("wrong" in person)) return letIn(context, person, "enrolled", parts);
      if (person.wrong === "invitation") return problemResponse(NOT_YOU);
      return problemResponse(invalidFields([{ field: person.wrong, text: person.text }]));
    }),
  );

  app.get("/me", (context) => context.json(actorDocument(context.get("actor"))));
  app.post("/sign-out", async (context) => {
    const actor = context.get("actor");
    if (actor.kind === "person" && actor.sessionHash !== null) await people.endSession(actor.sessionHash);
    await record.access("signed out", actor);
    context.header("set-cookie", endedSessionCookie());
    return context.body(null, 204);
  });
  app.post("/step-up", (context) => {
    const actor = context.get("actor");
    const name = actor.kind === "person" ? actor.name : "";
    return tryOnce(context, deps, parts, { schema: StepUpSchema, nameOf: () => name }, async ({ code }) => {
      if (actor.kind !== "person" || actor.sessionHash === null) return problemResponse({ reason: "forbidden" });
      if (!(await signIn.checkCode(actor.id, code))) {
        await record.access("sign-in failed", actor, "code");
        // Not 401: the session stays, and the console must not take this for its end.
        return problemResponse({ reason: "proof_required", detail: CODE_TEXT });
      }
      await people.proveSession(actor.sessionHash, deps.clock.nowMs());
      await record.access("proved again", actor);
      return context.json(actorDocument(actor));
    });
  });
  return app;
}

const CODE_TEXT =
  "That is not the code your app shows now, or it was used before. Who signs in at the identity provider signs in there again.";

/** Whoever is invited is counted by his invitation: several of an office join from one address. */
function nameOfInvited({ invitation }: { invitation: string }): string {
  return `invitation ${invitation}`;
}

/** Reads the body, counts the try, and says no to too many. */
async function tryOnce<Schema extends z.ZodType>(
  context: Context<OperatorEnv>,
  deps: OperatorDependencies,
  parts: SignInRoutesParts,
  body: { schema: Schema; nameOf: (body: z.output<Schema>) => string },
  attempt: (body: z.output<Schema>) => Promise<Response>,
): Promise<Response> {
  const read = await readJson(context.req.raw, deps.clock, body.schema, BODY_BYTES_MAX);
  if (read.kind === "problem") return problemResponse(read.problem);
  const address = context.env?.remoteAddress ?? "";
  const waitMs = parts.brake.waitMs({ name: body.nameOf(read.value), address });
  if (waitMs > 0) return problemResponse({ reason: "throttled", retryAfterMs: Math.ceil(waitMs) });
  try {
    return await attempt(read.value);
  } catch (error) {
    if (error instanceof PasswordsBusy) return problemResponse({ reason: "busy" });
    throw error;
  }
}

/** Opens a session and hands it to the browser. */
export async function letIn(
  context: Context<OperatorEnv>,
  person: Person,
  event: "signed in" | "enrolled",
  parts: Pick<SignInRoutesParts, "signIn" | "record">,
): Promise<Response> {
  const { token, maxAgeS } = await parts.signIn.openSession(person);
  const { id, name, role } = person;
  const actor: Actor = { kind: "person", id, name, role, provenAt: 0, sessionHash: null };
  await parts.record.access(event, actor);
  context.header("set-cookie", sessionCookie(token, maxAgeS), { append: true });
  return context.json(actorDocument(actor));
}
