/**
 * Wrong configuration stops the start with a message that names the variable, the value and what is accepted.
 */

import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { type EndedProcess, type Runtime, runToEnd } from "../../support/node-process.ts";

setDefaultTimeout(30_000);

const SECRETS = { SECRET: "s".repeat(43), ADMIN_TOKEN: "t".repeat(32) };
const DATABASE = { DATABASE_URL: "postgres://nobody@127.0.0.1:1/none", ...SECRETS };

interface WrongValue {
  readonly env: Readonly<Record<string, string>>;
  /** What the message must contain: variable, value, what is accepted. */
  readonly says: readonly RegExp[];
  /** What it must not contain. */
  readonly hides?: string;
}

const WRONG: Readonly<Record<string, WrongValue>> = {
  "a port in words": { env: { PORT: "eighty" }, says: [/\bPORT\b/, /eighty/, /whole number from 0 to 65535/] },
  "a port out of range": { env: { ADMIN_PORT: "70000" }, says: [/ADMIN_PORT/, /70000/, /65535/] },
  "one port for two": { env: { PORT: "18080", ADMIN_PORT: "18080" }, says: [/ADMIN_PORT/, /18080/, /different/] },
  "a database that is not PostgreSQL": {
    env: { ...SECRETS, DATABASE_URL: "mysql://localhost/shop" },
    says: [/DATABASE_URL/, /mysql:/, /postgres:\/\//],
  },
  "a short secret, without repeating it": {
    env: { SECRET: "too-short-to-be-safe" },
    says: [/\bSECRET\b/, /at least 32 bytes/],
    hides: "too-short-to-be-safe",
  },
  "a short token, without repeating it": {
    env: { ADMIN_TOKEN: "letmein" },
    says: [/ADMIN_TOKEN/, /at least 16 bytes/],
    hides: "letmein",
  },
  "no secret for a shared database": {
    env: { DATABASE_URL: "postgres://localhost/shop" },
    says: [/\bSECRET\b/, /ADMIN_TOKEN/, /required/],
  },
  "a negative limit": { env: { RATE_BUYER_PER_S: "-1" }, says: [/RATE_BUYER_PER_S/, /-1/, /whole number from 0/] },
  "half a limit": { env: { RATE_IP_PER_S: "0.5" }, says: [/RATE_IP_PER_S/, /0\.5/, /whole number/] },
  "a limit in another notation": { env: { RATE_BUYER_PER_MIN: "1e3" }, says: [/RATE_BUYER_PER_MIN/, /1e3/] },
  "an empty value": { env: { ACK_WAIT_MS: " " }, says: [/ACK_WAIT_MS/, /whole number/] },
  "a network that is none": {
    env: { TRUSTED_PROXIES: "10.0.0.0/99" },
    says: [/TRUSTED_PROXIES/, /10\.0\.0\.0\/99/, /CIDR/],
  },
  "a switch that is neither": {
    env: { SESSION_GUESTS: "maybe" },
    says: [/SESSION_GUESTS/, /maybe/, /\bon\b.*\boff\b/],
  },
  "an unknown level": { env: { LOG_LEVEL: "loud" }, says: [/LOG_LEVEL/, /loud/, /debug.*info.*warn/] },
  "two kinds of login": {
    env: { SESSION_JWKS_URL: "https://shop.example/keys", SESSION_JWT_SECRET: "x".repeat(40) },
    says: [/SESSION_JWKS_URL/, /SESSION_JWT_SECRET/],
    hides: "x".repeat(40),
  },
  "guests off and no login": { env: { SESSION_GUESTS: "off" }, says: [/SESSION_GUESTS/, /SESSION_JW/] },
  "a variable that does not exist": { env: { DOORBUSTER_COLOUR: "blue" }, says: [/DOORBUSTER_COLOUR/] },
  "a mode that is not there yet": { env: { KAFKA_BROKERS: "localhost:9092" }, says: [/KAFKA_BROKERS/] },
  "a ledger's Redis without the database that owns the stock": {
    env: { REDIS_URL: "redis://:hunter2secret@localhost" },
    says: [/REDIS_URL/, /DATABASE_URL/, /PostgreSQL/],
    hides: "hunter2secret",
  },
  "a list of Redis servers with one that is none": {
    env: { ...DATABASE, REDIS_URL: "redis://:hunter2secret@one,http://two" },
    says: [/REDIS_URL/, /redis:\/\/:\*+@one,http:\/\/two/, /comma-separated/],
    hides: "hunter2secret",
  },
  "an edge that is the ledger": {
    env: { ...DATABASE, REDIS_URL: "redis://one,redis://two", EDGE_REDIS_URL: "redis://:hunter2secret@two:6379/1" },
    says: [/EDGE_REDIS_URL/, /REDIS_URL/, /another/],
    hides: "hunter2secret",
  },
  "a promise that Redis cannot make": {
    env: { LEDGER_DURABILITY: "no" },
    says: [/LEDGER_DURABILITY/, /always, everysec/],
  },
};

async function serve(
  runtime: Runtime,
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<EndedProcess> {
  return await runToEnd({ runtime, args: ["serve", ...args], env: { DATA_DIR: "/nonexistent/never-made", ...env } });
}

for (const [name, { env, says, hides }] of Object.entries(WRONG)) {
  test(`stops the start and says why: ${name}`, async () => {
    const ended = await serve("bun", env);
    expect(ended.code, ended.output).toBeGreaterThan(0);
    for (const pattern of says) expect(ended.output).toMatch(pattern);
    if (hides !== undefined) expect(ended.output).not.toContain(hides);
    expect(ended.output, "a message for a person, not a stack").not.toMatch(/\n\s+at /);
  });
}

test("names every wrong value at once, on Node as well", async () => {
  const ended = await serve("node", { PORT: "eighty", LOG_LEVEL: "loud", RATE_IP_PER_S: "-5" });
  expect(ended.code).toBeGreaterThan(0);
  for (const name of ["PORT", "LOG_LEVEL", "RATE_IP_PER_S"]) expect(ended.output).toContain(name);
});

test("stops the start on a role that does not exist, naming those that do", async () => {
  const ended = await serve("bun", {}, ["--roles", "api,cook"]);
  expect(ended.code).toBeGreaterThan(0);
  expect(ended.output).toMatch(/cook/);
  expect(ended.output).toMatch(/api.*worker.*admin/s);
});

test("says that the database cannot be reached, and where it looked, without its password", async () => {
  const ended = await serve("bun", {
    ...DATABASE,
    DATABASE_URL: "postgres://shop:hunter2secret@127.0.0.1:1/none",
    PORT: "0",
    ADMIN_PORT: "0",
  });
  expect(ended.code).toBeGreaterThan(0);
  expect(ended.output).toMatch(/DATABASE_URL|PostgreSQL/);
  expect(ended.output).not.toContain("hunter2secret");
});

test("says that a port is taken, and which", async () => {
  const server = await new Promise<Server>((resolve) => {
    const listening = createServer().listen(0, "127.0.0.1", () => resolve(listening));
  });
  const { port } = server.address() as { port: number };
  try {
    const folder = mkdtempSync("/tmp/doorbuster-port-");
    const ended = await serve("bun", { HOST: "127.0.0.1", PORT: String(port), ADMIN_PORT: "0", DATA_DIR: folder });
    rmSync(folder, { recursive: true, force: true });
    expect(ended.code, ended.output).toBeGreaterThan(0);
    expect(ended.output).toContain(String(port));
  } finally {
    server.close();
  }
});

test("prints the effective configuration with the origin of each value and no secret", async () => {
  const env = {
    ...DATABASE,
    DATABASE_URL: "postgres://shop:hunter2secret@127.0.0.1:1/none",
    REDIS_URL: "redis://one:7000,redis://:hunter2secret@two:7001",
    EDGE_REDIS_URL: "redis://edge:hunter2secret@three",
    RATE_IP_PER_S: "77",
  };
  const ended = await runToEnd({ runtime: "bun", args: ["config", "print"], env });
  expect(ended.code, ended.output).toBe(0);
  expect(ended.output).toContain("Mode: redis");
  expect(ended.output).toContain("redis://one:7000,redis://:********@two:7001");
  expect(ended.output).toMatch(/EDGE_REDIS_URL +redis:\/\/edge:\*+@three +environment/);
  expect(ended.output).toMatch(/LEDGER_DURABILITY +always +default/);
  expect(ended.output).toMatch(/RATE_IP_PER_S.*77/);
  expect(ended.output).toMatch(/RATE_BUYER_PER_S.*5/);
  for (const secret of [SECRETS.SECRET, SECRETS.ADMIN_TOKEN, "hunter2secret"])
    expect(ended.output).not.toContain(secret);
});
