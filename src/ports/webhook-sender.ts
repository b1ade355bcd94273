/**
 * Port: posts a message to an address that an operator named, and to nothing else that this machine can reach.
 *
 * Promises: the address is looked at anew for each message; what its name leads to is decided once and that very machine
 * is connected to; no redirect is followed; a message takes a bounded time and its answer a bounded space. Nothing of the
 * answer is kept but whether it was taken. Does not promise that a message arrives once: receivers know repeats by its id.
 */

/** What became of a message. `why` is for the operator, and repeats nothing that the receiver sent. */
export type Delivery = { readonly kind: "taken" } | { readonly kind: "failed"; readonly why: string };

export interface WebhookMessage {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
}

export interface WebhookSender {
  /** Why nothing may be sent to the address, in words for the operator who named it; null when it may. Looks up its name. */
  findObjection(url: string): Promise<string | null>;
  send(message: WebhookMessage): Promise<Delivery>;
}
