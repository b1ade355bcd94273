/**
 * Who may buy and who may not: the allowlist of a sale, and bans over all sales.
 */
import { Hono } from "hono";
import { isId, parseSaleId } from "../../domain/ids.ts";
import { DEVICE_LENGTH } from "../../funnel/3-identity/session-token.ts";
import { ipKeyOf } from "../../funnel/4-throttle/ip-address.ts";
import type { Ban } from "../../ports/sale-store.ts";
import { allowlistFormOf, uploadAllowlist } from "./allowlist-upload.ts";
import { readJson } from "./body.ts";
import type { OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import { invalidFields, problemResponse } from "./problem.ts";
import { BanSchema } from "./schemas.ts";

export function createAccessRoutes(deps: OperatorDependencies): OperatorApp {
  const app = new Hono<OperatorEnv>();

  app.put("/sales/:saleId/allowlist", async (context) => {
    const form = allowlistFormOf(context.req.header("content-type"));
    if (form === null) {
      const detail = "Send the list as application/json, or as text/plain or text/csv with one buyer a line.";
      return problemResponse({ reason: "malformed", detail });
    }
    const saleId = parseSaleId(context.req.param("saleId"));
    const sale = saleId === null ? null : await deps.saleStore.findSale(saleId);
    if (sale === null) return problemResponse({ reason: "no_such_sale" });
    const list = await uploadAllowlist(context.req.raw, sale, { form, deps });
    if (list.kind === "problem") return problemResponse(list.problem);
    deps.log.info({ saleId, buyers: list.value }, "allowlist replaced");
    return context.json({ saleId, buyers: list.value });
  });

  app.get("/bans", async (context) => {
    const bans = await deps.saleStore.listBans();
    return context.json({ bans: bans.slice(0, BANS_SHOWN_MAX), total: bans.length });
  });
  app.post("/bans", async (context) => {
    const body = await readJson(context.req.raw, deps.clock, BanSchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    const { kind, effect, reason, expiresAt, durationMs } = body.value;
    const subject = SUBJECTS[kind](body.value.subject);
    if (subject === null) return problemResponse(invalidFields([{ field: "subject", text: SUBJECT_TEXTS[kind] }]));
    const nowMs = deps.clock.nowMs();
    const endsAt = durationMs === undefined ? (expiresAt ?? null) : nowMs + durationMs;
    if (endsAt !== null && endsAt <= nowMs) {
      return problemResponse(invalidFields([{ field: "expiresAt", text: "must be in the future" }]));
    }
    const ban: Ban = await deps.saleStore.createBan({
      id: deps.random.id(),
      kind,
      effect,
      subject,
      reason,
      expiresAt: endsAt,
    });
    deps.log.info({ banId: ban.id, kind, effect: ban.effect }, "ban created");
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
  device: `must be a device key: ${DEVICE_LENGTH} of A-Z a-z 0-9 _ -`,
} as const;

/** After a rush of cool-downs there are thousands; the newest are shown. */
const BANS_SHOWN_MAX = 1_000;

const SUBJECTS: Readonly<Record<Ban["kind"], (text: string) => string | null>> = {
  buyer: (text) => (isId(text) ? text : null),
  ip: ipKeyOf,
  device: (text) => (isId(text) && text.length === DEVICE_LENGTH ? text : null),
};
