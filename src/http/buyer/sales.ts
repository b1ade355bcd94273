/**
 * What anybody may read: the clock, the list of sales, and a sale.
 *
 * Sales come from the node's own copy and stock figures at most once a second from the ledger, so a crowd that stares at
 * a countdown costs the database nothing. Changing a sale is the operator API's.
 */
import { createHash } from "node:crypto";
import { isRehearsalSale } from "../../domain/rehearsal-rules.ts";
import type { Sale } from "../../domain/sale.ts";
import type { BuyerAppDependencies } from "./dependencies.ts";
import { type PublicSale, toPublicSale } from "./public-sale.ts";
import { type BuyerContext, type BuyerHandler, refuse } from "./request-context.ts";
import { SharedStock } from "./shared-stock.ts";
import { StockBoard } from "./stock-board.ts";

const SALES_LISTED_MAX = 100;
/** A sale that is over stays on the list this long, so that its buyers find their way back. */
const LISTED_AFTER_CLOSE_MS = 86_400_000;
/** Stock reads of one list that run at the same time. */
const SALES_AT_ONCE = 8;

const PUBLIC_CACHE = "public, max-age=1";
const ETAG_LENGTH = 22;

/** Handlers of the routes that need no session. */
export function createSaleHandlers(
  dependencies: BuyerAppDependencies,
): Record<"readTime" | "listSales" | "readSale", BuyerHandler> {
  const { clock, catalogue, settings } = dependencies;
  const board = createBoard(dependencies);

  async function publicSale(sale: Sale): Promise<PublicSale> {
    const stock = await board.stockOf(sale);
    return toPublicSale(sale, stock, { nowMs: clock.nowMs(), unit: settings.unit });
  }

  return {
    readTime: () => Response.json({ now: clock.nowMs() }),

    async listSales(context) {
      const sales: PublicSale[] = [];
      const listed = toList(catalogue.listSales(), clock.nowMs());
      for (let start = 0; start < listed.length; start += SALES_AT_ONCE) {
        sales.push(...(await Promise.all(listed.slice(start, start + SALES_AT_ONCE).map(publicSale))));
      }
      return answerCacheable(context, { sales }, sales.map(withoutClock));
    },

    async readSale(context) {
      const sale = catalogue.findSale(context.req.param("saleId") ?? "");
      if (sale === null) return refuse({ reason: "no_such_sale" });
      const document = await publicSale(sale);
      return answerCacheable(context, document, withoutClock(document));
    },
  };
}

/** With an edge, nodes take turns in asking the ledger. */
function createBoard({ ledger, clock, random, log, keys, edge = null }: BuyerAppDependencies): StockBoard {
  const shared = edge === null ? null : new SharedStock({ ledger, edge, hashKey: keys.sharedHash, clock, log });
  return new StockBoard({ ledger, clock, random, shared });
}

/** Sales that are coming, on, or not long over, and are meant for buyers; those that open first come first. */
function toList(sales: readonly Sale[], nowMs: number): readonly Sale[] {
  return sales
    .filter((sale) => !isRehearsalSale(sale) && nowMs < (sale.closedAt ?? sale.closesAt) + LISTED_AFTER_CLOSE_MS)
    .sort((left, right) => left.opensAt - right.opensAt || left.id.localeCompare(right.id))
    .slice(0, SALES_LISTED_MAX);
}

/** `serverNow` differs in every answer, so it is no part of what an ETag stands for. */
function withoutClock({ serverNow: _, ...rest }: PublicSale): object {
  return rest;
}

/** Answers with a weak ETag over `identity`, or 304 when the asker has that already. */
function answerCacheable(context: BuyerContext, document: object, identity: object): Response {
  const hash = createHash("sha256").update(JSON.stringify(identity)).digest("base64url").slice(0, ETAG_LENGTH);
  const etag = `W/"${hash}"`;
  const headers = { etag, "cache-control": PUBLIC_CACHE };
  if (hasEtag(context.req.raw.headers.get("if-none-match"), hash)) return new Response(null, { status: 304, headers });
  return Response.json(document, { headers });
}

/** Weak comparison (RFC 9110, 8.8.3.2). */
function hasEtag(header: string | null, hash: string): boolean {
  if (header === null) return false;
  return header.split(",").some((tag) => {
    const known = tag.trim();
    return known === "*" || known.replace(/^W\//, "") === `"${hash}"`;
  });
}
