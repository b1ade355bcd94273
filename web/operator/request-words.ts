/**
 * What a waiting request would do, in a sentence; and as it was sent where nobody taught us better.
 */
import type { Approval } from "./documents.ts";

const BASE = "/v1/admin";

type Body = Readonly<Record<string, unknown>>;

interface Words {
  readonly method: string;
  readonly path: RegExp;
  readonly say: (parts: readonly string[], body: Body) => string;
}

const KNOWN: readonly Words[] = [
  {
    method: "POST",
    path: /^\/sales\/([\w-]+)\/items\/([\w-]+)\/adjust$/,
    say: ([sale, sku], { delta, reason }) => {
      const units = Number(delta);
      const what = units > 0 ? `Add ${units} units to` : `Take ${-units} units from`;
      return `${what} ${sku} of sale ${sale}: ${reason}`;
    },
  },
  {
    method: "PUT",
    path: /^\/sales\/([\w-]+)\/items\/([\w-]+)\/price$/,
    say: ([sale, sku], { amount, reason }) => `Price of ${sku} of sale ${sale} to ${amount} (minor units): ${reason}`,
  },
  {
    method: "POST",
    path: /^\/sales\/([\w-]+)\/recover$/,
    say: ([sale]) => `Make orders of sale ${sale} again from the streams`,
  },
];

/** One line of text; never markup. */
export function describeRequest({ method, path, body }: Pick<Approval, "method" | "path" | "body">): string {
  const own = path.startsWith(BASE) ? path.slice(BASE.length) : path;
  const members = typeof body === "object" && body !== null ? (body as Body) : {};
  for (const words of KNOWN) {
    const parts = words.method === method ? words.path.exec(own) : null;
    if (parts !== null) return words.say(parts.slice(1), members);
  }
  return `${method} ${own} ${JSON.stringify(body)}`;
}
