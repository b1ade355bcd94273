/**
 * The composition root: makes a running node of a configuration and its roles, and takes it down again in order.
 *
 * The only place (with its neighbours in app/) that knows adapters. A node listens only when it is warm; going down it
 * first says so, then refuses new work, then lets what has begun finish, then closes what that work needed. Where another
 * process shares the port and has taken over, it closes its door instead of refusing: docs/operating/restarts.md.
 */
import type { Config } from "../config/load.ts";
import { readVersion } from "../config/version.ts";
import { ConnectionCap } from "../http/listen/connection-cap.ts";
import type { Listener, ListenOptions } from "../http/listen/listener.ts";
import { ALLOWLIST_BYTES_MAX } from "../http/operator/allowlist-upload.ts";
import { createOutboxTrimmer } from "../orders/outbox-trimmer.ts";
import { createWarden, type Warden } from "../orders/warden.ts";
import { type BuyerSide, createBuyerSide, readPages } from "./buyer-side.ts";
import { createOperatorSide, type OperatorSide } from "./operator-side.ts";
import { createPayments, type Payments } from "./payments.ts";
import { openProcessParts, type ProcessParts } from "./process-parts.ts";
import { createWebhooks, type Webhooks } from "./webhooks.ts";

/** What a node does: answers buyers, ends holds and settles payments, serves operators. */
export type NodeRole = "api" | "worker" | "admin";

/** A node that serves. */
export interface RunningNode {
  /** Null without the `api` role. */
  readonly buyerPort: number | null;
  readonly adminPort: number;
  /** Drains, then ends. */
  stop(): Promise<void>;
}

/** The buyer API's bodies are small; a provider's notification may not be. The hot route demands less. */
const BUYER_REQUEST_BYTES_MAX = 64 * 1024;
/** An operator's longest list over a slow line. */
const UPLOAD_DEADLINE_MS = 600_000;
/** How often a node that goes down looks whether its attempts have their answers. */
const FINISH_LOOK_INTERVAL_MS = 20;

/** Starts a node. Throws the faults of configuration and storage; then nothing is left running. */
export async function startNode(config: Config, roles: readonly NodeRole[]): Promise<RunningNode> {
  const pages = readPages(config);
  const parts = await openProcessParts(config);
  const node = new Node(parts, roles);
  try {
    await node.start(pages);
  } catch (error) {
    await node.stop();
    throw error;
  }
  return node;
}

class Node implements RunningNode {
  readonly #parts: ProcessParts;
  readonly #roles: readonly NodeRole[];
  readonly #webhooks: Webhooks;
  readonly #stops: (() => Promise<void>)[] = [];
  #buyerListener: Listener | null = null;
  #operatorListener: Listener | null = null;
  #buyers: BuyerSide | null = null;
  #rehearsals: OperatorSide["rehearsals"] = null;
  #isDraining = false;
  #stopped: Promise<void> | null = null;

  constructor(parts: ProcessParts, roles: readonly NodeRole[]) {
    this.#parts = parts;
    this.#roles = roles;
    this.#webhooks = createWebhooks(parts);
  }

  get buyerPort(): number | null {
    return this.#buyerListener?.port ?? null;
  }

  get adminPort(): number {
    return this.#operatorListener?.port ?? 0;
  }

