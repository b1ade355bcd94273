/**
 * Late money in redis mode: implements OrderStore around another one, and brings units home before they are asked for.
 *
 * Money for a hold that has ended takes units from `free` again, but in redis mode what is free lies in the buckets. So
 * as many units as the order had are recalled first; if somebody else is quicker with them, the money goes back, as it
 * does when nothing is left. Everything else is passed on unchanged.
 */
import { isFault } from "../domain/faults.ts";
import type { BuyerId, Rid } from "../domain/ids.ts";
import type { EndingOrder, Order, OrderPage, OrderStore, RefundDue, Settlement } from "../ports/order-store.ts";
import type { SaleDirectory } from "../ports/sale-directory.ts";
import type { Log } from "../ports/telemetry.ts";
import type { Relay } from "./relay.ts";

export interface RelayingOrderStoreParts {
  readonly store: OrderStore;
  readonly relay: Pick<Relay, "recall">;
  readonly sales: Pick<SaleDirectory, "findSale">;
  readonly log: Log;
}

/** See the head of this file. */
export class RelayingOrderStore implements OrderStore {
  readonly #store: OrderStore;
  readonly #parts: RelayingOrderStoreParts;

  constructor(parts: RelayingOrderStoreParts) {
    this.#store = parts.store;
    this.#parts = parts;
  }

  async settlePayment(request: Parameters<OrderStore["settlePayment"]>[0]): Promise<Settlement> {
    const order = await this.#store.findOrderOfPayment(request.paymentId);
    if (order?.status === "expired" || order?.status === "cancelled") await this.#bringUnitsHome(order);
    return this.#store.settlePayment(request);
  }

  /** Buckets that cannot be asked now keep their units: then the money goes back, and no unit is lost. */
  async #bringUnitsHome({ saleId, itemId, quantity, rid }: Order): Promise<void> {
    const { relay, sales, log } = this.#parts;
    const sale = sales.findSale(saleId);
    if (sale === null || sale.mode !== "redis") return;
    try {
      await relay.recall({ sale, itemId, units: quantity });
    } catch (error) {
      if (!isFault(error)) throw error;
      log.warn({ rid, saleId, error }, "no units could be brought home for money that came late");
    }
  }

  findOrder(rid: Rid): Promise<Order | null> {
    return this.#store.findOrder(rid);
  }

  findOrderOfPayment(paymentId: string): Promise<Order | null> {
    return this.#store.findOrderOfPayment(paymentId);
  }

  listOrdersOfBuyer(request: Parameters<OrderStore["listOrdersOfBuyer"]>[0]): Promise<readonly Order[]> {
    return this.#store.listOrdersOfBuyer(request);
  }

  listOrdersByRid(rids: readonly string[]): Promise<readonly Order[]> {
    return this.#store.listOrdersByRid(rids);
  }

  listOrdersOfSale(request: Parameters<OrderStore["listOrdersOfSale"]>[0]): Promise<OrderPage> {
    return this.#store.listOrdersOfSale(request);
  }

  attachPayment(request: { rid: Rid; paymentId: string }): Promise<boolean> {
    return this.#store.attachPayment(request);
  }

  cancelHold(request: { rid: Rid; buyerId: BuyerId }): Promise<Order | null> {
    return this.#store.cancelHold(request);
  }

  beginExpiry(request: { rowsMax: number; retryAfterMs: number }): Promise<readonly EndingOrder[]> {
    return this.#store.beginExpiry(request);
  }

  finishEnding(rids: readonly Rid[]): Promise<number> {
    return this.#store.finishEnding(rids);
  }

  takeRefundsDue(request: { rowsMax: number; retryAfterMs: number }): Promise<readonly RefundDue[]> {
    return this.#store.takeRefundsDue(request);
  }

  completeRefund(rid: Rid): Promise<void> {
    return this.#store.completeRefund(rid);
  }
}
