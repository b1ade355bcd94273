/**
 * One process's part of the crowd: gets its buyers sessions, signs their first requests, and lets them go.
 *
 * Arrivals are open-loop: the schedule is fixed before the opening and a slow shop does not slow it down. First requests
 * are signed ahead, with the instant at which they are to leave as timestamp, because a real crowd brings 100,000
 * processors for that and this one shares two cores with the shop. Buyers waiting for their turn cost a session and a
 * prepared request each; a running story exists only while it runs.
 */
import type { Clock } from "../../src/ports/clock.ts";
import { BEHAVIOURS, idempotencyKeyOf } from "./behaviours.ts";
import { HttpClient } from "./http-client.ts";
import type { Observation } from "./observation.ts";
import { payForWins } from "./payer.ts";
import { addressOf, type BuyerPlan, behaviourRandom, planBuyer } from "./population.ts";
import type { RushCommand, SetupCommand } from "./protocol.ts";
import { type Buyer, parseObject, retryDelayMs, type ShopContext, signAttempt } from "./shopper.ts";
import { type BuyerSession, buildPlainRequest } from "./signed-request.ts";
import { wait } from "./system-clock.ts";
import { Tally } from "./tally.ts";

const RUSH_CONNECTIONS_MAX = 256;
const PAYMENT_CONNECTIONS_MAX = 24;
const MINT_CONNECTIONS_MAX = 32;
const REQUEST_DEADLINE_MS = 10_000;
const MINT_RETRIES_MAX = 20;
const TICK_MS = 4;
/** Signing is done in slices, so that commands are heard in between. */
const PREPARE_SLICE = 500;

interface Member {
  readonly plan: BuyerPlan;
  readonly session: BuyerSession;
  readonly random: Buyer["random"];
  prepared: Uint8Array;
}

export interface CrowdOptions {
  readonly setup: SetupCommand;
  readonly clock: Clock;
  readonly observe: (observation: Observation) => void;
  readonly onMinted: (count: number) => void;
}

/** The buyers of one process. */
export class Crowd {
  readonly tally = new Tally();
  arrivedCount = 0;
  activeCount = 0;
  /** The latest that a buyer set out after the scheduled instant: how far the generator itself fell behind. */
  lagMsMax = 0;
  private readonly options: CrowdOptions;
  private readonly members: Member[] = [];
  private readonly rushClient: HttpClient;
  private readonly paymentClient: HttpClient;
  private context: ShopContext | null = null;

  constructor(options: CrowdOptions) {
    this.options = options;
    this.rushClient = this.createClient(RUSH_CONNECTIONS_MAX);
    this.paymentClient = this.createClient(PAYMENT_CONNECTIONS_MAX);
  }

  get memberCount(): number {
    return this.members.length;
  }

  /** Gets every buyer of this process a guest session through the public API. */
  async mintSessions(): Promise<void> {
    const { setup } = this.options;
    const client = this.createClient(MINT_CONNECTIONS_MAX);
    let next = setup.workerIndex;
    const mintUntilDone = async (): Promise<void> => {
      while (next < setup.buyerCount) {
        const index = next;
        next += setup.workerCount;
        await this.mint(client, index);
        this.options.onMinted(this.members.length);
      }
    };
    await Promise.all(Array.from({ length: MINT_CONNECTIONS_MAX }, mintUntilDone));
    client.close();
  }

  /** Signs every buyer's first request for the instant at which it will leave. */
  async prepare(rush: RushCommand): Promise<void> {
    const { setup, clock, observe } = this.options;
    const context: ShopContext = {
      clock,
      client: this.rushClient,
      tally: this.tally,
      host: `${setup.hostname}:${setup.port}`,
      saleId: setup.saleId,
      skus: setup.skus,
      perBuyerMax: setup.perBuyerMax,
      opensAtMs: rush.opensAtMs,
      patienceUntilMs: rush.patienceUntilMs,
      serverOffsetMs: rush.serverOffsetMs,
      observe,
      soldOutSkus: new Set(),
    };
    this.context = context;
    this.members.sort((left, right) => left.plan.arrivalMs - right.plan.arrivalMs);
    for (const [position, member] of this.members.entries()) {
      const leavesAtMs = rush.opensAtMs + member.plan.arrivalMs;
      const first = { idempotencyKey: idempotencyKeyOf(member, 0), quantity: member.plan.quantity, leavesAtMs };
      member.prepared = signAttempt(context, member, first);
      if (position % PREPARE_SLICE === 0) await wait(clock, 0);
    }
  }

