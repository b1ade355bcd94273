/**
 * Rehearsals: begin one, see how far it is, end it early, read the certificates.
 *
 * Whether one may begin now is decided elsewhere; its reasons are told as they are. A certificate is shown with its signature, so
 * that what is saved can be checked (`doorbuster rehearse verify`).
 */
import { Hono } from "hono";
import { z } from "zod";
import { BUSIEST_SECOND_SHARE } from "../../domain/headroom.ts";
import { isId, parseSaleId } from "../../domain/ids.ts";
import { readJson } from "./body.ts";
import type { OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import { problemResponse } from "./problem.ts";
import { expected, integer, members } from "./schemas.ts";

const LISTED_MAX = 50;
const URLS_MAX = 64;
const URL_LENGTH_MAX = 300;
const MS_PER_S = 1_000;
const shareText = expected("a number from 0.001 to 1 (the share of the crowd that comes in its busiest second)");
const urlText = expected(`an origin such as http://127.0.0.1:8080`);
const saleText = expected("the id of a sale");

const RehearsalSchema = members(
  {
    saleId: z.string(saleText).refine(isId, saleText).optional(),
    expectedBuyers: integer({ min: 1, max: 100_000_000 }, "how many buyers are expected").optional(),
    busiestSecondShare: z.number(shareText).min(0.001, shareText).max(1, shareText).default(BUSIEST_SECOND_SHARE),
    seconds: integer({ min: 10, max: 300 }, "how long it may take").default(90),
    latencyMsMax: integer({ min: 10, max: 5_000 }, "what 99 of 100 decisions must keep, in milliseconds").default(250),
    force: z.boolean(expected("true or false")).default(false),
    urls: z
      .array(z.string(urlText).max(URL_LENGTH_MAX, urlText), expected("a list of origins"))
      .max(URLS_MAX, expected(`at most ${URLS_MAX} origins`))
      .default([]),
  },
  "a rehearsal",
);

export function createRehearsalRoutes({ rehearsals, clock, log }: OperatorDependencies): OperatorApp {
  const app = new Hono<OperatorEnv>();
  app.post("/rehearsals", async (context) => {
    const body = await readJson(context.req.raw, clock, RehearsalSchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    const { saleId, expectedBuyers = null, seconds, force, ...rest } = body.value;
    const started = await rehearsals.start({
      ...{ ...rest, expectedBuyers, isForced: force, durationMs: seconds * MS_PER_S },
      saleId: saleId === undefined ? null : parseSaleId(saleId),
    });
    if (started.kind === "no such sale") return problemResponse({ reason: "no_such_sale" });
    if (started.kind === "refused") return problemResponse({ reason: "conflict", detail: started.why });
    log.info({ rehearsalId: started.id, seconds, isForced: force }, "rehearsal began");
    context.header("location", `/v1/admin/rehearsals/${started.id}`);
    return context.json({ id: started.id, state: "running" }, 202);
  });
  app.get("/rehearsals", async (context) => {
    const saleId = context.req.query("saleId") ?? null;
    if (saleId !== null && !isId(saleId)) return problemResponse({ reason: "no_such_sale" });
    const listed = await rehearsals.list({ saleId, rowsMax: LISTED_MAX });
    return context.json({ settings: rehearsals.settings, rehearsals: listed });
  });
  app.get("/rehearsals/:id", async (context) => {
    const id = context.req.param("id");
    const found = isId(id) ? await rehearsals.find(id) : null;
    return found === null ? problemResponse({ reason: "not_found" }) : context.json(found);
  });
  app.delete("/rehearsals/:id", async (context) => {
    const id = context.req.param("id");
    const found = isId(id) ? await rehearsals.cancel(id) : null;
    if (found === null) return problemResponse({ reason: "not_found" });
    log.info({ rehearsalId: id, state: found.state }, "the end of a rehearsal was asked for");
    return context.json(found, found.state === "running" ? 202 : 200);
  });
  return app;
}
