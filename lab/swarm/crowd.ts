/**
 * One process's part of the crowd: gets its buyers sessions, signs their first requests, and lets them go.
 *
 * Arrivals are open-loop: the schedule is fixed before the opening and a slow shop does not slow it down. First requests
 * are signed ahead, with the instant at which they are to leave as timestamp, because a real crowd brings 100,000
 * processors for that and this one shares two cores with the shop. Who waits is in roster.ts; a story exists only while
 * it runs.
 */
import type { Clock } from "../../src/ports/clock.ts";
import { BEHAVIOURS, idempotencyKeyOf } from "./behaviours.ts";
import { HttpClient } from "./http-client.ts";
import type { Observation } from "./observation.ts";
import { payForWins, Tills } from "./payer.ts";
import { addressOf, behaviourRandom, planBuyer, preparationRandom } from "./population.ts";
import type { RushCommand, SetupCommand } from "./protocol.ts";
import { Roster } from "./roster.ts";
import { type Buyer, parseObject, retryDelayMs, type ShopContext, signAttempt } from "./shopper.ts";
import { buildPlainRequest } from "./signed-request.ts";
import { wait } from "./system-clock.ts";
import { Tally } from "./tally.ts";

const RUSH_CONNECTIONS_MAX = 160;
/** Buyers paying at once; each has a connection. */
const TILLS = 24;
const MINT_CONNECTIONS_MAX = 32;
const REQUEST_DEADLINE_MS = 10_000;
const MINT_RETRIES_MAX = 20;
const TICK_MS = 4;
/** Signing is done in slices, so that commands are heard in between. */
const PREPARE_SLICE = 500;

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
  private readonly roster: Roster;
  private readonly rushClient: HttpClient;
  private readonly paymentClient: HttpClient;
  private readonly tills = new Tills(TILLS);
  private context: ShopContext | null = null;

  constructor(options: CrowdOptions) {
    this.options = options;
    const { buyerCount, workerIndex, workerCount } = options.setup;
    this.roster = new Roster(Math.ceil((buyerCount - workerIndex) / workerCount));
    this.rushClient = this.createClient(RUSH_CONNECTIONS_MAX);
    this.paymentClient = this.createClient(TILLS);
  }

  get memberCount(): number {
    return this.roster.memberCount;
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
        this.options.onMinted(this.roster.memberCount);
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
      nodeCount: setup.nodeCount,
      opensAtMs: rush.opensAtMs,
      patienceUntilMs: rush.patienceUntilMs,
      serverOffsetMs: rush.serverOffsetMs,
      observe,
      soldOutSkus: new Set(),
    };
    this.context = context;
    this.roster.sort();
    for (let position = 0; position < this.roster.memberCount; position++) {
      const index = this.roster.indexAt(position);
      const plan = planBuyer(setup.shape, index);
      // Dice of their own: the story's would show the same nonce a second time.
      const buyer = {
        plan,
        session: this.roster.sessionAt(position),
        random: preparationRandom(setup.shape.seed, index),
      };
      const leavesAtMs = rush.opensAtMs + plan.arrivalMs;
      const first = { idempotencyKey: idempotencyKeyOf(buyer, 0), quantity: plan.quantity, leavesAtMs };
      this.roster.keepPrepared(signAttempt(context, buyer, first));
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
    while (next < this.roster.memberCount) {
      const sinceOpeningMs = clock.nowMs() - context.opensAtMs;
      for (; this.roster.arrivalMsAt(next) <= sinceOpeningMs; next++) {
        this.lagMsMax = Math.max(this.lagMsMax, sinceOpeningMs - this.roster.arrivalMsAt(next));
        stories.push(this.tell(context, next));
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

  private async tell(context: ShopContext, position: number): Promise<void> {
    this.arrivedCount += 1;
    this.activeCount += 1;
    const { shape } = this.options.setup;
    const index = this.roster.indexAt(position);
    const plan = planBuyer(shape, index);
    const session = this.roster.sessionAt(position);
    const buyer: Buyer = { plan, session, random: behaviourRandom(shape.seed, index), won: new Map() };
    await BEHAVIOURS[plan.population](context, buyer, {
      scheduledAtMs: context.opensAtMs + plan.arrivalMs,
      prepared: this.roster.preparedAt(position),
      neighbour: this.roster.sessionAt((position + 1) % this.roster.memberCount),
    });
    await payForWins(context, this.tills, this.paymentClient, buyer);
    this.activeCount -= 1;
  }

  private async mint(client: HttpClient, index: number): Promise<void> {
    const { setup, clock } = this.options;
    const forwardedFor = addressOf(index);
    const host = `${setup.hostname}:${setup.port}`;
    const request = { method: "POST" as const, path: "/v1/sessions", host, forwardedFor, body: `{"kind":"guest"}` };
    let last = "";
    for (let call = 0; call <= MINT_RETRIES_MAX; call++) {
      const outcome = await client.send(buildPlainRequest(request));
      if (outcome.kind === "answer" && outcome.answer.status === 201) {
        const { arrivalMs } = planBuyer(setup.shape, index);
        this.roster.join({ index, arrivalMs, ...readSession(outcome.answer.body) });
        return;
      }
      last = outcome.kind === "answer" ? `${outcome.answer.status} ${outcome.answer.body}` : outcome.cause;
      await wait(clock, retryDelayMs({ random: preparationRandom(setup.shape.seed, index) }, { kind: "silence" }));
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

function readSession(body: string): { token: string; signingKey: Uint8Array; buyerId: string } {
  const session = parseObject(body);
  const { token, signingKey, buyerId } = session;
  if (typeof token !== "string" || typeof signingKey !== "string" || typeof buyerId !== "string") {
    throw new Error(`not a session: ${body}`);
  }
  return { token, signingKey: Buffer.from(signingKey, "base64url"), buyerId };
}
