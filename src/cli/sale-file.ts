/**
 * The file that `doorbuster sale create` reads: the body of POST /v1/admin/sales, with instants that people can write.
 *
 * Only instants are translated here. What a sale may be is the server's to say, in words that name the field; so a field
 * that the server learns needs nothing from us.
 */
import { CommandFailure, EXIT_USAGE } from "./failure.ts";

const INSTANT_FIELDS: readonly string[] = ["opensAt", "closesAt"];
/** With its zone: a time without one means something else on every machine. */
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/;

/** What `--help` says of the file; docs/operating/sales.md says it at length. */
export const SALE_FILE_HELP = `
The file is one JSON object:
  id             optional; letters, digits, _ and -. Made when missing
  name           what buyers read
  description    optional text
  imageUrl       optional; https://… or a path on the node
  opensAt        "2030-06-01T18:00:00Z" (with a zone) or milliseconds since the epoch
  closesAt       optional, the same; a day after opensAt when missing
  holdMs         optional; how long units wait for payment, 600000 when missing
  perBuyerMax    optional; units a buyer may have of each item, 1 when missing
  challenge      optional: "none", "adaptive", "always"
  signature      optional: "required", "optional"
  eligibility    optional: { allowlist, accountAgeMsMin, levelMin, blocklist, tiers: [ { name, opensAt, … } ] }
  buckets        optional; parts of each item's stock in Redis, 1 when missing
  items          1 or more: { sku, name, price: { amount (minor units: 4900 is 49.00), currency }, stock, perBuyerMax }
Anything else is refused. An example: docs/operating/sale.example.json; each field: docs/operating/sales.md.
`;

/** The body for the operator API. `name` is how the file is called in complaints. Throws CommandFailure. */
export function readSaleFile(text: string, name: string): unknown {
  let sale: unknown;
  try {
    sale = JSON.parse(text);
  } catch (error) {
    throw new CommandFailure(`${name} is not JSON: ${(error as Error).message}`, EXIT_USAGE);
  }
  const unreadable: string[] = [];
  const body = withInstants(sale, "", unreadable);
  if (unreadable.length === 0) return body;
  throw new CommandFailure(
    `${unreadable.join(", ")} in ${name}; accepted: an instant with its zone such as "2030-06-01T18:00:00Z" or "2030-06-01T20:00+02:00", or milliseconds since the epoch.`,
    EXIT_USAGE,
  );
}

/** The same with every instant in milliseconds, those of tiers included; what is none is added to `unreadable`. */
function withInstants(value: unknown, path: string, unreadable: string[]): unknown {
  if (Array.isArray(value)) return value.map((each, index) => withInstants(each, `${path}[${index}]`, unreadable));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([field, member]) => {
      const place = path === "" ? field : `${path}.${field}`;
      if (!INSTANT_FIELDS.includes(field) || typeof member !== "string") {
        return [field, withInstants(member, place, unreadable)];
      }
      const ms = INSTANT.test(member) ? Date.parse(member) : Number.NaN;
      if (!Number.isFinite(ms)) unreadable.push(`${place} is ${JSON.stringify(member)}`);
      return [field, ms];
    }),
  );
}
