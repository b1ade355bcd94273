/**
 * Change hints over LISTEN/NOTIFY. Hints are only ever "look now": after a reconnection everything is hinted once.
 */
import type { ChangeFeed, ChangeHint } from "../../ports/change-feed.ts";
import type { Database } from "../../ports/database.ts";

const CHANNEL = "doorbuster";

function parseHint(payload: string): ChangeHint | null {
  if (payload === "catalogue" || payload === "events") return { topic: payload };
  const stock = /^stock:(\d+)$/.exec(payload);
  return stock === null ? null : { topic: "stock", itemId: Number(stock[1]) };
}

/** `implements ChangeFeed`. Call `start` once; listeners may come and go before and after. */
export class PostgresChangeFeed implements ChangeFeed {
  readonly #listeners = new Set<(hint: ChangeHint) => void>();
  #stop: (() => Promise<void>) | null = null;

  async start(database: Database): Promise<void> {
    this.#stop = await database.listen(
      CHANNEL,
      (payload) => {
        const hint = parseHint(payload);
        if (hint !== null) this.#emit(hint);
      },
      () => {
        this.#emit({ topic: "catalogue" });
        this.#emit({ topic: "events" });
      },
    );
  }

  async stop(): Promise<void> {
    await this.#stop?.();
    this.#stop = null;
  }

  subscribe(listener: (hint: ChangeHint) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #emit(hint: ChangeHint): void {
    for (const listener of this.#listeners) listener(hint);
  }
}
