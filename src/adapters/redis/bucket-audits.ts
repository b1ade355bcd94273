/**
 * Looks at many buckets with one call, those of several askers together: on one server a look costs Redis less than the call does.
 *
 * Whoever asks for many (auditEach) waits for the end of the current turn of the event loop, so that others may join; whoever
 * asks for one is sent at once, in the order of his other calls. In a Cluster, where a script may not name two buckets,
 * each is a call of its own.
 */
import { ErrorReply } from "@redis/client";
import { isFault } from "../../domain/faults.ts";
import type { BucketAddress, BucketAudit } from "../../ports/bucket-store.ts";
import { AskedTogether } from "../local/asked-together.ts";
import type { BucketKeys, LedgerKeys } from "./keys.ts";
import { toAudit } from "./ledger-replies.ts";
import { commandOf } from "./scripts.ts";

/** Half a millisecond of the server's time. */
const BUCKETS_PER_CALL = 128;

type Audits = readonly (BucketAudit | null)[];

export interface BucketAuditsParts {
  readonly keys: LedgerKeys;
  readonly servers: { readonly isCluster: boolean };
  /** Runs the audit script. Throws the ledger's faults. */
  readonly evaluate: (keys: BucketKeys, command: string[]) => Promise<unknown>;
}

/** See the head of this file. */
export class BucketAudits {
  readonly #parts: BucketAuditsParts;
  readonly #together: AskedTogether<BucketAddress, BucketAudit | null>;

  constructor(parts: BucketAuditsParts) {
    this.#parts = parts;
    this.#together = new AskedTogether({
      questionsMax: BUCKETS_PER_CALL,
      ask: (addresses) => this.#ask(addresses),
      // A server that answered disliked one of them: nobody else's look may depend on that one.
      isOfOne: (error) => isFault(error) && error.cause instanceof ErrorReply,
    });
  }

  async audit(address: BucketAddress): Promise<BucketAudit | null> {
    return (await this.#ask([address]))[0] ?? null;
  }

  auditEach(addresses: readonly BucketAddress[]): Promise<Audits> {
    if (this.#parts.servers.isCluster) return Promise.all(addresses.map((address) => this.audit(address)));
    return Promise.all(addresses.map((address) => this.#together.ask(address)));
  }

  async #ask(addresses: readonly BucketAddress[]): Promise<Audits> {
    const [keys, ...others] = addresses.map((address) => this.#parts.keys.of(address));
    if (keys === undefined) return [];
    const command = commandOf("audit", keys, {});
    command[2] = String(2 * addresses.length);
    for (const { meta, leases } of others) command.push(meta, leases);
    return ((await this.#parts.evaluate(keys, command)) as readonly (number[] | null)[]).map(toAudit);
  }
}
