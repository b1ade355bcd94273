/**
 * Starting a session: for a guest, or for whoever the shop's own login says this is.
 *
 * The signing key leaves the server here and never again. Where guests are switched off they are told which way leads in
 * (`not_eligible`, rule `login_required`): a 401 would say that they forgot something, and they did not. The route is
 * limited per address, because every session is a fresh buyer and so a fresh limit per buyer. What the page tells of its
 * device goes into the token as a hash and a figure, and nowhere else.
 */
import { type BuyerId, parseBuyerId } from "../../domain/ids.ts";
import type { Refusal } from "../../domain/refusals.ts";
import { newSessionId, signingKeyOf } from "../../funnel/3-identity/keys.ts";
import { mintSessionToken } from "../../funnel/3-identity/session-token.ts";
import type { SessionRisk } from "../../funnel/6-admission/risk/risk-engine.ts";
import { SessionRequestSchema } from "../contract/schemas.ts";
import type { BuyerAppDependencies } from "./dependencies.ts";
import { type BuyerHandler, readBody, refuse, throttledRequest } from "./request-context.ts";

/** Who the new session belongs to. */
interface Subject {
  readonly buyerId: BuyerId;
  readonly level: number;
  readonly accountCreatedAt: number | null;
}

/** The handler of `POST /v1/sessions`. */
export function createSessionHandlers(dependencies: BuyerAppDependencies): Record<"createSession", BuyerHandler> {
  const { sessionThrottle } = dependencies;
  return {
    async createSession(context) {
      const limited = sessionThrottle.admit(throttledRequest(context), null, null);
      if (limited !== null) return refuse(limited);
      const body = await readBody(context, dependencies, { schema: SessionRequestSchema });
      if (body instanceof Response) return body;
      const subject =
        body.value.kind === "guest" ? guest(dependencies) : await shopAccount(dependencies, body.value.token);
      if ("reason" in subject) return refuse(subject);
      const signals = body.value.signals ?? null;
      const risk = dependencies.risk.beginSession({
        request: throttledRequest(context),
        signals,
        buyerId: subject.buyerId,
      });
      return Response.json(open(dependencies, { ...subject, ...risk }), { status: 201 });
    },
  };
}

function guest({ settings, random }: BuyerAppDependencies): Subject | Refusal {
  if (!settings.guestsAllowed) return { reason: "not_eligible", extra: { rule: "login_required" } };
  return { buyerId: known(parseBuyerId(random.id())), level: 0, accountCreatedAt: null };
}

async function shopAccount({ shopLogin }: BuyerAppDependencies, token: string): Promise<Subject | Refusal> {
  if (shopLogin === null) {
    return { reason: "session_invalid", extra: { detail: "This deployment knows no login of a shop." } };
  }
  const login = await shopLogin.verify(token);
  return typeof login === "string" ? { reason: login } : login;
}

function open({ keys, clock, random, settings }: BuyerAppDependencies, subject: Subject & SessionRisk) {
  const sessionId = newSessionId(keys, random);
  // The token carries whole seconds; the answer must not promise more than the token does.
  const expiresAt = Math.floor((clock.nowMs() + settings.sessionTtlMs) / 1_000) * 1_000;
  return {
    token: mintSessionToken(keys.session, { ...subject, sessionId, expiresAt }),
    signingKey: signingKeyOf(keys, sessionId),
    buyerId: subject.buyerId,
    expiresAt,
  };
}

/** Ids from the Random port always have the form of an id. */
function known<Id>(id: Id | null): Id {
  if (id === null) throw new Error("the Random port made something that is not an id");
  return id;
}
