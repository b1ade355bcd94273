/**
 * The command line as a person meets it: texts, exit codes, and what reaches the operator API.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommandLine } from "./program.ts";
import type { Composition } from "./surroundings.ts";

const TOKEN = "operator-token-of-the-test";
const PRICE = { amount: 4_900, currency: "EUR" };
const ITEM = { sku: "a", name: "A", price: PRICE, perBuyerMax: 2, total: 10, free: 4, granted: 0, held: 1, sold: 5 };
const SALE = { id: "s1", name: "First", state: "open", opensAt: 0, closesAt: 60_000, items: [ITEM] };

let server: Server;
let url = "";
let folder = "";
let received: { method: string; path: string; body: string }[] = [];
let isBalanced = true;
let lostUnits = 0;
let sales: unknown[] = [SALE];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "doorbuster-cli-"));
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    received.push({ method: request.method ?? "", path: request.url ?? "", body });
    const [status, answer] = answerTo(request.url ?? "", request.headers.authorization ?? "");
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

function answerTo(path: string, authorization: string): [number, unknown] {
  if (path === "/v1/time") return [200, { now: 1_000_000 }];
  if (authorization !== `Bearer ${TOKEN}`) return [401, { title: "no" }];
  if (path.endsWith("/recover")) return [200, { found: 3, known: 1, recovered: 2 - lostUnits, voided: lostUnits }];
  if (path.endsWith("?scope=places")) {
    const places = { free: 4, unapplied: 0, available: 0, leased: 0, uncommitted: 0, held: 1, sold: 5, sum: 10 };
    const violations = isBalanced ? [] : [{ code: "places_mismatch", sku: "a", text: "one is missing" }];
    const items = [{ sku: "a", total: 10, ...places, buckets: [] }];
    return [200, { balanced: isBalanced, takenAt: 0, mode: "redis", items, violations, unproven: null }];
  }
  if (path.endsWith("/audit")) {
    const figures = { total: 10, free: 4, granted: 0, held: 1, sold: 5, inFlight: 0 };
    const violations = isBalanced ? [] : [{ code: "held_mismatch", sku: "a", text: "held differs" }];
    return [200, { balanced: isBalanced, items: [{ sku: "a", ...figures }], violations }];
  }
  if (path.endsWith("/nope")) return [404, { title: "There is no such sale.", reason: "no_such_sale" }];
  return path === "/v1/admin/sales" && received.at(-1)?.method === "GET" ? [200, { sales }] : [200, SALE];
}

interface Ran {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

async function run(
  args: string[],
  more: { env?: Record<string, string>; input?: string; composition?: Partial<Composition> } = {},
): Promise<Ran> {
  let out = "";
  let err = "";
  received = [];
  const refuse = (): never => {
    throw new Error("not expected here");
  };
  const exitCode = await runCommandLine(args, {
    env: more.env ?? { ADMIN_TOKEN: TOKEN },
    isTerminal: false,
    composition: { startNode: refuse, migrateDatabase: refuse, adoptDeploymentSecret: refuse, ...more.composition },
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    readInput: async () => more.input ?? "",
    untilToldToStop: async () => "SIGTERM",
  });
  return { exitCode, out, err };
}

describe("output", () => {
  test("has no colours where no terminal reads it, on a build server as well", async () => {
    const { out } = await run(["audit", "s1", "--url", url], { env: { ADMIN_TOKEN: TOKEN, CI: "true" } });
    expect(out).toContain("Balanced");
    expect(out).not.toContain("\u001b[");
  });
});

describe("help and usage", () => {
  const commands = [["serve"], ["demo"], ["sale"], ["sale", "create"], ["audit"], ["migrate"], ["config"], ["keys"]];
  test.each(commands.map((command) => [command.join(" "), command] as const))(
    "%s --help explains itself",
    async (_, command) => {
      const { exitCode, out } = await run([...command, "--help"]);
      expect(exitCode).toBe(0);
      expect(out).toContain("Usage: doorbuster");
    },
  );

  test("--version says which one this is", async () => {
    const { exitCode, out } = await run(["--version"]);
    expect([exitCode, out]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
  });

  test("an unknown command, an unknown flag and a missing argument exit 2 and name what was wrong", async () => {
    for (const [args, wrong] of [
      [["sel"], "sel"],
      [["serve", "--rolls", "api"], "--rolls"],
      [["audit"], "id"],
      [["serve", "--roles", "api,cook"], "api, worker, admin"],
      [["demo", "--buyers", "many"], "a whole number"],
    ] as const) {
      const { exitCode, err } = await run([...args]);
      expect([args, exitCode]).toEqual([args, 2]);
      expect(err).toContain(wrong);
    }
  });

  test("a demonstration of an impossible size exits 2 and says which sizes there are", async () => {
    for (const args of [
      ["--buyers", "0"],
      ["--stock", "2"],
      ["--seed", "x"],
    ]) {
      const { exitCode, err } = await run(["demo", "--redis", ...args]);
      expect(exitCode).toBe(2);
      expect(err).toContain(`argument '${args[1]}' is invalid. Accepted: a whole number from`);
    }
  });
});

describe("sale commands", () => {
  test("create sends the file as it is and shows the sale", async () => {
    const file = join(folder, "sale.json");
    writeFileSync(file, JSON.stringify({ name: "First" }));
    const { exitCode, out } = await run(["sale", "create", file, "--url", url]);
    expect(exitCode).toBe(0);
    expect(out).toContain("First");
    expect(out).toMatch(/a +49\.00 EUR +2 +10 +4 +1 +5/);
    expect(received).toEqual([{ method: "POST", path: "/v1/admin/sales", body: '{"name":"First"}' }]);
  });

  test("create - reads standard input, and what is not JSON never leaves the machine", async () => {
    expect((await run(["sale", "create", "-", "--url", url], { input: "{}" })).exitCode).toBe(0);
    const broken = await run(["sale", "create", "-", "--url", url], { input: "{" });
    expect([broken.exitCode, received.length, broken.err]).toEqual([2, 0, expect.stringContaining("is not JSON")]);
  });

  test.each(["open", "pause", "resume", "close"])("%s posts the command, with the id escaped", async (command) => {
    const { exitCode } = await run(["sale", command, "a/b", "--url", url]);
    expect(exitCode).toBe(0);
    expect(received[0]).toMatchObject({ method: "POST", path: `/v1/admin/sales/a%2Fb/${command}` });
  });

  test("list prints a table and --json the answer itself", async () => {
    expect((await run(["sale", "list", "--url", url])).out).toMatch(/^id +state/);
    expect(JSON.parse((await run(["sale", "list", "--url", url, "--json"])).out).sales[0].id).toBe("s1");
  });

  test("the server's own words reach the person, and the exit code is 1", async () => {
    const { exitCode, err } = await run(["sale", "show", "nope", "--url", url]);
    expect(exitCode).toBe(1);
    expect(err).toContain("404 no_such_sale: There is no such sale.");
  });

  test("a wrong token, no token and no server are told apart", async () => {
    const wrong = await run(["sale", "list", "--url", url, "--token", "other"]);
    expect(wrong.err).toContain("does not accept the operator token from --token.");
    const stale = await run(["sale", "list", "--url", url], { env: { ADMIN_TOKEN: "the-one-from-last-year" } });
    expect(stale.err).toContain("does not accept the operator token from ADMIN_TOKEN.");
    const none = await run(["sale", "list", "--url", url], { env: { DATA_DIR: folder } });
    expect(none.err).toContain(
      `No operator token: --token is not given, ADMIN_TOKEN is not set, and there is no ${join(folder, "admin-token")}.`,
    );
    expect(none.err).toMatch(/Set ADMIN_TOKEN to what the node was started with.*solo mode.*DATA_DIR/s);
    const nobody = await run(["sale", "list", "--url", "http://127.0.0.1:1"]);
    expect(nobody.err).toBe(
      "doorbuster: No answer from http://127.0.0.1:1: the connection was refused. Is a node running there? Another one is named with --url.\n",
    );
    expect([wrong.exitCode, none.exitCode, nobody.exitCode]).toEqual([1, 1, 1]);
  });

  test("a machine that has only the token and the address of a node can steer it", async () => {
    const env = { DATABASE_URL: "postgres://db/x" };
    expect((await run(["sale", "list", "--url", url, "--token", TOKEN], { env })).exitCode).toBe(0);
  });

  test("without flags the token of solo mode's data directory is used", async () => {
    const data = mkdtempSync(join(folder, "data-"));
    writeFileSync(join(data, "admin-token"), `${TOKEN}\n`);
    const { exitCode } = await run(["sale", "list", "--url", url], { env: { DATA_DIR: data } });
    expect(exitCode).toBe(0);
  });
});

describe("audit --every", () => {
  test("prints a line for each look and a sum, and succeeds when all of them balance", async () => {
    isBalanced = true;
    const { exitCode, out } = await run(["audit", "s1", "--url", url, "--every", "100", "--for", "300"]);
    expect(exitCode).toBe(0);
    expect(out.match(/ balanced/g)).toHaveLength(3);
    expect(out).toContain("3 audits, 0 with violations, 0 not answered");
    expect(received.map(({ path }) => path)).toEqual(Array(3).fill("/v1/admin/sales/s1/audit?scope=places"));
  });

  test("fails on a violation and names it", async () => {
    isBalanced = false;
    const { exitCode, out } = await run(["audit", "s1", "--url", url, "--every", "100", "--for", "100"]);
    isBalanced = true;
    expect(exitCode).toBe(1);
    expect(out).toContain("places_mismatch");
  });

  test("fails when nothing was answered, and takes only whole milliseconds", async () => {
    const { exitCode, err } = await run([
      "audit",
      "nope",
      "--url",
      "http://127.0.0.1:1",
      "--every",
      "100",
      "--for",
      "100",
    ]);
    expect(exitCode).toBe(1);
    expect(err).toContain("Not a single audit");
    const often = await run(["audit", "s1", "--every", "often"]);
    expect([often.exitCode, often.err]).toEqual([2, expect.stringContaining("is invalid. Accepted: a whole")]);
  });
});

describe("recover", () => {
  test("says what became of the acceptances, and fails when some could not become orders", async () => {
    const first = await run(["recover", "s1", "--from-stream", "--url", url]);
    expect([first.exitCode, received.at(-1)?.path]).toEqual([0, "/v1/admin/sales/s1/recover"]);
    expect(first.out).toContain("2 are orders again");
    lostUnits = 1;
    const second = await run(["recover", "s1", "--from-stream", "--url", url]);
    lostUnits = 0;
    expect([second.exitCode, second.err]).toEqual([1, expect.stringContaining("1 acceptance could")]);
  });

  test("does nothing without being told from where", async () => {
    const { exitCode, err } = await run(["recover", "s1", "--url", url]);
    expect([exitCode, received.length]).toEqual([1, 0]);
    expect(err).toContain("--from-stream");
  });
});

describe("audit", () => {
  test("a balanced sale exits 0 and prints the proof", async () => {
    isBalanced = true;
    const { exitCode, out } = await run(["audit", "s1", "--url", url]);
    expect(exitCode).toBe(0);
    expect(out).toContain("Balanced: each of 10 units");
  });

  test("a violated sale exits 1 and prints the violation", async () => {
    isBalanced = false;
    const { exitCode, out } = await run(["audit", "s1", "--url", url]);
    expect(exitCode).toBe(1);
    expect(out).toContain("held_mismatch a: held differs");
    expect(out).toContain("NOT balanced");
  });
});

describe("serve", () => {
  const running = () => ({
    buyerPort: Number(new URL(url).port),
    adminPort: Number(new URL(url).port),
    stop: async () => undefined,
  });

  test("prints both addresses and creates the demo sale half a minute ahead of the node's own clock", async () => {
    const { exitCode, out } = await run(["serve", "--demo-sale"], {
      env: { ADMIN_TOKEN: TOKEN, SECRET: "s".repeat(32) },
      composition: { startNode: async () => running() },
    });
    expect(exitCode).toBe(0);
    expect(out).toContain(`Buyers     ${url}`);
    expect(out).toContain(`${url}/sales/s1`);
    expect(JSON.parse(received.find((one) => one.method === "POST")?.body ?? "").opensAt).toBe(1_030_000);
  });

  test("shows the demo sale that an earlier start has left, as long as there is something to buy", async () => {
    const start = () =>
      run(["serve", "--demo-sale"], {
        env: { ADMIN_TOKEN: TOKEN, SECRET: "s".repeat(32) },
        composition: { startNode: async () => running() },
      });
    const hour = 3_600_000;
    const demo = { ...SALE, id: "demo-old", opensAt: 500_000, closesAt: 1_000_000 + hour };
    for (const known of [demo, { ...demo, state: "empty" }, { ...demo, state: "paused" }]) {
      sales = [SALE, known, { ...demo, id: "demo-older", opensAt: 400_000 }];
      const { out } = await start();
      expect(out).toContain(`${url}/sales/demo-old  ${known.state}, from an earlier start`);
      expect(received.some((one) => one.method === "POST")).toBe(false);
    }
    const over = [
      { ...demo, state: "closed" },
      { ...demo, state: "sold_out" },
      { ...demo, closesAt: 1_060_000 },
    ];
    for (const known of over) {
      sales = [known];
      expect((await start()).out).toContain(`${url}/sales/s1  opens in 30 seconds`);
    }
    sales = [SALE];
  });

  test("a token made now is printed, one that was given is not repeated", async () => {
    const composition = { startNode: async () => running() };
    const made = await run(["serve", "--data-dir", join(folder, "solo")], { env: {}, composition });
    expect(made.out).toMatch(/Token {6}[A-Za-z0-9_-]{43}/);
    const given = await run(["serve"], { env: { ADMIN_TOKEN: TOKEN, SECRET: "s".repeat(32) }, composition });
    expect(given.out + given.err).not.toContain(TOKEN);
  });

  test("a port in use is said in words, with the port and what to do", async () => {
    const inUse = Object.assign(new Error("listen EADDRINUSE: address already in use 127.0.0.1:8080"), {
      code: "EADDRINUSE",
    });
    const { exitCode, err } = await run(["serve"], {
      env: { ADMIN_TOKEN: TOKEN, SECRET: "s".repeat(32) },
      composition: { startNode: () => Promise.reject(inUse) },
    });
    expect(exitCode).toBe(1);
    expect(err).toContain("Port 8080 is in use");
    expect(err).not.toContain("    at ");
  });

  test("a wrong setting stops the start before anything is started", async () => {
    const { exitCode, err } = await run(["serve"], { env: { PORT: "eighty" } });
    expect(exitCode).toBe(1);
    expect(err).toContain('PORT is "eighty"; accepted: a whole number from 0 to 65535.');
  });
});

describe("the other commands", () => {
  test("config print masks every secret and names each origin", async () => {
    const env = {
      SECRET: "s".repeat(32),
      ADMIN_TOKEN: TOKEN,
      DATABASE_URL: "postgres://shop:hunter2@db/x",
      PORT: "9000",
    };
    const { exitCode, out } = await run(["config", "print"], { env });
    expect(exitCode).toBe(0);
    for (const shown of ["hunter2", TOKEN, env.SECRET]) expect(out).not.toContain(shown);
    expect(out).toMatch(/PORT +9000 +environment/);
    expect(out).toMatch(/LOG_LEVEL +info +default/);
    expect(out).toContain("postgres://shop:********@db/x");
  });

  test("keys new makes two different secrets that the configuration accepts", async () => {
    const { out } = await run(["keys", "new"]);
    const env = Object.fromEntries(
      out
        .trim()
        .split("\n")
        .map((line) => line.split("=") as [string, string]),
    );
    expect(env["SECRET"]).not.toBe(env["ADMIN_TOKEN"]);
    expect((await run(["config", "print"], { env: { ...env, DATABASE_URL: "postgres://db/x" } })).exitCode).toBe(0);
  });

  test("keys adopt needs a database and a secret, and says whether anything changed", async () => {
    const { exitCode, err } = await run(["keys", "adopt"], { env: { SECRET: "s".repeat(32) } });
    expect([exitCode, err]).toEqual([1, expect.stringContaining("DATABASE_URL")]);
    const env = { SECRET: "s".repeat(32), ADMIN_TOKEN: TOKEN, DATABASE_URL: "postgres://db/x" };
    const adopt = async (isNew: boolean) => {
      return run(["keys", "adopt"], {
        env,
        composition: { adoptDeploymentSecret: async () => ({ kid: "AbCd", isNew }) },
      });
    };
    expect((await adopt(true)).out).toContain("signs with this SECRET now (kid AbCd)");
    expect((await adopt(false)).out).toContain("already");
  });

  test("migrate names what it applied", async () => {
    const { out } = await run(["migrate"], { composition: { migrateDatabase: async () => ["0001_schema.sql"] } });
    expect(out).toContain("applied 0001_schema.sql");
  });
});
