/**
 * The edge on a Redis or Valkey of its own that may evict: `implements EdgeState`.
 *
 * Every key carries an expiry, so `volatile-ttl` evicts what is nearest to having nothing to say. Times are the server's
 * own or durations; nodes never compare clocks. Each operation is one script, sent by its digest and, when the server
 * does not know it (it was restarted), once by its text.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../domain/faults.ts";
import type { Clock } from "../../ports/clock.ts";
import {
  type EdgeState,
  type LimitUses,
  NONCES_PER_SESSION_MAX,
  type NonceClaim,
  type SharedText,
} from "../../ports/edge-state.ts";
import type { Random } from "../../ports/random.ts";
import type { Log } from "../../ports/telemetry.ts";
import { EdgeConnection } from "./edge-connection.ts";

/** A script and the digest the server knows it by. */
interface Script {
  readonly text: string;
  readonly digest: string;
}

interface ScriptCall {
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

const SHARE_LIMITS = readScript("share-limits");
const CLAIM_NONCE = readScript("claim-nonce");
const READ_SHARED = readScript("read-shared");
const WRITE_SHARED = readScript("write-shared");

function readScript(name: string): Script {
  const text = readFileSync(join(import.meta.dirname, "scripts", `${name}.lua`), "utf8");
  return { text, digest: createHash("sha1").update(text).digest("hex") };
}

/** Nobody waits longer for the edge than this; nearly always it answers within one. */
const ANSWER_MS_MAX = 100;

/** `deployment` keeps deployments on one server apart. Nothing is connected before `start`. */
export function createRedisEdgeState(options: {
  url: string;
  deployment: string;
  answerMsMax?: number;
  clock: Clock;
  random: Random;
  log: Log;
}): EdgeState {
  return new RedisEdgeState(new EdgeConnection({ answerMsMax: ANSWER_MS_MAX, ...options }), options.deployment);
}

class RedisEdgeState implements EdgeState {
  readonly #connection: EdgeConnection;
  readonly #prefix: string;

  constructor(connection: EdgeConnection, deployment: string) {
    this.#connection = connection;
    this.#prefix = `${deployment}:edge`;
  }

  async shareLimits({ scope, costsMs, aheadMsMax, uses }: LimitUses): Promise<readonly number[]> {
    const keys = uses.map((use) => `${this.#prefix}:limit:${scope}:${use.key}`);
    const args = [costsMs.length, aheadMsMax, ...costsMs, ...uses.flatMap((use) => [use.requests, use.ageMs])];
    return numbersOf(await this.#run(SHARE_LIMITS, { keys, args }), uses.length * costsMs.length);
  }

  async claimNonce({ sessionKey, nonceKey, ttlMs }: NonceClaim): Promise<boolean> {
    const keys = [`${this.#prefix}:nonces:${sessionKey}`];
    const args = [nonceKey, NONCES_PER_SESSION_MAX, ttlMs];
    return (await this.#run(CLAIM_NONCE, { keys, args })) === 1;
  }

  async readShared(request: { key: string; freshMs: number; makeMsMax: number }): Promise<SharedText> {
    const args = [Math.ceil(request.freshMs), Math.ceil(request.makeMsMax)];
    const reply = await this.#run(READ_SHARED, { keys: this.#sharedKeys(request.key), args });
    const [text, ageMs, turn] = Array.isArray(reply) ? reply : [];
    if (typeof ageMs !== "number") throw unreadable();
    return typeof text === "string"
      ? { text, ageMs, isOursToMake: turn === 1 }
      : { text: null, ageMs: 0, isOursToMake: turn === 1 };
  }

  async writeShared(entry: { key: string; text: string; ageMs: number; ttlMs: number }): Promise<void> {
    const args = [entry.text, Math.ceil(entry.ageMs), Math.ceil(entry.ttlMs)];
    await this.#run(WRITE_SHARED, { keys: this.#sharedKeys(entry.key), args });
  }

  isReachable(): boolean {
    return this.#connection.isReachable();
  }

  start(): void {
    this.#connection.start();
  }

  stop(): Promise<void> {
    return this.#connection.stop();
  }

  #sharedKeys(key: string): readonly string[] {
    return [`${this.#prefix}:shared:${key}`, `${this.#prefix}:turn:${key}`];
  }

  async #run(script: Script, { keys, args }: ScriptCall): Promise<unknown> {
    const options = { keys: [...keys], arguments: args.map(String) };
    return await this.#connection.call(async (client) => {
      try {
        return await client.evalSha(script.digest, options);
      } catch (error) {
        if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
        return await client.eval(script.text, options);
      }
    });
  }
}

function numbersOf(reply: unknown, count: number): readonly number[] {
  if (!Array.isArray(reply) || reply.length !== count) throw unreadable();
  return reply.map(Number);
}

function unreadable(): Fault {
  return new Fault("EDGE_UNAVAILABLE", { internal: "the edge's answer has not the expected form" });
}
