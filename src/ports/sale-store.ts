/**
 * Port: sales, items and who may buy, as operators write them and nodes cache them.
 *
 * Promises: each call is one transaction; a change raises the sale's `revision` and is announced on the change feed
 * after it is committed. A change that would break a promise already made (price after the first order, total below
 * what is held and sold, opening moved after it passed) throws SALE_CONFLICT with `internal` naming the rule, and
 * changes nothing. Does not cache, does not check permissions, does not decide refusals.
 */
import type { SaleId, Sku } from "../domain/ids.ts";
import type { Money } from "../domain/money.ts";
import type { ChallengeRule, Eligibility, Sale, SignatureRule } from "../domain/sale.ts";
import type { Stock } from "./ledger.ts";

export interface NewItem {
  readonly sku: Sku;
  readonly name: string;
  readonly price: Money;
  readonly stock: number;
  readonly perBuyerMax: number;
}

export interface NewSale {
  readonly id: SaleId;
  readonly name: string;
  readonly description: string | null;
  readonly imageUrl: string | null;
  readonly opensAt: number;
  readonly closesAt: number;
  readonly holdMs: number;
  readonly perBuyerMax: number;
  readonly challenge: ChallengeRule;
  readonly signature: SignatureRule;
  readonly eligibility: Eligibility;
  /** Into how many buckets the redis ledger splits each item's stock, 1 to {@link BUCKETS_MAX}. Never changes. */
  readonly buckets: number;
  readonly items: readonly NewItem[];
}

/** Absent members stay as they are. */
export interface SalePatch {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly imageUrl?: string | null | undefined;
  readonly opensAt?: number | undefined;
  readonly closesAt?: number | undefined;
  readonly holdMs?: number | undefined;
  readonly perBuyerMax?: number | undefined;
  readonly challenge?: ChallengeRule | undefined;
  readonly signature?: SignatureRule | undefined;
  readonly eligibility?: Eligibility | undefined;
}

/** "open" opens now whatever the schedule says; "close" is final. */
export type SaleCommand = "open" | "pause" | "resume" | "close";

export interface Ban {
  readonly id: string;
  readonly kind: "buyer" | "ip" | "device";
  /** A buyer id, a session's device key, or an IP address in the form the throttle keys on (IPv4, or IPv6 /64). */
  readonly subject: string;
  readonly reason: string;
  /** "cool_down" holds attempts back until it ends; "exempt" is the opposite of a ban: no score, no automatic ban. */
  readonly effect: "refuse" | "cool_down" | "exempt";
  readonly origin: "operator" | "automatic";
  readonly createdAt: number;
  /** Milliseconds since the epoch; null = until lifted. */
  readonly expiresAt: number | null;
}

/** A ban as an operator makes it; without an effect it refuses. */
export type NewBan = Pick<Ban, "id" | "kind" | "subject" | "reason" | "expiresAt"> & {
  readonly effect?: "refuse" | "exempt" | undefined;
};

export interface SaleStore {
  /** Throws SALE_CONFLICT when the id is taken. */
  createSale(sale: NewSale): Promise<Sale>;
  /** Null when there is no such sale. */
  findSale(saleId: SaleId): Promise<Sale | null>;
  /** Newest first; at most `rowsMax`. */
  listSales(request: { rowsMax: number }): Promise<readonly Sale[]>;
  /** Null when there is no such sale. */
  patchSale(saleId: SaleId, patch: SalePatch): Promise<Sale | null>;
  /** Idempotent: a command that already holds changes nothing. Null when there is no such sale. */
  commandSale(saleId: SaleId, command: SaleCommand): Promise<Sale | null>;
  /** Adds to (or, negative, takes from) the free units. Null when there is no such item. Records the reason. */
  adjustStock(request: { saleId: SaleId; sku: Sku; delta: number; reason: string }): Promise<Stock | null>;
  /**
   * Another amount in the item's currency. Null when there is no such item. Throws SALE_CONFLICT once anybody may have been
   * promised the old one: after the first order, and in an opened sale that Redis decides about.
   */
  changePrice(request: { saleId: SaleId; sku: Sku; amount: number }): Promise<Sale | null>;

  /** Another text after every change of any sale, for whoever keeps a copy; what it says means nothing else. */
  salesVersion(): Promise<string>;

  createBan(ban: NewBan): Promise<Ban>;
  /** Bans in force, newest first. */
  listBans(): Promise<readonly Ban[]>;
  /** Raised by every change of a ban. Bans that run out by themselves do not raise it. */
  banRevision(): Promise<number>;
  /** False when there was no such ban in force. An automatic one that was lifted does not come back for a while. */
  deleteBan(id: string): Promise<boolean>;
}
