/**
 * Whether a server may keep the ledger: it writes to disk before it answers, evicts nothing and is nobody's replica. And
 * whether it can: its memory and its disk still take something.
 *
 * CONFIG may be forbidden to our user. INFO then says almost everything; only how often the disk is waited for cannot be
 * known, and what cannot be known does not count as promised.
 */
import { ErrorReply } from "@redis/client";
import { Fault } from "../../domain/faults.ts";

type Send = (args: string[]) => Promise<unknown>;

export interface ServerLook {
  readonly runId: string;
  readonly clockMs: number;
  /** Why this server may not keep the ledger, in words; null when it may. */
  readonly unsafe: string | null;
  /** Why it takes no writes at present, in words; null when it does. */
  readonly failing: string | null;
}

/** A server so close to its limit refuses calls of any size soon, and the next ones now. */
const MEMORY_SHARE_MAX = 0.98;

/** What a user of the ledger's Redis needs to be allowed, and no more, as arguments of ACL SETUSER. */
export function ledgerAccessRules(deployment: string): readonly string[] {
  const commands = [
    ...["evalsha", "eval", "script|load", "ping", "info", "time", "config|get", "cluster|slots", "asking"],
    ...["hmget", "hget", "hset", "hdel", "hgetall", "hvals", "hincrby", "hscan"],
    ...["del", "unlink", "pexpire", "publish", "subscribe"],
    ...["xadd", "xgroup|create", "xreadgroup", "xautoclaim", "xack", "xrange", "xtrim"],
  ];
  return [`~{${deployment}.*`, `&doorbuster:${deployment}:*`, "-@all", ...commands.map((command) => `+${command}`)];
}

/** Looks at one server. Throws LEDGER_UNAVAILABLE while it still loads its data. */
export async function lookAtServer(send: Send, durability: "always" | "everysec"): Promise<ServerLook> {
  const [info, time, configured] = await Promise.all([send(["INFO"]), send(["TIME"]), readConfiguration(send)]);
  const facts = parseInfo(String(info));
  if (facts.get("loading") === "1") {
    throw new Fault("LEDGER_UNAVAILABLE", { internal: "the server is still loading its data" });
  }
  const [seconds, micros] = time as readonly [string, string];
  return {
    runId: facts.get("run_id") ?? "",
    clockMs: Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000),
    unsafe: findUnsafe(facts, configured, durability),
    failing: findFailing(facts),
  };
}

/** Null: the server does not let us look. */
async function readConfiguration(send: Send): Promise<ReadonlyMap<string, string> | null> {
  try {
    const names = ["appendfsync", "maxmemory-policy", "no-appendfsync-on-rewrite"];
    const replies = await Promise.all(names.map((name) => send(["CONFIG", "GET", name])));
    return new Map(replies.map((reply) => reply as [string, string]));
  } catch (error) {
    if (error instanceof ErrorReply) return null;
    throw error;
  }
}

function findUnsafe(
  facts: ReadonlyMap<string, string>,
  configured: ReadonlyMap<string, string> | null,
  durability: "always" | "everysec",
): string | null {
  const problems: string[] = [];
  if (facts.get("role") === "slave") problems.push("it is a replica");
  if (facts.get("aof_enabled") !== "1") problems.push("appendonly is no, must be yes");
  const policy = configured?.get("maxmemory-policy") ?? facts.get("maxmemory_policy");
  if (policy !== "noeviction") problems.push(`maxmemory-policy is ${policy ?? "unknown"}, must be noeviction`);
  if (configured !== null) problems.push(...syncProblems(configured, durability));
  else if (durability === "always") {
    problems.push(
      "appendfsync cannot be read (CONFIG GET is refused to our user), so nothing proves that it is always",
    );
  }
  return problems.length === 0 ? null : problems.join("; ");
}

function findFailing(facts: ReadonlyMap<string, string>): string | null {
  if (facts.get("aof_last_write_status") === "err") return "writing its append-only file fails";
  const bytesMax = Number(facts.get("maxmemory") ?? 0);
  const isFull = bytesMax > 0 && Number(facts.get("used_memory") ?? 0) >= MEMORY_SHARE_MAX * bytesMax;
  return isFull ? `its memory is full (maxmemory is ${bytesMax} bytes)` : null;
}

function syncProblems(configured: ReadonlyMap<string, string>, durability: "always" | "everysec"): string[] {
  const sync = configured.get("appendfsync") ?? "unknown";
  const accepted = durability === "always" ? ["always"] : ["always", "everysec"];
  if (!accepted.includes(sync)) return [`appendfsync is ${sync}, must be ${accepted.join(" or ")}`];
  if (durability === "always" && configured.get("no-appendfsync-on-rewrite") === "yes") {
    return ["no-appendfsync-on-rewrite is yes, must be no"];
  }
  return [];
}

function parseInfo(text: string): ReadonlyMap<string, string> {
  const facts = new Map<string, string>();
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) facts.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return facts;
}