  async start(pages: ReturnType<typeof readPages>): Promise<void> {
    const { config, database, orders, clock, random, log } = this.#parts;
    const { coolDownMsMax } = config;
    const warden = createWarden({ bans: this.#parts.stores.bans, coolDownMsMax, clock, random, log });
    const payments = createPayments({
      config,
      database: database.general,
      orders,
      clock,
      random,
      log,
      beforeUnitsReturn: () => warden.coolDown(),
    });
    await this.#parts.catalogue.start();
    this.#parts.edge?.start();
    await this.#parts.redis?.start(this.#roles);
    if (this.#has("api")) await this.#startBuyers(payments, pages);
    await this.#startOperators(pages);
    if (this.#has("worker")) this.#startWork(payments, warden);
    const reporter = this.#parts.createReporter(() => this.#buyers?.funnel.inFlight() ?? 0);
    reporter.start();
    this.#stops.push(() => reporter.stop());
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#goDown();
    return this.#stopped;
  }

  #has(role: NodeRole): boolean {
    return this.#roles.includes(role);
  }

  async #startBuyers(payments: Payments, pages: ReturnType<typeof readPages>): Promise<void> {
    const { config, stores, database } = this.#parts;
    const buyers = createBuyerSide(this.#parts, {
      payments,
      pages,
      publicUrl: () => this.#publicUrl(),
      version: readVersion(),
    });
    this.#buyers = buyers;
    this.#stops.push(
      () => buyers.funnel.stop(),
      () => buyers.challenges.stop(),
    );
    buyers.challenges.start();
    await stores.postgres.warmUp(database.ledgerConnections);
    await buyers.funnel.warmUp();
    buyers.hub.start();
    this.#parts.risk.start();
    this.#stops.push(() => this.#parts.risk.stop());
    this.#buyerListener = await listenOn({
      hostname: config.host,
      port: config.port,
      reusePort: config.portShared === "on",
      funnel: buyers.hotRoute,
      app: buyers.app,
      requestBytesMax: BUYER_REQUEST_BYTES_MAX,
      connectionCap: connectionCapOf(config),
      clock: this.#parts.clock,
    });
  }

  async #startOperators(pages: ReturnType<typeof readPages>): Promise<void> {
    const { config } = this.#parts;
    const operators: OperatorSide = createOperatorSide(this.#parts, {
      buyers: this.#buyers,
      pages,
      isDraining: () => this.#isDraining,
      hasOperatorApi: this.#has("admin"),
      webhooks: this.#webhooks.forOperators,
      ports: () => ({ buyers: this.buyerPort, operators: this.adminPort }),
      version: readVersion(),
    });
    this.#rehearsals = operators.rehearsals;
    this.#operatorListener = await listenOn({
      hostname: config.adminHost,
      port: config.adminPort,
      reusePort: false,
      funnel: null,
      app: operators.app,
      requestBytesMax: ALLOWLIST_BYTES_MAX,
      requestDeadlineMs: UPLOAD_DEADLINE_MS,
      connectionCap: connectionCapOf(config),
      clock: this.#parts.clock,
    });
    if (this.#has("admin")) {
      operators.monitor.start();
      this.#stops.push(() => operators.monitor.stop());
    }
  }

  #startWork(payments: Payments, warden: Warden): void {
    const { stores, clock, random, log } = this.#parts;
    payments.startWork(this.#publicUrl());
    this.#parts.redis?.startWork();
    const trimmer = createOutboxTrimmer({ events: stores.events, clock, random, log });
    trimmer.start();
    warden.start();
    const { courier } = this.#webhooks;
    courier.start();
    this.#stops.push(
      () => payments.stop(),
      () => trimmer.stop(),
      () => warden.stop(),
      () => courier.stop(),
    );
  }

  /** Where buyers and the sandbox reach this deployment. Without PUBLIC_URL it is this machine's loopback address. */
  #publicUrl(): string {
    const { publicUrl, port } = this.#parts.config;
    return publicUrl ?? `http://127.0.0.1:${this.buyerPort ?? port}`;
  }

  async #goDown(): Promise<void> {
    const { drainMs, drainNoticeMs, portShared } = this.#parts.config;
    this.#isDraining = true;
    await this.#rehearsals?.stop();
    this.#buyers?.funnel.announceDrain();
    if (this.#buyerListener !== null && drainNoticeMs > 0) await this.#pause(drainNoticeMs);
    // Whoever connects from now on reaches the process that shares the port; who is connected gets his answer here.
    const closed = portShared === "on" ? this.#buyerListener?.stop({ drainMs }) : null;
    await this.#buyers?.hub.stop();
    await closed;
    this.#buyers?.funnel.drain();
    await this.#finishAttempts(drainMs);
    await Promise.all([
      closed === null ? this.#buyerListener?.stop({ drainMs }) : null,
      this.#operatorListener?.stop({ drainMs }),
    ]);
    for (const stop of this.#stops.reverse()) await stop();
    await this.#parts.close();
  }

  /** While attempts are in flight the ports stay open, so that newcomers hear `draining` and not a closed door. */
  async #finishAttempts(withinMs: number): Promise<void> {
    const { clock } = this.#parts;
    const deadlineMs = clock.monotonicMs() + withinMs;
    while ((this.#buyers?.funnel.inFlight() ?? 0) > 0 && clock.monotonicMs() < deadlineMs) {
      await this.#pause(FINISH_LOOK_INTERVAL_MS);
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#parts.clock.setTimer(delayMs, resolve));
  }
}

/** Each port has its own. */
function connectionCapOf({ connectionsPerIp, trustedProxies }: Config): ConnectionCap {
  return new ConnectionCap({ perAddressMax: connectionsPerIp, trustedProxies });
}

/** The listener of the runtime we are on. */
async function listenOn(options: ListenOptions): Promise<Listener> {
  const isBun = process.versions["bun"] !== undefined;
  const { listen } = isBun ? await import("../http/listen/bun.ts") : await import("../http/listen/node.ts");
  return listen(options);
}
