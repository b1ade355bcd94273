/**
 * The servers behind REDIS_URL: one server, or the masters of a Cluster. Finds the one that has a hash slot.
 *
 * Which of the two it is, the servers say themselves. In a Cluster the map of slots is read from whichever node answers,
 * again after every change that is noticed, and MOVED and ASK are followed: both mean that nothing was done, so sending
 * again is safe. Nothing else is ever sent again. The nodes named in REDIS_URL stay connected for ever, so that
 * a Cluster which changed completely is found again.
 */
import { ErrorReply } from "@redis/client";
import { Fault } from "../../domain/faults.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/telemetry.ts";
import { HASH_SLOTS } from "./hash-slot.ts";
import { RedisConnection } from "./redis-connection.ts";

const REDIRECTS_MAX = 3;
const REFRESH_DELAY_MS = 200;
const READY_POLL_MS = 10;

export interface RedisServersOptions {
  readonly urls: readonly string[];
  readonly answerTimeoutMs: number;
  readonly setTimer: Clock["setTimer"];
  readonly log: Log;
  /** Runs on every new connection before it is used. */
  readonly prepare: (send: (args: string[]) => Promise<unknown>) => Promise<void>;
}

/** Null: not asked yet. */
type Layout = null | "single" | "cluster";

/** See the file comment. */
export class RedisServers {
  readonly #options: RedisServersOptions;
  readonly #seeds: readonly RedisConnection[];
  readonly #nodes = new Map<string, RedisConnection>();
  #slots: (RedisConnection | undefined)[] = [];
  #layout: Layout = null;
  #isOpen = false;
  #cancelRefresh: (() => void) | null = null;

  constructor(options: RedisServersOptions) {
    this.#options = options;
    this.#seeds = options.urls.map((url) => this.#node(url));
  }

  /** Begins to connect; goes on trying until closed. */
  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    for (const node of this.#nodes.values()) node.open();
  }

