/**
 * How often somebody may try to sign in: per name from one address, per name, and per address.
 *
 * Together with a second factor a handful of tries a minute gives a guesser nothing, and the limit per name alone is wide
 * enough that a stranger cannot lock its owner out by himself. Counted in tables of fixed size, which nodes that share an edge
 * keep in step (limit-exchange.ts): a guesser who goes from node to node has one allowance. Without an edge each process
 * counts for itself. Every try counts, good or bad, so that success tells nothing either.
 */
import { GcraTable } from "../../funnel/4-throttle/gcra-table.ts";
import type { LimitExchange } from "../../funnel/4-throttle/limit-exchange.ts";
import { keyedHash } from "../../funnel/keyed-hash.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";

const MINUTE_MS = 60_000;
const ENTRIES_MAX = 4_096;
const LIMITS = { pair: 5, name: 20, address: 30 } as const;

export class SignInBrake {
  readonly #clock: Clock;
  readonly #tables: Readonly<Record<keyof typeof LIMITS, GcraTable>>;

  /** `exchange` is null where nodes share no edge. */
  constructor(parts: {
    clock: Clock;
    random: Random;
    exchange: Pick<LimitExchange, "createHash" | "join"> | null;
  }) {
    const { clock, random, exchange } = parts;
    this.#clock = clock;
    const table = (scope: keyof typeof LIMITS): GcraTable => {
      const made = new GcraTable({
        hash: exchange?.createHash() ?? keyedHash(random),
        limits: [{ count: LIMITS[scope], periodMs: MINUTE_MS }],
        entriesMax: ENTRIES_MAX,
        recordsUses: exchange !== null,
      });
      exchange?.join(`sign-in ${scope}`, made);
      return made;
    };
    this.#tables = { pair: table("pair"), name: table("name"), address: table("address") };
  }

  /** 0 when the try may be made, and is counted; else how long to wait, and it is not. */
  waitMs(who: { name: string; address: string }): number {
    const nowMs = this.#clock.monotonicMs();
    const name = who.name.toLowerCase();
    const keys = { pair: `${who.address} ${name}`, name, address: who.address };
    const slots = Object.entries(this.#tables).map(([scope, table]) => {
      return { table, slot: table.slotOf(keys[scope as keyof typeof LIMITS], nowMs) };
    });
    const waitMs = Math.max(...slots.map(({ table, slot }) => table.waitMs(slot, nowMs)));
    if (waitMs <= 0) for (const { table, slot } of slots) table.take(slot, nowMs);
    return Math.max(0, waitMs);
  }
}
