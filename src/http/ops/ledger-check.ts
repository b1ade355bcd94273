/**
 * The readiness check "ledger": can this node sell what it is asked to sell, and what does its ledger promise?
 *
 * A node without REDIS_URL cannot reach the buckets of a sale in redis mode; buyers must not be sent to it. A weaker
 * promise than the default keeps nobody away, but whoever looks is told. A Redis that is away is neither: sales go on in
 * PostgreSQL, and the conductor sees to it.
 */
import type { LedgerMode } from "../../domain/sale.ts";
import type { DatabasePromise, Durability } from "../../ledger/ledger-view.ts";
import type { SaleDirectory } from "../../ports/sale-directory.ts";
import type { ReadinessCheck, Remark } from "./app.ts";

const MODES_WITH_BUCKETS: readonly LedgerMode[] = ["redis", "draining", "warming"];
const EVERYSEC =
  "durability everysec: a power cut at Redis may lose the last second of reservations that were answered 202";

export interface LedgerCheckParts {
  readonly sales: Pick<SaleDirectory, "listSales">;
  /** Null: REDIS_URL is not set. */
  readonly durability: Durability | null;
  readonly database: () => DatabasePromise;
}

export function createLedgerCheck(parts: LedgerCheckParts): ReadinessCheck {
  return {
    name: "ledger",
    run: async () => missingLedger(parts) ?? unsafeDatabase(parts.database()) ?? weakerPromise(parts),
  };
}

/** A server that may forget is not used: who looks shall not have to read the log to learn why. */
function unsafeDatabase({ weakness, isAccepted }: DatabasePromise): string | null {
  if (isAccepted) return null;
  return `PostgreSQL may forget what it confirmed: ${weakness}; set it on, or accept less with LEDGER_DURABILITY=everysec`;
}

function weakerPromise({ durability, database }: LedgerCheckParts): Remark | null {
  const { weakness } = database();
  const remarks = [
    ...(durability === "everysec" ? [EVERYSEC] : []),
    ...(weakness === null
      ? []
      : [`durability everysec: a power cut at PostgreSQL may lose what it confirmed (${weakness})`]),
  ];
  return remarks.length === 0 ? null : { remark: remarks.join("; ") };
}

/** Which sale this node cannot sell, in words; null when there is none. For both ports' readiness. */
export function missingLedger({ sales, durability }: Pick<LedgerCheckParts, "sales" | "durability">): string | null {
  if (durability !== null) return null;
  const sale = sales.listSales().find(({ mode }) => MODES_WITH_BUCKETS.includes(mode));
  if (sale === undefined) return null;
  return `sale ${sale.id} is in ${sale.mode} mode and this node has no REDIS_URL; set it as on the other nodes`;
}
