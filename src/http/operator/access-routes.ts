/**
 * Who may buy and who may not: the allowlist of a sale, and bans over all sales.
 */
import { Hono } from "hono";
import { isId, parseSaleId } from "../../domain/ids.ts";
import { ipKeyOf } from "../../funnel/4-throttle/ip-address.ts";
import type { Ban } from "../../ports/sale-store.ts";
import { ALLOWLIST_BYTES_MAX, parseAllowlistJson, parseAllowlistText } from "./allowlist.ts";
import { readJson, readText } from "./body.ts";
import type { OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import { invalidFields, problemResponse } from "./problem.ts";
import { BanSchema } from "./schemas.ts";

export function createAccessRoutes(deps: OperatorDependencies): OperatorApp {
  const app = new Hono<OperatorEnv>();

  app.put("/sales/:saleId/allowlist", async (context) => {
    const parse = allowlistParser(context.req.header("content-type"));
    if (parse === null) {
      const detail = "Send the list as application/json or as text/plain with one buyer id a line.";
      return problemResponse({ reason: "malformed", detail });
    }
    const text = await readText(context.req.raw, deps.clock, ALLOWLIST_BYTES_MAX);
    const list = text.kind === "problem" ? text : parse(text.value);
    if (list.kind === "problem") return problemResponse(list.problem);
    const saleId = parseSaleId(context.req.param("saleId"));
    const buyers = saleId === null ? null : await deps.saleStore.replaceAllowlist(saleId, list.value);
    if (buyers === null) return problemResponse({ reason: "no_such_sale" });
    deps.log.info({ saleId, buyers }, "allowlist replaced");
    return context.json({ saleId, buyers });
  });

  app.get("/bans", async (context) => context.json({ bans: await deps.saleStore.listBans() }));
  app.post("/bans", async (context) => {
    const body = await readJson(context.req.raw, deps.clock, BanSchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    const { kind, reason, expiresAt, durationMs } = body.value;
    const subject = kind === "buyer" ? buyerSubject(body.value.subject) : ipKeyOf(body.value.subject);
    if (subject === null) return problemResponse(invalidFields([{ field: "subject", text: SUBJECT_TEXTS[kind] }]));
    const nowMs = deps.clock.nowMs();
    const endsAt = durationMs === undefined ? (expiresAt ?? null) : nowMs + durationMs;
    if (endsAt !== null && endsAt <= nowMs) {
      return problemResponse(invalidFields([{ field: "expiresAt", text: "must be in the future" }]));
    }
    const ban: Ban = await deps.saleStore.createBan({
      id: deps.random.id(),
      kind,
      subject,
      reason,
      expiresAt: endsAt,
    });
    deps.log.info({ banId: ban.id, kind }, "ban created");
    return context.json(ban, 201);
  });
  app.delete("/bans/:banId", async (context) => {
    const banId = context.req.param("banId");
    const isDeleted = isId(banId) && (await deps.saleStore.deleteBan(banId));
    if (!isDeleted) return problemResponse({ reason: "not_found", detail: "There is no such ban." });
    deps.log.info({ banId }, "ban lifted");
    return context.body(null, 204);
  });
  return app;
}

const SUBJECT_TEXTS = {
  buyer: "must be a buyer id: 1 to 64 of A-Z a-z 0-9 _ -",
  ip: "must be an IPv4 or IPv6 address; an IPv6 address stands for its /64 network",
} as const;

function allowlistParser(contentType: string | undefined): typeof parseAllowlistJson | null {
  const type = contentType?.split(";")[0]?.trim().toLowerCase();
  if (type === undefined || type === "application/json") return parseAllowlistJson;
  return type === "text/plain" ? parseAllowlistText : null;
}

function buyerSubject(text: string): string | null {
  return isId(text) ? text : null;
}
