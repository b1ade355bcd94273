/**
 * Sends messages to the shop's addresses over HTTPS: implements WebhookSender.
 *
 * Judges the address anew for each message, because a name may lead elsewhere tomorrow, and connects to what it judged.
 * What the receiver says is never repeated: an answer read out to somebody would make this a way to look around in here.
 */
import { lookup } from "node:dns/promises";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/telemetry.ts";
import type { Delivery, WebhookMessage, WebhookSender } from "../../ports/webhook-sender.ts";
import { createAddressPolicy } from "./address-policy.ts";
import { type Connect, createConnect, post } from "./post.ts";
import { type Aimed, aim, type Resolve } from "./webhook-target.ts";

/** From the first byte out to the status of the answer. */
const DELIVERY_MS_MAX = 5_000;
/** A name that is not found by then leads nowhere; the system itself might ask for half a minute. */
const LOOKUP_MS_MAX = 3_000;

/** The system's own way to look up names, hosts file included. */
const resolveByLookup: Resolve = async (hostname) => {
  const found = await lookup(hostname, { all: true, verbatim: true });
  return found.map(({ address }) => address);
};

/** A sender. `networks` = the deployment's own, where shops may be although they are not public. */
export function createWebhookSender(options: {
  networks: readonly string[];
  clock: Clock;
  log: Log;
  resolve?: Resolve;
  connect?: Connect;
  deliveryMsMax?: number;
}): WebhookSender {
  const { clock, log, resolve = resolveByLookup, connect = createConnect() } = options;
  const policy = createAddressPolicy(options.networks);
  const look = (url: string): Promise<Aimed> => aim(url, { policy, resolve: withDeadline(resolve, clock) });
  return {
    async findObjection(url) {
      const aimed = await look(url);
      return aimed.kind === "objection" ? aimed.why : null;
    },
    async send({ url, headers, body }: WebhookMessage): Promise<Delivery> {
      const aimed = await look(url);
      if (aimed.kind === "objection") return { kind: "failed", why: aimed.why };
      try {
        const withinMs = options.deliveryMsMax ?? DELIVERY_MS_MAX;
        const status = await post({ target: aimed.target, headers, body, connect, withinMs, clock });
        if (status < 300) return { kind: "taken" };
        return { kind: "failed", why: `it answered ${status}` };
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        log.debug({ error }, "a message to the shop could not be delivered");
        return { kind: "failed", why: "it could not be reached" };
      }
    },
  };
}

function withDeadline(resolve: Resolve, clock: Clock): Resolve {
  return async (hostname) => {
    let cancel = (): void => undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = clock.setTimer(LOOKUP_MS_MAX, () => reject(new Error("the name was not found in time")));
    });
    try {
      return await Promise.race([resolve(hostname), late]);
    } finally {
      cancel();
    }
  };
}
