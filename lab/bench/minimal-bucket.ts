/**
 * The yardstick of the redis ledger: minimal-reserve.lua, called over one connection with nothing around it.
 */
import { readFileSync } from "node:fs";
import { createClient } from "@redis/client";
import type { Attempt } from "../../src/ports/ledger.ts";
import { keepInFlight } from "./bucket-load.ts";

const SCRIPT = readFileSync(new URL("minimal-reserve.lua", import.meta.url), "utf8");
const LIMIT = "4";

const connectTo = (url: string) => createClient({ url });
type Client = ReturnType<typeof connectTo>;

export class MinimalBucket {
  readonly #client: Client;
  readonly #digest: string;
  #runs = 0;

  private constructor(client: Client, digest: string) {
    this.#client = client;
    this.#digest = digest;
  }

  /** Connects and makes the server know the script. Close it. */
  static async open(url: string): Promise<MinimalBucket> {
    const client = connectTo(url);
    await client.connect();
    return new MinimalBucket(client, String(await client.sendCommand(["SCRIPT", "LOAD", SCRIPT])));
  }

  /** Accepts the attempts in batches into a bucket of their own until the time is over; answers how many, all of them accepted. */
  async run(attempts: readonly Attempt[], task: { batch: number; durationMs: number }): Promise<number> {
    const prefix = `{minimal-${this.#runs++}}`;
    const keys = ["stock", "buyers", "reservations", "stream"].map((name) => `${prefix}:${name}`);
    await this.#client.sendCommand(["HSET", keys[0] ?? "", "left", String(attempts.length), "seq", "0"]);
    const count = await keepInFlight({ ...task, countMax: attempts.length }, async (from, to) => {
      const command = ["EVALSHA", this.#digest, String(keys.length), ...keys, LIMIT];
      for (let index = from; index < to; index += 1) {
        const attempt = attempts[index];
        if (attempt !== undefined) command.push(attempt.rid, attempt.buyerId, String(attempt.quantity));
      }
      await this.#client.sendCommand(command);
    });
    const accepted = Number(await this.#client.sendCommand(["HGET", keys[0] ?? "", "seq"]));
    if (accepted !== count) throw new Error(`the minimal script accepted ${accepted}, not ${count}`);
    await this.#client.sendCommand(["UNLINK", ...keys]);
    return count;
  }

  close(): void {
    this.#client.destroy();
  }
}