  close(): void {
    this.#isOpen = false;
    this.#cancelRefresh?.();
    for (const node of this.#nodes.values()) node.close();
  }

  /** Resolves when every slot has a server that can be called. Throws LEDGER_UNAVAILABLE after `withinMs`. */
  async whenReady(withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    while (!this.#isReady()) {
      if (performance.now() > until) throw unavailable(`no connection to ${this.#names()} within ${withinMs} ms`);
      await new Promise<void>((resolve) => this.#options.setTimer(READY_POLL_MS, resolve));
    }
  }

  /** The servers that keep buckets, those that cannot be reached included. */
  masters(): readonly RedisConnection[] {
    if (this.#layout !== "cluster") return this.#seeds.slice(0, 1);
    return [...new Set(this.#slots.filter((node) => node !== undefined))];
  }

  /** True when commands may name keys of one hash slot only. */
  get isCluster(): boolean {
    return this.#layout === "cluster";
  }

  /** True when REDIS_URL names several servers and the first that answered is not a node of a Cluster. */
  get isMisnamed(): boolean {
    return this.#layout === "single" && this.#seeds.length > 1;
  }

  /** Sends a command to the server that has the slot. Rejects with the server's error reply or LEDGER_UNAVAILABLE. */
  async call(slot: number, args: string[], timeoutMs?: number): Promise<unknown> {
    let node = this.#layout === "cluster" ? this.#slots[slot] : this.#seeds[0];
    let isAsked = false;
    for (let redirects = 0; ; redirects += 1) {
      if (node === undefined || this.#layout === null) {
        this.#refreshSoon();
        throw unavailable(`no known server has slot ${slot} of ${this.#names()}`);
      }
      try {
        // The two are sent one right after the other, so nobody else's command can come between them.
        if (isAsked) void node.call(["ASKING"]).catch(() => undefined);
        return await node.call(args, timeoutMs);
      } catch (error) {
        // Its successor, if it has one, is known to the others.
        if (!node.isReady && this.#layout === "cluster") this.#refreshSoon();
        const redirect = error instanceof ErrorReply ? /^(MOVED|ASK) \d+ (\S*):(\d+)/.exec(error.message) : null;
        if (redirect === null || redirects === REDIRECTS_MAX) {
          if (error instanceof ErrorReply && error.message.startsWith("READONLY")) node.reconnect(error.message);
          throw error;
        }
        isAsked = redirect[1] === "ASK";
        node = this.#nodeAt(node, { host: redirect[2] ?? "", port: Number(redirect[3]) });
        if (isAsked) continue;
        this.#slots[slot] = node;
        this.#refreshSoon();
      }
    }
  }

  #isReady(): boolean {
    if (this.#layout === "single") return this.#seeds[0]?.isReady === true;
    if (this.#layout === null) return false;
    const masters = this.masters();
    const covered = this.#slots.reduce((count, node) => (node === undefined ? count : count + 1), 0);
    return covered === HASH_SLOTS && masters.every((node) => node.isReady);
  }

  #node(url: string): RedisConnection {
    const node: RedisConnection = new RedisConnection({
      ...this.#options,
      urls: [url],
      faultCode: "LEDGER_UNAVAILABLE",
      prepare: async (send) => {
        await this.#options.prepare(send);
        await this.#learnLayout(send, url);
      },
      onChange: (isReady) => {
        if (!isReady && this.#layout === "cluster") this.#refreshSoon();
      },
    });
    const known = this.#nodes.get(node.address);
    if (known !== undefined) return known;
    this.#nodes.set(node.address, node);
    if (this.#isOpen) node.open();
    return node;
  }

  /** The node at an address that another node named. An empty host means "where you found me". */
  #nodeAt(teller: { readonly address: string }, { host, port }: { host: string; port: number }): RedisConnection {
    const url = new URL(this.#options.urls[0] ?? "");
    url.hostname = host === "" || host === "?" ? teller.address.replace(/:\d+$/, "") : host;
    url.port = String(port);
    return this.#node(url.href);
  }

  async #learnLayout(send: (args: string[]) => Promise<unknown>, url: string): Promise<void> {
    const isCluster = String(await send(["INFO", "cluster"])).includes("cluster_enabled:1");
    this.#layout = isCluster ? "cluster" : "single";
    if (isCluster) this.#applySlots({ address: new URL(url).host }, await send(["CLUSTER", "SLOTS"]));
  }

  #refreshSoon(): void {
    if (this.#cancelRefresh !== null || !this.#isOpen) return;
    this.#cancelRefresh = this.#options.setTimer(REFRESH_DELAY_MS, () => {
      this.#cancelRefresh = null;
      this.#refresh().catch((error: Error) => {
        this.#options.log.debug({ error: error.message }, "the Cluster's slots could not be read");
        this.#refreshSoon();
      });
    });
  }

  async #refresh(): Promise<void> {
    const node = [...this.#nodes.values()].find((candidate) => candidate.isReady);
    if (this.#layout !== "cluster") return;
    if (node === undefined) throw unavailable("no node answers");
    this.#applySlots(node, await node.call(["CLUSTER", "SLOTS"]));
  }

  /** `reply`: a list of [first slot, last slot, [host, port, …] of the master, …replicas]. */
  #applySlots(teller: { readonly address: string }, reply: unknown): void {
    const slots: (RedisConnection | undefined)[] = new Array(HASH_SLOTS).fill(undefined);
    for (const range of reply as readonly [number, number, readonly [string | null, number]][]) {
      const node = this.#nodeAt(teller, { host: range[2][0] ?? "", port: range[2][1] });
      slots.fill(node, range[0], range[1] + 1);
    }
    this.#slots = slots;
    const wanted = new Set<RedisConnection>([...this.#seeds, ...this.masters()]);
    for (const [address, node] of this.#nodes) {
      if (wanted.has(node)) continue;
      node.close();
      this.#nodes.delete(address);
    }
  }

  #names(): string {
    return this.#seeds.map((seed) => seed.address).join(", ");
  }
}

function unavailable(internal: string): Fault {
  return new Fault("LEDGER_UNAVAILABLE", { internal });
}
