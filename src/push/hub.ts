/**
 * Push hub: tells connected buyers what became of their reservations, over server-sent events.
 *
 * Events only say which reservations changed; what is sent is their present state, read afterwards. So a lost, doubled
 * or late event can never show a buyer anything untrue, and polling gives the same truth. One loop does all reading:
 *
 *     idle ──first connection──► tip() ──► [replay of who reconnected ──► read the log ──► send] … ──last one left──► idle
 *
 * Because the loop first takes its position, then reads replays, then the log, nothing falls between replay and live, and
 * because it is one loop, a reservation's states reach a stream in order. Nobody connected: no query. The ids of events
 * are opaque (event-cursor.ts). Authentication is left to the caller of `open`.
 */
import type { BuyerId } from "../domain/ids.ts";
import type { Refusal } from "../domain/refusals.ts";
import { toReservation } from "../orders/reservation-view.ts";
import type { ChangeFeed } from "../ports/change-feed.ts";
import type { Clock } from "../ports/clock.ts";
import type { EventCursor, EventLog, LoggedEvent } from "../ports/event-log.ts";
import type { OrderStore } from "../ports/order-store.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";
import { EventConnection } from "./connection.ts";
import { createCursorCodec } from "./event-cursor.ts";
import { heartbeatFrame, positionFrame, reservationFrame, retryFrame } from "./frames.ts";
import { Heartbeats } from "./heartbeats.ts";

export interface EventHubLimits {
  /** Streams of one buyer on this node: two open tabs. */
  readonly perBuyerMax: number;
  /** Streams from one address on this node: a large office, and a small part of `perNodeMax`. */
  readonly perAddressMax: number;
  readonly perNodeMax: number;
  /** Bytes that may wait for a slow reader. */
  readonly bufferBytesMax: number;
  readonly heartbeatMs: number;
  /** A stream is ended politely after this long, so that the reader authenticates again. */
  readonly ageMsMax: number;
}

export const EVENT_HUB_LIMITS: EventHubLimits = {
  perBuyerMax: 2,
  perAddressMax: 1_000,
  perNodeMax: 20_000,
  bufferBytesMax: 64 * 1024,
  heartbeatMs: 15_000,
  ageMsMax: 60 * 60_000,
};

const POLL_INTERVAL_MS = 200;
/** A hint is heard at most this often: in a rush every transaction gives one. */
const POLL_GAP_MS_MIN = 50;
const POLL_JITTER_FRACTION = 0.25;
const FAILURE_DELAY_MS_MAX = 5_000;
const READ_ROWS_MAX = 500;
const ORDERS_PER_QUERY_MAX = 500;
const JOINS_PER_TURN_MAX = 64;
const REPLAY_ROWS_MAX = 100;
/** Readers come back spread over this range, not all in the same instant. */
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 4_000;

export interface EventHubDependencies {
  readonly eventLog: EventLog;
  readonly orders: OrderStore;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Derived from the deployment's secret: equal on all nodes. At least 16 bytes. */
  readonly cursorKey: Uint8Array;
  readonly limits?: Partial<EventHubLimits>;
}

export type EventStreamOutcome =
  | { readonly kind: "opened"; readonly stream: ReadableStream<Uint8Array> }
  | { readonly kind: "refused"; readonly refusal: Refusal };

export interface EventHub {
  /**
   * A stream of `text/event-stream` for an authenticated buyer, or `busy` over a cap, or `draining`. An unreadable
   * `lastEventId` counts as none: the stream then begins now, and the page asks for the present state itself. `address`
   * is the client's as it is limited (client-address.ts).
   */
  open(request: { buyerId: BuyerId; address: string; lastEventId: string | null }): EventStreamOutcome;
  start(): void;
  /** Refuses new streams, ends the open ones politely, and resolves when nothing runs any more. */
  stop(): Promise<void>;
  connections(): number;
}

/** Builds a hub; it does nothing until somebody connects. */
export function createEventHub(dependencies: EventHubDependencies): EventHub {
  return new Hub(dependencies);
}

interface Joining {
  readonly connection: EventConnection;
  readonly after: EventCursor | null;
}

class Hub implements EventHub {
  readonly #dependencies: EventHubDependencies;
  readonly #limits: EventHubLimits;
  readonly #codec: ReturnType<typeof createCursorCodec>;
  readonly #heartbeats: Heartbeats;
  readonly #byBuyer = new Map<string, Set<EventConnection>>();
  readonly #countByAddress = new Map<string, number>();
  /** Connections that are past their replay and hear the log. */
  readonly #live = new Set<EventConnection>();
  #count = 0;
  #joining: Joining[] = [];
  #position: EventCursor | null = null;
  #loop: Promise<void> | null = null;
  #hinted = false;
  #wake: (() => void) | null = null;
  #draining = false;
  #unsubscribe: (() => void) | null = null;

