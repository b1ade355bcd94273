/**
 * Whose processor time is looked at: every process that listens, by number where a part has several.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { findListeners } from "./listening-process.ts";
import { watchedServers } from "./watched-servers.ts";

const PIDS: Readonly<Record<number, readonly number[]>> = { 80: [7], 81: [8, 9], 5432: [3], 6379: [4] };
const watched = (...servers: readonly (readonly [part: string, port: number])[]) =>
  watchedServers(
    servers.map(([part, port]) => ({ part, port })),
    (port) => PIDS[port] ?? [],
  ).map(({ part, pid, children }) => `${part}: ${pid}${children ? " and its children" : ""}`);

describe("the processes that are watched", () => {
  test.each([
    ["one has the name of its part", watched(["api", 80], ["redis", 6_379]), ["api: 7", "redis: 4"]],
    ["several are numbered", watched(["api", 80], ["api", 5_432]), ["api 1: 7", "api 2: 3"]],
    ["several that share a port, too", watched(["api", 81]), ["api 1: 8", "api 2: 9"]],
    ["one that is named twice counts once", watched(["api", 80], ["api", 80]), ["api: 7"]],
    ["PostgreSQL is what its children do", watched(["postgres", 5_432]), ["postgres: 3 and its children"]],
    ["whoever cannot be found is left out", watched(["api", 1], ["redis", 6_379]), ["redis: 4"]],
  ])("%s", (_, found, expected) => {
    expect(found).toEqual(expected);
  });
});

const LISTENER = `
  const server = Bun.serve({ hostname: "127.0.0.1", port: Number(process.argv[1]), reusePort: true, fetch: () => new Response() });
  process.stdout.write(String(server.port));
  process.stdin.resume().once("end", () => process.exit(0));
`;
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill();
});

/** Listens in a process of its own. Answers the port. */
async function listenOn(port: number): Promise<{ pid: number; port: number }> {
  const child = spawn(process.execPath, ["-e", LISTENER, String(port)], { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const said = await new Promise<string>((resolve) => child.stdout.once("data", (text) => resolve(String(text))));
  return { pid: child.pid ?? 0, port: Number(said) };
}

test("all processes that listen on one port together are found", async () => {
  const first = await listenOn(0);
  expect(findListeners(first.port)).toEqual([first.pid]);
  const second = await listenOn(first.port);
  expect([...findListeners(first.port)].sort()).toEqual([first.pid, second.pid].sort());
}, 20_000);

test("nobody listens on port 0", () => {
  expect(findListeners(0)).toEqual([]);
});
