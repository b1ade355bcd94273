/**
 * What a request of the operator API would do, in words; and as it was sent where nobody taught us better.
 *
 * Approvals say it before somebody decides, the log after. What a request does is told in the infinitive, because whether it
 * was done is said elsewhere.
 */
import type { Approval } from "./documents.ts";
import { formatMoment } from "./words.ts";

const BASE = "/v1/admin";

type Body = Readonly<Record<string, unknown>>;

/** Text only, never markup. */
export interface RequestWords {
  readonly what: string;
  /** What it is done to, with the word that leads there: "to seat of sale drop"; empty when `what` says it all. */
  readonly target: string;
  /** Why, as the one who asked for it wrote; empty when he was not asked. */
  readonly reason: string;
}

interface Rule {
  readonly method: string;
  readonly path: RegExp;
  readonly say: (parts: readonly string[], body: Body) => readonly [what: string, target: string];
}

const rule = (method: string, path: RegExp, say: Rule["say"]): Rule => ({ method, path, say });
const ofSale =
  (what: string): Rule["say"] =>
  ([sale]) => [what, `sale ${sale}`];

const SALE = "^/sales/([\\w-]+)";
const ITEM = `${SALE}/items/([\\w-]+)`;

const RULES: readonly Rule[] = [
  rule("POST", new RegExp(`${ITEM}/adjust$`), ([sale, sku], { delta }) => {
    const units = Number(delta);
    const place = `${sku} of sale ${sale}`;
    return units > 0 ? [`Add ${units} units`, `to ${place}`] : [`Take ${-units} units`, `from ${place}`];
  }),
  rule("PUT", new RegExp(`${ITEM}/price$`), ([sale, sku], { amount }) => [
    `Set the price to ${textOf(amount)} (minor units)`,
    `of ${sku} of sale ${sale}`,
  ]),
  rule("POST", new RegExp(`${SALE}/recover$`), ([sale]) => ["Make orders again from the streams", `of sale ${sale}`]),
  rule("POST", /^\/sales$/, (_, { id, name }) => [
    "Create the sale",
    id === undefined ? `“${textOf(name)}”` : `${textOf(id)}, “${textOf(name)}”`,
  ]),
  rule("PATCH", new RegExp(`${SALE}$`), ([sale], body) => [
    `Change ${Object.keys(body).join(", ")}`,
    `of sale ${sale}`,
  ]),
  rule("POST", new RegExp(`${SALE}/warm-up$`), ofSale("Warm up a node for")),
  rule("POST", new RegExp(`${SALE}/open$`), ofSale("Open")),
  rule("POST", new RegExp(`${SALE}/pause$`), ofSale("Pause")),
  rule("POST", new RegExp(`${SALE}/resume$`), ofSale("Resume")),
  rule("POST", new RegExp(`${SALE}/close$`), ofSale("Close")),
  rule("PUT", new RegExp(`${SALE}/allowlist$`), ([sale]) => ["Replace the allowlist", `of sale ${sale}`]),
  rule("POST", /^\/bans$/, (_, { effect, kind, subject, durationMs, expiresAt }) => [
    `${effect === "exempt" ? "Exempt" : "Ban"} ${lasting(durationMs, expiresAt)}`,
    `${textOf(kind)} ${textOf(subject)}`,
  ]),
  rule("DELETE", /^\/bans\/([\w-]+)$/, ([ban]) => ["Lift", `ban ${ban}`]),
  rule("POST", /^\/rehearsals$/, (_, { saleId, expectedBuyers }) => [
    expectedBuyers === undefined ? "Rehearse" : `Rehearse a crowd of ${textOf(expectedBuyers)}`,
    saleId === undefined ? "on this deployment" : `for sale ${textOf(saleId)}`,
  ]),
  rule("DELETE", /^\/rehearsals\/([\w-]+)$/, ([id]) => ["End early", `rehearsal ${id}`]),
  rule("POST", /^\/webhooks$/, (_, { url }) => ["Tell of reservations", textOf(url)]),
  rule("DELETE", /^\/webhooks\/([\w-]+)$/, ([id]) => ["Tell no more of reservations", `address ${id}`]),
  rule("POST", /^\/people$/, (_, { name, role }) => [`Let somebody in as ${textOf(role)}`, textOf(name)]),
  rule("PATCH", /^\/people\/([\w-]+)$/, ([person], { role, isActive }) => {
    const changes = [
      ...(role === undefined ? [] : [`Make ${textOf(role)}`]),
      ...(isActive === undefined ? [] : [isActive === true ? "Let in again" : "Shut out"]),
    ];
    return [changes.join(", "), `person ${person}`];
  }),
  rule("POST", /^\/people\/([\w-]+)\/invitation$/, ([person]) => ["Invite anew", `person ${person}`]),
  rule("POST", /^\/approvals\/([\w-]+)\/(approve|reject|withdraw)$/, ([id, verb = ""]) => [
    `${verb.charAt(0).toUpperCase()}${verb.slice(1)}`,
    `request ${id}`,
  ]),
];

/** What the request does; as it was sent where no rule knows it. */
export function wordsOfRequest({ method, path, body }: Pick<Approval, "method" | "path" | "body">): RequestWords {
  const own = path.startsWith(BASE) ? path.slice(BASE.length) : path;
  const members = typeof body === "object" && body !== null ? (body as Body) : {};
  for (const known of RULES) {
    const parts = known.method === method ? known.path.exec(own) : null;
    if (parts === null) continue;
    const [what, target] = known.say(parts.slice(1), members);
    return { what, target, reason: typeof members["reason"] === "string" ? members["reason"] : "" };
  }
  return { what: `${method} ${own}`, target: body === undefined ? "" : JSON.stringify(body), reason: "" };
}

/** One line of text; never markup. */
export function describeRequest(request: Pick<Approval, "method" | "path" | "body">): string {
  const { what, target, reason } = wordsOfRequest(request);
  return `${[what, target].filter(Boolean).join(" ")}${reason === "" ? "" : `: ${reason}`}`;
}

function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : JSON.stringify(value ?? null);
}

function lasting(durationMs: unknown, expiresAt: unknown): string {
  if (typeof durationMs === "number") return `for ${formatHours(durationMs)}`;
  return typeof expiresAt === "number" ? `until ${formatMoment(expiresAt)}` : "until lifted";
}

function formatHours(durationMs: number): string {
  const hours = Math.round(durationMs / 36_000) / 100;
  return hours === 1 ? "an hour" : `${hours} hours`;
}