  /** Lets the buyers go at their instants; resolves when the last story has ended. */
  async run(): Promise<void> {
    const context = this.context;
    if (context === null) throw new Error("the crowd was not prepared");
    const stories: Promise<void>[] = [];
    const { clock } = this.options;
    let next = 0;
    while (next < this.members.length) {
      const sinceOpeningMs = clock.nowMs() - context.opensAtMs;
      for (; next < this.members.length; next++) {
        const member = this.members[next];
        if (member === undefined || member.plan.arrivalMs > sinceOpeningMs) break;
        this.lagMsMax = Math.max(this.lagMsMax, sinceOpeningMs - member.plan.arrivalMs);
        stories.push(this.tell(context, member, next));
      }
      await wait(clock, TICK_MS);
    }
    await Promise.all(stories);
    this.rushClient.close();
    this.paymentClient.close();
  }

  /** Patient buyers stop waiting for stock to come back. */
  goHome(): void {
    if (this.context !== null) this.context.patienceUntilMs = 0;
  }

  private async tell(context: ShopContext, member: Member, position: number): Promise<void> {
    this.arrivedCount += 1;
    this.activeCount += 1;
    const buyer: Buyer = { plan: member.plan, session: member.session, random: member.random, won: new Map() };
    const neighbour = this.members[(position + 1) % this.members.length] ?? member;
    const scheduledAtMs = context.opensAtMs + member.plan.arrivalMs;
    const { prepared } = member;
    member.prepared = EMPTY;
    await BEHAVIOURS[member.plan.population](context, buyer, { scheduledAtMs, prepared, neighbour: neighbour.session });
    await payForWins(context, this.paymentClient, buyer);
    this.activeCount -= 1;
  }

  private async mint(client: HttpClient, index: number): Promise<void> {
    const { setup, clock } = this.options;
    const forwardedFor = addressOf(index);
    const random = behaviourRandom(setup.shape.seed, index);
    const host = `${setup.hostname}:${setup.port}`;
    const request = { method: "POST" as const, path: "/v1/sessions", host, forwardedFor, body: `{"kind":"guest"}` };
    let last = "";
    for (let call = 0; call <= MINT_RETRIES_MAX; call++) {
      const outcome = await client.send(buildPlainRequest(request));
      if (outcome.kind === "answer" && outcome.answer.status === 201) {
        const session = readSession(outcome.answer.body, forwardedFor);
        this.members.push({ plan: planBuyer(setup.shape, index), session, random, prepared: EMPTY });
        return;
      }
      last = outcome.kind === "answer" ? `${outcome.answer.status} ${outcome.answer.body}` : outcome.cause;
      await wait(clock, retryDelayMs({ random }, { kind: "silence" }));
    }
    throw new Error(`no session for buyer ${index} in ${MINT_RETRIES_MAX} tries; the last answer was: ${last}`);
  }

  private createClient(connectionsMax: number): HttpClient {
    const { setup, clock } = this.options;
    return new HttpClient({
      host: setup.hostname,
      port: setup.port,
      connectionsMax,
      queueDepthMax: setup.buyerCount,
      deadlineMs: REQUEST_DEADLINE_MS,
      clock,
    });
  }
}

const EMPTY = new Uint8Array(0);

function readSession(body: string, forwardedFor: string): BuyerSession {
  const session = parseObject(body);
  const { token, signingKey, buyerId } = session;
  if (typeof token !== "string" || typeof signingKey !== "string" || typeof buyerId !== "string") {
    throw new Error(`not a session: ${body}`);
  }
  return { token, signingKey: Buffer.from(signingKey, "base64url"), buyerId, forwardedFor };
}
