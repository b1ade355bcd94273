/**
 * What is said of an address before any load goes there: a node's other port, something else, nobody at all.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createSystemClock } from "../system-clock.ts";
import { checkServesBuyers, readServerOffset, untilHeard } from "./buyers-address.ts";
import type { Target } from "./wire.ts";

let server: Server | null = null;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** Answers everything with this. */
async function answering(status: number, body: string): Promise<Target> {
  server = createServer((_, response) => void response.writeHead(status).end(body));
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  return { hostname: "127.0.0.1", port: (server.address() as AddressInfo).port };
}

async function nobody(): Promise<Target> {
  const target = await answering(200, "");
  await new Promise((resolve) => server?.close(resolve));
  return target;
}

function saidOf(target: Target): Promise<string> {
  return checkServesBuyers([target], "drop").then(
    () => "nothing",
    (error: Error) => error.message.replace(/127\.0\.0\.1:\d+/g, "X"),
  );
}

const OPERATORS =
  "it is a node's port for operators, not the one for buyers. Give --url the buyers' address (PORT), and --admin-url the operators'.";
const OTHER = "and not as a node does to buyers. Give --url the buyers' address (PORT).";

describe("an address for buyers is", () => {
  test.each([
    ["one that shows the sale", 200, '{"opensAt":1}', "nothing"],
    ["one that has not heard of the sale yet", 404, '{"reason":"no_such_sale"}', "nothing"],
    ["one that is busy", 503, '{"reason":"busy"}', "nothing"],
    ["not the operators'", 404, '{"reason":"not_found"}', `http://X answers 404 not_found: ${OPERATORS}`],
    [
      "not one that asks for a token",
      401,
      '{"reason":"unauthorized"}',
      `http://X answers 401 unauthorized: ${OPERATORS}`,
    ],
    ["not that of another program", 200, "<html>", `http://X answers 200, ${OTHER}`],
    ["not that of another program with JSON", 200, "{}", `http://X answers 200, ${OTHER}`],
    ["not that of a proxy without a node", 502, "Bad Gateway", `http://X answers 502, ${OTHER}`],
  ] as const)("%s", async (_, status, body, words) => {
    expect(await saidOf(await answering(status, body))).toBe(words);
  });

  test("not one where nobody listens", async () => {
    const words = "No answer from http://X: the connection was refused. Is it where a node serves buyers?";
    expect(await saidOf(await nobody())).toBe(words);
  });
});

test("whoever says another opening until it is too late has not heard of it", async () => {
  const target = await answering(200, '{"opensAt":1}');
  const clock = createSystemClock();
  await untilHeard([target], "drop", { opensAt: 1, deadlineMs: clock.nowMs() - 1, clock });
  const late = untilHeard([target], "drop", { opensAt: 2, deadlineMs: clock.nowMs() - 1, clock });
  await expect(late).rejects.toThrow("has not heard of the opening of drop in time");
});

test("a clock is read where there is one", async () => {
  const clock = createSystemClock();
  const ahead = await answering(200, JSON.stringify({ now: clock.nowMs() + 60_000 }));
  expect(await readServerOffset(ahead, clock)).toBeGreaterThan(50_000);
  server?.close();
  await expect(readServerOffset(await answering(404, '{"reason":"not_found"}'), clock)).rejects.toThrow(
    "does not say what time it is (404): it is not where a node serves buyers.",
  );
});
