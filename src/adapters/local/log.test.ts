import { expect, test } from "bun:test";
import { Fault } from "../../domain/faults.ts";
import { createLog, type LogLevel } from "./log.ts";

function capture(level: LogLevel = "debug") {
  const lines: string[] = [];
  const log = createLog({ level, base: { node: "n1" }, stream: { write: (line) => void lines.push(line) } });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? "null") };
}

const CANARY = "c4n4ry-5ecret-va1ue";

test("fields named for secrets are hidden at any depth and in any case", () => {
  const { log, lines } = capture();
  const names = [
    "authorization",
    "Authorization",
    "X-Signature",
    "token",
    "adminToken",
    "receipt",
    "SECRET",
    "signingKey",
    "password",
    "set-cookie",
    "ticket",
  ];
  for (const name of names) {
    log.info({ [name]: CANARY, request: { headers: [{ [name]: CANARY }] } }, "request");
  }
  expect(lines).toHaveLength(names.length);
  expect(lines.join("")).not.toContain(CANARY);
});

test("secrets inside texts are cut out, the rest stays readable", () => {
  const { log, lines } = capture();
  log.warn({ note: `header was Bearer ${CANARY}`, url: `/v1/events?ticket=${CANARY}&a=1` }, `basic Basic ${CANARY}`);
  log.error({ error: new Error(`connect postgres://doorbuster:${CANARY}@db:5432/x failed`) }, "no database");
  log.info({ session: `s2.${CANARY}.b.c.0.0.mac`, login: `eyJhbGciOi.${CANARY}.x` }, "sessions");
  expect(lines.join("")).not.toContain(CANARY);
  expect(lines[0]).toContain("&a=1");
  expect(lines[1]).toContain("postgres://doorbuster:[hidden]@db:5432/x");
});

test("an event is one line whatever its texts contain, and no character reaches a terminal as a command", () => {
  const { log, lines, last } = capture();
  const hostile = '\r\n{"level":"error"}\u0000\u001b[2J\u009b31m\u2028\u202e';
  log.info({ [hostile]: hostile, nested: { list: [hostile] } }, hostile);
  expect(lines).toHaveLength(1);
  expect(lines[0]?.trimEnd().split(/[\r\n\u2028]/)).toHaveLength(1);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
  expect(lines[0]?.trimEnd()).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
  expect(last().msg).toContain("\\u001b[2J");
  expect(last().level).toBe("info");
});

test("depth, width and length are bounded", () => {
  const { log, lines } = capture();
  let deep: Record<string, unknown> = {};
  for (let level = 0; level < 10_000; level += 1) deep = { deep };
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  log.info(
    { deep, circular, wide: Array.from({ length: 100_000 }, (_, index) => index), long: "x".repeat(1e6) },
    "big",
  );
  expect(lines[0]?.length).toBeLessThan(10_000);
});

test("an error shows its code and causes but not the members a driver adds", () => {
  const { log, last } = capture();
  const cause = Object.assign(new Error("duplicate key"), { code: "23505", parameters: [CANARY] });
  log.error({ error: new Fault("DATABASE_REFUSED", { cause }) }, "statement failed");
  expect(last().error).toMatchObject({ name: "Fault", code: "DATABASE_REFUSED", cause: { code: "23505" } });
  expect(JSON.stringify(last())).not.toContain(CANARY);
});

test("a key named __proto__ is a field, not a prototype", () => {
  const { log, last } = capture();
  log.info(JSON.parse('{"__proto__":{"admin":true}}'), "polluted");
  expect(({} as Record<string, unknown>)["admin"]).toBeUndefined();
  expect(last().admin).toBeUndefined();
});

test("lines below the level are not written, and every line names its process", () => {
  const { log, lines, last } = capture("warn");
  log.info({}, "quiet");
  log.warn({}, "loud");
  expect(lines).toHaveLength(1);
  expect(last()).toMatchObject({ level: "warn", node: "n1", msg: "loud" });
  expect(Number.isNaN(Date.parse(last().time))).toBe(false);
});
