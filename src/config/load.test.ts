/**
 * The configuration's promises: wrong values stop the start with a text that names variable, value and what is accepted.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Fault, isFault } from "../domain/faults.ts";
import { type ConfigSources, loadConfig, readSettings } from "./load.ts";
import { SETTINGS, type SettingName } from "./settings.ts";

const SECRET = "s".repeat(32);
const TOKEN = "t".repeat(16);
const DATABASE_URL = "postgres://shop:hunter2@db.internal/doorbuster";
const SHARED = { DATABASE_URL, SECRET, ADMIN_TOKEN: TOKEN };

function problemsOf(env: ConfigSources["env"]): string {
  try {
    readSettings({ env });
  } catch (error) {
    expect(isFault(error, "CONFIG_INVALID")).toBe(true);
    return (error as Fault).internal ?? "";
  }
  return "";
}

describe("reading settings", () => {
  test("nothing set gives solo mode with the documented defaults", () => {
    const settings = readSettings({ env: {} });
    expect(settings).toMatchObject({ mode: "solo", port: 8080, adminPort: 8081, adminHost: "127.0.0.1", secret: null });
    expect(settings).toMatchObject({ rateBuyerPerS: 5, rateBuyerPerMin: 100, rateIpPerS: 50, trustedProxies: [] });
    expect(settings.origins.PORT).toBe("default");
  });

  test("a flag wins over the environment, the environment over the default, and each origin is known", () => {
    const settings = readSettings({ env: { PORT: "9000", ADMIN_PORT: "9001" }, overrides: { PORT: 0 } });
    expect([settings.port, settings.adminPort]).toEqual([0, 9001]);
    expect([settings.origins.PORT, settings.origins.ADMIN_PORT]).toEqual(["flag", "environment"]);
  });

  test("an empty variable counts as not set", () => {
    expect(readSettings({ env: { PORT: "", DATABASE_URL: "" } })).toMatchObject({ port: 8080, mode: "solo" });
  });

  test("where the settings lead, the mode follows", () => {
    expect(readSettings({ env: SHARED }).mode).toBe("postgres");
    const settings = readSettings({ env: { ...SHARED, REDIS_URL: "redis://one:6379, rediss://two:6380" } });
    expect(settings).toMatchObject({ mode: "redis", redisUrl: ["redis://one:6379", "rediss://two:6380"] });
    expect(settings).toMatchObject({ ledgerDurability: "always", ledgerDwellMs: 60_000, ledgerRampMs: 30_000 });
    expect(Object.isFrozen(settings.redisUrl)).toBe(true);
    expect(readSettings({ env: { ...SHARED, LEDGER_DURABILITY: "everysec" } }).ledgerDurability).toBe("everysec");
  });

  test("every default is a value that its own setting accepts", () => {
    for (const setting of Object.values(SETTINGS)) {
      if (setting.byDefault !== null) expect(setting.schema.safeParse(setting.byDefault).success).toBe(true);
    }
  });

  test("the result cannot be changed, at any depth", () => {
    const settings = readSettings({ env: { TRUSTED_PROXIES: "10.0.0.0/8" } });
    expect(Object.isFrozen(settings)).toBe(true);
    expect(Object.isFrozen(settings.trustedProxies)).toBe(true);
    expect(Object.isFrozen(settings.origins)).toBe(true);
  });
});

describe("refusing settings", () => {
  const refused: readonly [SettingName, string, string][] = [
    ["PORT", "65536", "a whole number from 0 to 65535"],
    ["PORT", "-1", "a whole number"],
    ["PORT", "80.5", "a whole number"],
    ["PORT", "0x50", "a whole number"],
    ["PORT", " 80", "a whole number"],
    ["ADMIN_PORT", "abc", "a whole number"],
    ["RATE_IP_PER_S", "1e3", "a whole number from 0 to 1000000"],
    ["DATABASE_URL", "mysql://db/x", "postgres://"],
    ["DATABASE_URL", "db.internal", "postgres://"],
    ["SESSION_GUESTS", "yes", "on, off"],
    ["LOG_LEVEL", "verbose", "debug, info, warn, error, silent"],
    ["TRUSTED_PROXIES", "10.0.0.0/33", "CIDR"],
    ["TRUSTED_PROXIES", "10.0.0.0/8,everyone", "CIDR"],
    ["TRUSTED_PROXIES", "true", "CIDR"],
    ["PUBLIC_URL", "javascript:alert(1)", "https://"],
    ["UNIT", "north west", "letters"],
    ["DOORBUSTER_RUNTIME", "deno", "bun, node"],
    ["REDIS_URL", "one:6379", "redis:// or rediss://, comma-separated"],
    ["REDIS_URL", "redis://one,two", "redis:// or rediss://, comma-separated"],
    ["REDIS_URL", "redis://one,,redis://two", "comma-separated"],
    ["REDIS_URL", "redis://one,http://two", "comma-separated"],
    ["REDIS_URL", "unix:///run/redis.sock", "redis://"],
    ["EDGE_REDIS_URL", "redis://one,redis://two", "a URL that starts with redis:// or rediss://"],
    ["EDGE_REDIS_URL", "edge", "redis://"],
    ["LEDGER_DURABILITY", "never", "always, everysec"],
    ["LEDGER_DURABILITY", "no", "always, everysec"],
    ["LEDGER_DWELL_MS", "-1", "a whole number from 0 to 86400000"],
    ["LEDGER_DWELL_MS", "60s", "a whole number"],
    ["LEDGER_RAMP_MS", "600001", "a whole number from 0 to 600000"],
  ];
  test.each(refused)("%s=%s is refused and the text says what is accepted", (name, value, accepted) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toContain(name);
    expect(problems).toContain(accepted);
  });

  test("the text repeats the value, except where the value is secret", () => {
    expect(problemsOf({ PORT: "eighty" })).toContain('PORT is "eighty"');
    expect(problemsOf({ SECRET: "hunter2" })).not.toContain("hunter2");
    expect(problemsOf({ DATABASE_URL: "mysql://shop:hunter2@db/x" })).not.toContain("hunter2");
  });

  test("no password of a list is repeated, wherever in the list the mistake is", () => {
    const lists = [
      "http://:hunter2@one",
      "redis://:hunter2@one,http://two",
      "http://one,redis://:hunter2@two",
      "redis://:hun,ter2@one,two",
      "redis://one,redis://:hunter2@two,x",
    ];
    for (const name of ["REDIS_URL", "EDGE_REDIS_URL"]) {
      for (const list of lists) {
        const problems = problemsOf({ [name]: list });
        expect(problems).toContain(`${name} is `);
        expect(problems).not.toContain("ter2");
      }
    }
    expect(problemsOf({ REDIS_URL: "redis://:hunter2@one,http://two" })).toContain(
      '"redis://:********@one,http://two/"',
    );
  });

  test("all problems are told at once", () => {
    expect(problemsOf({ PORT: "x", LOG_LEVEL: "y" }).split("\n")).toHaveLength(2);
  });

  test("an unknown DOORBUSTER_ variable stops the start and suggests the right name", () => {
    expect(problemsOf({ DOORBUSTER_PORT: "80" })).toContain("did you mean PORT?");
    expect(problemsOf({ DOORBUSTER_COLOUR: "red" })).toContain("config print");
  });

  test("a variable of a mode that does not exist yet is refused, not ignored", () => {
    expect(problemsOf({ KAFKA_BROKERS: "broker:9092" })).toContain("KAFKA_BROKERS");
  });

  test("a SECRET of 31 bytes is refused and one of 32 is accepted", () => {
    expect(problemsOf({ SECRET: "s".repeat(31) })).toContain("at least 32 bytes");
    expect(problemsOf({ SECRET })).toBe("");
  });

  test("with DATABASE_URL both secrets are required and the text says how to make them", () => {
    const problems = problemsOf({ DATABASE_URL });
    expect(problems).toContain("SECRET is required");
    expect(problems).toContain("ADMIN_TOKEN is required");
    expect(problems).toContain("doorbuster keys new");
    expect(problemsOf({ DATABASE_URL, SECRET, ADMIN_TOKEN: TOKEN })).toBe("");
  });

  test("settings that contradict each other are refused", () => {
    expect(problemsOf({ PORT: "9000", ADMIN_PORT: "9000" })).toContain("ADMIN_PORT is 9000");
    expect(problemsOf({ SECRET, ADMIN_TOKEN: SECRET })).toContain("two different secrets");
    expect(problemsOf({ SESSION_GUESTS: "off" })).toContain("SESSION_GUESTS is off");
    expect(problemsOf({ SESSION_JWKS_URL: "https://shop/keys", SESSION_JWT_SECRET: SECRET })).toContain("one of them");
    expect(problemsOf({ SESSION_JWT_AUDIENCE: "doorbuster" })).toContain("need a login");
    expect(problemsOf({ SESSION_JWT_ISSUER: "https://shop" })).toContain("need a login");
  });

  test("a provider's challenge needs site key, secret and the hosts it is shown on", () => {
    for (const kind of ["turnstile", "hcaptcha"]) {
      const problems = problemsOf({ CHALLENGE_KIND: kind }).split("\n");
      for (const name of ["CAPTCHA_SITE_KEY", "CAPTCHA_SECRET", "CAPTCHA_HOSTNAMES or PUBLIC_URL"]) {
        expect(problems).toContain(`${name} is required when CHALLENGE_KIND is ${kind}.`);
      }
      const given = { CHALLENGE_KIND: kind, CAPTCHA_SITE_KEY: "0x4AAAAAAA", CAPTCHA_SECRET: "0x4AAAAAAA-secret" };
      expect(problemsOf({ ...given, PUBLIC_URL: "https://shop.example" })).toBe("");
      expect(problemsOf({ ...given, CAPTCHA_HOSTNAMES: "shop.example,www.shop.example" })).toBe("");
    }
    expect(problemsOf({ CHALLENGE_KIND: "slide" })).toBe("");
  });

  test("the identity provider of operators is there as a whole, and not in the clear", () => {
    const whole = {
      OIDC_CLIENT_ID: "doorbuster",
      OIDC_CLIENT_SECRET: "secret-of-it",
      ADMIN_URL: "https://console.shop",
    };
    expect(problemsOf({ OIDC_ISSUER: "https://idp", ...whole })).toBe("");
    expect(problemsOf({ OIDC_ISSUER: "http://127.0.0.1:9", ...whole })).toBe("");
    expect(problemsOf({ OIDC_ISSUER: "http://idp", ...whole })).toContain("accepted: https://");
    for (const name of Object.keys(whole)) {
      expect(problemsOf({ OIDC_ISSUER: "https://idp", ...whole, [name]: "" })).toContain(name);
    }
    expect(problemsOf({ OIDC_CLIENT_ID: "doorbuster" })).toContain("OIDC_ISSUER is not");
    expect(problemsOf({ SECRET, SECRET_PREVIOUS: SECRET })).toContain("the secret from before");
  });

  test("Redis without PostgreSQL is refused: it only lends what PostgreSQL owns", () => {
    expect(problemsOf({ REDIS_URL: "redis://r" })).toContain("REDIS_URL is set and DATABASE_URL is not");
    expect(problemsOf({ ...SHARED, REDIS_URL: "redis://r" })).toBe("");
    expect(problemsOf({ EDGE_REDIS_URL: "redis://edge" })).toBe("");
  });

  test("the edge cannot be a server of the ledger, however it is written", () => {
    const ledger = { ...SHARED, REDIS_URL: "redis://one:6379,redis://:hunter2@two:7000" };
    for (const edge of ["redis://one", "redis://one:6379/3", "redis://:hunter3@two:7000", "rediss://app@two:7000/1"]) {
      const problems = problemsOf({ ...ledger, EDGE_REDIS_URL: edge });
      expect(problems).toContain("EDGE_REDIS_URL is the same server as REDIS_URL");
      expect(problems).not.toContain("hunter");
    }
    expect(problemsOf({ ...ledger, EDGE_REDIS_URL: "redis://one:6380" })).toBe("");
    expect(problemsOf({ ...ledger, EDGE_REDIS_URL: "redis://three" })).toBe("");
  });
});

describe("secrets of solo mode", () => {
  test("missing secrets are made once and found again at the next start", () => {
    const folder = mkdtempSync(join(tmpdir(), "doorbuster-config-"));
    try {
      const sources = { env: { DATA_DIR: join(folder, "data") } };
      const first = loadConfig(sources);
      const second = loadConfig(sources);
      expect(Buffer.byteLength(first.secret)).toBeGreaterThanOrEqual(32);
      expect([second.secret, second.adminToken]).toEqual([first.secret, first.adminToken]);
      expect(first.secret).not.toBe(first.adminToken);
      expect([first.origins.ADMIN_TOKEN, second.origins.ADMIN_TOKEN]).toEqual(["made now", "data directory"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("given secrets are used and the data directory is not touched", () => {
    const config = loadConfig({ env: { SECRET, ADMIN_TOKEN: TOKEN, DATA_DIR: "/nonexistent/a" } });
    expect([config.secret, config.adminToken]).toEqual([SECRET, TOKEN]);
  });
});
