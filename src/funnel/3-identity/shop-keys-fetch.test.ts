/**
 * A key server that does not answer is asked now and then, and nobody waits for it meanwhile.
 */
import { expect, test } from "bun:test";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { evenRandom, RecordingLog } from "../../../test/support/recording-log.ts";
import { createShopKeysFetch, SHOP_KEYS_BREAKER } from "./shop-keys-fetch.ts";

function setting() {
  const clock = new ManualClock();
  const log = new RecordingLog();
  const server: { asked: number; answer: () => Promise<Response> } = {
    asked: 0,
    answer: async () => Response.json({ keys: [] }),
  };
  const fetch = createShopKeysFetch({
    fetch: () => {
      server.asked += 1;
      return server.answer();
    },
    clock,
    random: evenRandom(),
    log,
  });
  const options = {
    method: "GET",
    redirect: "manual",
    headers: new Headers(),
    signal: new AbortController().signal,
  } as const;
  const ask = () =>
    fetch("https://shop.example/keys", options).then(
      ({ status }) => status,
      () => "refused",
    );
  return { clock, log, server, ask };
}

test.each([
  ["does not answer", () => Promise.reject(new TypeError("connection refused"))],
  ["answers with an error of its own", async () => new Response("", { status: 502 })],
] as const)("a server that %s is left alone, and asked again after a pause", async (_name, answer) => {
  const { clock, log, server, ask } = setting();
  server.answer = answer;
  for (let login = 0; login < 20; login += 1) await ask();
  expect(server.asked).toBe(SHOP_KEYS_BREAKER.failuresInRowMax);
  expect(log.count("warn")).toBe(1);
  await clock.advance(SHOP_KEYS_BREAKER.pauseMs);
  await ask();
  await ask();
  expect(server.asked).toBe(SHOP_KEYS_BREAKER.failuresInRowMax + 1);
  server.answer = async () => Response.json({ keys: [] });
  await clock.advance(SHOP_KEYS_BREAKER.pauseMsMax);
  expect([await ask(), await ask()]).toEqual([200, 200]);
});

test("a server that says that there is nothing has answered", async () => {
  const { server, ask } = setting();
  server.answer = async () => new Response("", { status: 404 });
  for (let login = 0; login < 5; login += 1) expect(await ask()).toBe(404);
  expect(server.asked).toBe(5);
});
