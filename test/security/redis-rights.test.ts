/**
 * T31 and T14: whoever has the ledger's password for Redis can sell from its buckets, and cannot configure, empty, search
 * or leave them. That these rights are enough for everything is shown in test/conformance/buckets-servers.test.ts.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createClient } from "@redis/client";
import { ledgerAccessRules } from "../../src/adapters/redis/durability.ts";
import { RedisServer } from "../support/redis-server.ts";

setDefaultTimeout(30_000);

const DEPLOYMENT = "deployment-of-the-tests";
const OWN = `{${DEPLOYMENT}.1.0}meta`;

/** Commands that only somebody who wants to do harm would send as the ledger. */
const FORBIDDEN: readonly (readonly string[])[] = [
  ["CONFIG", "SET", "appendonly", "no"],
  ["CONFIG", "SET", "dir", "/root/.ssh"],
  ["CONFIG", "REWRITE"],
  ["FLUSHALL"],
  ["FLUSHDB"],
  ["KEYS", "*"],
  ["SCAN", "0"],
  ["RANDOMKEY"],
  ["DBSIZE"],
  ["SHUTDOWN", "NOSAVE"],
  ["MONITOR"],
  ["SAVE"],
  ["BGREWRITEAOF"],
  ["REPLICAOF", "127.0.0.1", "1"],
  ["ACL", "SETUSER", "ledger", "+@all"],
  ["ACL", "LIST"],
  ["CLIENT", "KILL", "TYPE", "normal"],
  ["SCRIPT", "FLUSH"],
  ["FUNCTION", "LOAD", "#!lua name=x\n"],
  ["MIGRATE", "127.0.0.1", "1", OWN, "0", "1"],
  ["DUMP", OWN],
  ["RESTORE", OWN, "0", "x"],
  ["COPY", OWN, "elsewhere"],
  ["RENAME", OWN, "elsewhere"],
  ["PERSIST", OWN],
  ["SORT", OWN],
  ["OBJECT", "ENCODING", OWN],
  ["SELECT", "1"],
];

describe("T31: the ledger's user in Redis", () => {
  let server: RedisServer;
  let client: ReturnType<typeof createClient>;

  beforeAll(async () => {
    server = await RedisServer.start({ settings: { user: "default on nopass ~* &* +@all" } });
    await server.call("ACL", "SETUSER", "ledger", "on", ">secret", ...ledgerAccessRules(DEPLOYMENT));
    await server.call("HSET", "{somebody-else.1.0}meta", "epoch", "1");
    client = createClient({ url: server.url.replace("//", "//ledger:secret@"), disableClientInfo: true });
    client.on("error", () => undefined);
    await client.connect();
  });
  afterAll(async () => {
    client.destroy();
    await server.stop();
  });

  const outcomeOf = async (command: readonly string[]): Promise<string> => {
    try {
      return `allowed: ${String(await client.sendCommand([...command]))}`;
    } catch (error) {
      return (error as Error).message.split(" ")[0] ?? "";
    }
  };

  test("may use its own keys", async () => {
    expect(await outcomeOf(["HSET", OWN, "epoch", "1"])).toBe("allowed: 1");
    expect(await outcomeOf(["HGET", OWN, "epoch"])).toBe("allowed: 1");
  });

  test.each(FORBIDDEN.map((command) => [command.join(" "), command] as const))("may not %s", async (_, command) => {
    expect(await outcomeOf(command)).toBe("NOPERM");
  });

  test.each(["DEBUG SLEEP 1", "MODULE LOAD /tmp/x.so"])(
    "may not %s: the server itself has that switched off",
    async (text) => {
      expect(await outcomeOf(text.split(" "))).toMatch(/^(NOPERM|ERR)$/);
    },
  );

  test("may not touch anybody else's keys or channels, not from inside a script either", async () => {
    const other = "{somebody-else.1.0}meta";
    expect(await outcomeOf(["HGET", other, "epoch"])).toBe("NOPERM");
    expect(await outcomeOf(["HSET", other, "epoch", "2"])).toBe("NOPERM");
    expect(await outcomeOf(["PUBLISH", "doorbuster:somebody-else:commits", "x"])).toBe("NOPERM");
    expect(await outcomeOf(["EVAL", "return redis.call('HGET', KEYS[1], 'epoch')", "1", other])).toBe("NOPERM");
    const hidden = `return redis.call('HGET', '${other}', 'epoch')`;
    expect(await outcomeOf(["EVAL", hidden, "0"])).toMatch(/^(NOPERM|ERR)$/);
    expect(await outcomeOf(["EVAL", "return redis.call('FLUSHALL')", "0"])).toMatch(/^(NOPERM|ERR)$/);
    expect(await outcomeOf(["EVAL", "return redis.call('CONFIG', 'SET', 'dir', '/')", "0"])).toMatch(/^(NOPERM|ERR)$/);
    expect(await server.call("HGET", other, "epoch")).toBe("1");
  });

  test("is nobody without the password", async () => {
    const stranger = createClient({
      url: server.url.replace("//", "//ledger:guess@"),
      socket: { reconnectStrategy: false },
    });
    stranger.on("error", () => undefined);
    expect(
      await stranger.connect().then(
        () => "in",
        (error: Error) => error.message,
      ),
    ).toMatch(/WRONGPASS/);
  });
});
