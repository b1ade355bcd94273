/**
 * Courier: lets the sandbox's time pass and carries its notifications to the webhook address, over real HTTP.
 *
 * One loop, never overlapping: money that is due arrives, unpaid checkouts expire, due notifications are posted, signed
 * as Standard Webhooks asks (the timestamp is that of the attempt, so a late delivery is still fresh). Then it
 * sleeps until the next thing is due, or somebody moves a payment. Everything is in the database before it is tried.
 */
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { Log } from "../../ports/telemetry.ts";
import type { DueNotification, NotificationStore } from "./notification-store.ts";
import type { SandboxStore } from "./sandbox-store.ts";
import type { NotificationSigner } from "./signature.ts";

const ROWS_PER_TURN_MAX = 500;
/** Half the batch at a time, five seconds each: a batch is over long before its claim is. */
const DELIVERIES_PER_BATCH_MAX = 32;
const DELIVERIES_IN_FLIGHT_MAX = 16;
const DELIVERY_TIMEOUT_MS = 5_000;
/** Other nodes' moves are seen at least this often. */
const SLEEP_MS_MAX = 1_000;
const SLEEP_MS_MIN = 5;
const FAILURE_SLEEP_MS_MAX = 10_000;
const TRIM_INTERVAL_MS = 10 * 60_000;
const DELIVERED_KEPT_MS = 24 * 3_600_000;

export interface CourierOptions {
  readonly payments: SandboxStore;
  readonly notifications: NotificationStore;
  readonly signer: NotificationSigner;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export class Courier {
  readonly #options: CourierOptions;
  #notifyUrl: string | null = null;
  #loop: Promise<void> | null = null;
  #stopping = false;
  #isWoken = false;
  #wake: (() => void) | null = null;
  #trimAtMs = 0;

  constructor(options: CourierOptions) {
    this.#options = options;
  }

  /** Starts delivering to the address. */
  start(notifyUrl: string): void {
    this.#notifyUrl = notifyUrl;
    this.#stopping = false;
    this.#loop ??= this.#run();
  }

  /** Resolves when the running turn is over. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.wake();
    await this.#loop;
    this.#loop = null;
  }

  /** Something may be due now. */
  wake(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { log } = this.#options;
    let failuresInRow = 0;
    while (!this.#stopping) {
      this.#isWoken = false;
      let sleepMs = 0;
      try {
        sleepMs = await this.#turn();
        failuresInRow = 0;
      } catch (error) {
        failuresInRow += 1;
        sleepMs = Math.min(SLEEP_MS_MAX * 2 ** failuresInRow, FAILURE_SLEEP_MS_MAX);
        log.warn({ failuresInRow, error }, "the payment sandbox could not do its round; it is repeated");
      }
      await this.#sleep(sleepMs, failuresInRow === 0);
    }
  }

  /** One round. Answers how long nothing will be due. */
  async #turn(): Promise<number> {
    const { payments, notifications, clock } = this.#options;
    const arrived = await payments.captureDue(clock.nowMs(), ROWS_PER_TURN_MAX);
    const expired = await payments.expireDue(clock.nowMs(), ROWS_PER_TURN_MAX);
    const due = await notifications.claim(clock.nowMs(), DELIVERIES_PER_BATCH_MAX);
    await this.#deliverAll(due);
    await this.#trim();
    const isFull = Math.max(arrived.length, expired.length) === ROWS_PER_TURN_MAX;
    if (isFull || due.length === DELIVERIES_PER_BATCH_MAX) return 0;
    const dueAt = await notifications.nextDueAt();
    return dueAt === null ? SLEEP_MS_MAX : Math.min(Math.max(dueAt - clock.nowMs(), SLEEP_MS_MIN), SLEEP_MS_MAX);
  }

  async #deliverAll(due: readonly DueNotification[]): Promise<void> {
    const { notifications, clock, random } = this.#options;
    if (due.length === 0) return;
    const delivered: string[] = [];
    const failed: string[] = [];
    const queue = due.values();
    const lane = async (): Promise<void> => {
      for (const notification of queue) {
        const isTaken = await this.#deliver(notification);
        (isTaken ? delivered : failed).push(notification.notificationId);
      }
    };
    await Promise.all(Array.from({ length: Math.min(DELIVERIES_IN_FLIGHT_MAX, due.length) }, lane));
    await notifications.markDelivered(delivered, clock.nowMs());
    await notifications.markFailed(failed, clock.nowMs(), 0.75 + 0.5 * random.fraction());
  }

  /** True when the receiver took it. Its reasons for not taking it are its own business: we only try again. */
  async #deliver(notification: DueNotification): Promise<boolean> {
    const { signer, clock, log } = this.#options;
    if (this.#notifyUrl === null) return false;
    const body = JSON.stringify({
      type: notification.kind,
      timestamp: new Date(notification.occurredAt).toISOString(),
      data: { paymentId: notification.paymentId },
    });
    try {
      const response = await fetch(this.#notifyUrl, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...signer.sign({ notificationId: notification.notificationId, body, nowMs: clock.nowMs() }),
        },
        body,
        redirect: "error",
        signal: AbortSignal.timeout(DELIVERY_TIMEOUT_MS),
      });
      await response.arrayBuffer();
      return response.ok;
    } catch (error) {
      log.debug({ notificationId: notification.notificationId, error }, "a notification could not be delivered");
      return false;
    }
  }

  async #trim(): Promise<void> {
    const { notifications, clock } = this.#options;
    if (clock.monotonicMs() < this.#trimAtMs) return;
    this.#trimAtMs = clock.monotonicMs() + TRIM_INTERVAL_MS;
    await notifications.trim(clock.nowMs() - DELIVERED_KEPT_MS);
  }

  /** After a failure only `stop` cuts the sleep short. */
  #sleep(delayMs: number, isWakeable: boolean): Promise<void> {
    const isOver = (): boolean => this.#stopping || (isWakeable && this.#isWoken);
    if (delayMs === 0 || isOver()) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel();
        this.#wake = null;
        resolve();
      };
      const cancel = this.#options.clock.setTimer(delayMs, finish);
      this.#wake = () => {
        if (isOver()) finish();
      };
    });
  }
}