  constructor(dependencies: EventHubDependencies) {
    this.#dependencies = dependencies;
    this.#limits = { ...EVENT_HUB_LIMITS, ...dependencies.limits };
    this.#codec = createCursorCodec(dependencies.cursorKey);
    this.#heartbeats = new Heartbeats({
      clock: dependencies.clock,
      random: dependencies.random,
      intervalMs: this.#limits.heartbeatMs,
      ageMsMax: this.#limits.ageMsMax,
    });
  }

  open(request: { buyerId: BuyerId; address: string; lastEventId: string | null }): EventStreamOutcome {
    const { buyerId, address, lastEventId } = request;
    if (this.#draining) return { kind: "refused", refusal: { reason: "draining" } };
    const siblings = this.#byBuyer.get(buyerId);
    const fromAddress = this.#countByAddress.get(address) ?? 0;
    const isFull =
      this.#count >= this.#limits.perNodeMax ||
      (siblings?.size ?? 0) >= this.#limits.perBuyerMax ||
      fromAddress >= this.#limits.perAddressMax;
    if (isFull) return { kind: "refused", refusal: { reason: "busy" } };

    const connection = new EventConnection({
      buyerId,
      bufferBytesMax: this.#limits.bufferBytesMax,
      onClose: (closed) => this.#forget(closed, address),
    });
    this.#countByAddress.set(address, fromAddress + 1);
    if (siblings === undefined) this.#byBuyer.set(buyerId, new Set([connection]));
    else siblings.add(connection);
    this.#count += 1;
    this.#heartbeats.add(connection, () => this.#heartbeat(connection));
    connection.send(retryFrame(this.#retryMs()));
    this.#joining.push({ connection, after: this.#codec.decode(lastEventId) });
    this.#loop ??= this.#run();
    this.#wake?.();
    return { kind: "opened", stream: connection.stream };
  }

  start(): void {
    this.#unsubscribe ??= this.#dependencies.feed.subscribe((hint) => {
      if (hint.topic !== "events" || this.#count === 0) return;
      this.#hinted = true;
      this.#wake?.();
    });
  }

  async stop(): Promise<void> {
    this.#draining = true;
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    for (const connections of [...this.#byBuyer.values()]) {
      for (const connection of [...connections]) {
        connection.send(retryFrame(this.#retryMs()));
        connection.close();
      }
    }
    this.#wake?.();
    await this.#loop;
  }

  connections(): number {
    return this.#count;
  }

  #retryMs(): number {
    return RETRY_MS_MIN + (RETRY_MS_MAX - RETRY_MS_MIN) * this.#dependencies.random.fraction();
  }

  #forget(connection: EventConnection, address: string): void {
    const fromAddress = this.#countByAddress.get(address) ?? 0;
    if (fromAddress > 1) this.#countByAddress.set(address, fromAddress - 1);
    else this.#countByAddress.delete(address);
    const siblings = this.#byBuyer.get(connection.buyerId);
    siblings?.delete(connection);
    if (siblings?.size === 0) this.#byBuyer.delete(connection.buyerId);
    this.#live.delete(connection);
    this.#heartbeats.delete(connection);
    this.#count -= 1;
    if (this.#count === 0) this.#wake?.();
  }

  /** The position moves only after everything up to it was queued, so a heartbeat may always name it. */
  #heartbeat(connection: EventConnection): void {
    const isPlaced = this.#position !== null && this.#live.has(connection);
    connection.send(
      heartbeatFrame() + (isPlaced ? positionFrame(this.#codec.encode(this.#position as EventCursor)) : ""),
    );
  }

  /** Turns until the last connection is gone. Nothing is awaited between the last check and the end. */
  async #run(): Promise<void> {
    let failuresInRow = 0;
    for (;;) {
      if (this.#count === 0) {
        this.#position = null;
        this.#joining = [];
        this.#loop = null;
        return;
      }
      let isMore = false;
      try {
        isMore = await this.#turn();
        failuresInRow = 0;
      } catch (error) {
        failuresInRow += 1;
        // Readers that come and go during an outage must not pile up behind it.
        this.#joining = this.#joining.filter(({ connection }) => !connection.isClosed);
        this.#dependencies.log.warn(
          { failuresInRow, error },
          "could not read events; streams wait, nothing is skipped",
        );
      }
      if (!isMore) await this.#pause(failuresInRow);
    }
  }

  /** One turn: replays, then the log. True when there is more to do at once. */
  async #turn(): Promise<boolean> {
    this.#position ??= await this.#dependencies.eventLog.tip();
    await this.#admit(this.#position);
    const events = await this.#dependencies.eventLog.read({ after: this.#position, rowsMax: READ_ROWS_MAX });
    await this.#dispatch(events);
    this.#position = events.at(-1)?.cursor ?? this.#position;
    return events.length === READ_ROWS_MAX || this.#joining.length > 0;
  }

  /** Replays to those who come back, and lets everybody who waited hear the log from here on. */
  async #admit(position: EventCursor): Promise<void> {
    const joining = this.#joining.slice(0, JOINS_PER_TURN_MAX);
    for (const { connection, after } of joining) {
      if (!connection.isClosed && after !== null) await this.#replay(connection, after);
      this.#joining.shift();
      if (connection.send(positionFrame(this.#codec.encode(position)))) this.#live.add(connection);
    }
  }

  /** Frames carry the old position until all are queued: a stream cut in the middle replays all of them again. */
  async #replay(connection: EventConnection, after: EventCursor): Promise<void> {
    const { eventLog, orders } = this.#dependencies;
    const request = { buyerId: connection.buyerId, after, rowsMax: REPLAY_ROWS_MAX };
    const rids = await eventLog.changedSince(request);
    if (rids.length === 0) return;
    const id = this.#codec.encode(after);
    for (const order of await orders.listOrdersByRid(rids)) {
      if (order.buyerId === connection.buyerId) connection.send(reservationFrame(toReservation(order), id));
    }
  }

  /** Sends the present state of what changed to whoever is connected, each under the position of its last event. */
  async #dispatch(events: readonly LoggedEvent[]): Promise<void> {
    const positions = this.#changedOfConnected(events);
    const rids = [...positions.keys()];
    for (let start = 0; start < rids.length; start += ORDERS_PER_QUERY_MAX) {
      const chunk = rids.slice(start, start + ORDERS_PER_QUERY_MAX);
      const orders = await this.#dependencies.orders.listOrdersByRid(chunk);
      const byRid = new Map(orders.map((order) => [order.rid as string, order]));
      for (const rid of chunk) {
        const order = byRid.get(rid);
        const cursor = positions.get(rid);
        if (order === undefined || cursor === undefined) continue;
        const frame = reservationFrame(toReservation(order), this.#codec.encode(cursor));
        for (const connection of this.#byBuyer.get(order.buyerId) ?? []) {
          if (this.#live.has(connection)) connection.send(frame);
        }
      }
    }
  }

  /** Rid → position of its last event, in the order of those positions, so that ids only ever move forward. */
  #changedOfConnected(events: readonly LoggedEvent[]): Map<string, EventCursor> {
    const positions = new Map<string, EventCursor>();
    for (const event of events) {
      event.rids.forEach((rid, index) => {
        const buyerId = event.buyerIds[index];
        if (buyerId === undefined || !this.#byBuyer.has(buyerId)) return;
        positions.delete(rid);
        positions.set(rid, event.cursor);
      });
    }
    return positions;
  }

  /** Waits for the next poll, a hint, somebody joining, or the last one leaving. */
  async #pause(failuresInRow: number): Promise<void> {
    const { random } = this.#dependencies;
    const jitter = 1 + POLL_JITTER_FRACTION * (2 * random.fraction() - 1);
    if (failuresInRow > 0) {
      return this.#sleep(Math.min(POLL_INTERVAL_MS * 2 ** failuresInRow, FAILURE_DELAY_MS_MAX) * jitter, () => false);
    }
    await this.#sleep(POLL_GAP_MS_MIN, () => this.#joining.length > 0);
    await this.#sleep((POLL_INTERVAL_MS - POLL_GAP_MS_MIN) * jitter, () => this.#hinted || this.#joining.length > 0);
    this.#hinted = false;
  }

  /** Sleeps until the time is over, the condition holds when woken, or nobody is connected any more. */
  #sleep(delayMs: number, isDue: () => boolean): Promise<void> {
    if (isDue() || this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel();
        this.#wake = null;
        resolve();
      };
      const cancel = this.#dependencies.clock.setTimer(delayMs, finish);
      this.#wake = () => {
        if (isDue() || this.#count === 0) finish();
      };
    });
  }
}
