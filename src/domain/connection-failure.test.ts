/**
 * The same failure reads the same on Bun and Node, in words that say what stood in the way, on one line.
 */
import { describe, expect, test } from "bun:test";
import { type AddressInfo, createServer } from "node:net";
import { connectionFailureOf, noAnswerFrom } from "./connection-failure.ts";

const ADDRESS = "http://127.0.0.1:8081";
const coded = (code: string, message: string, name = "Error"): Error =>
  Object.assign(new Error(message), { code, name });
const fetchFailed = (cause: Error): Error => new TypeError("fetch failed", { cause });

describe("as both runtimes put it", () => {
  test.each([
    ["the connection was refused", coded("ECONNREFUSED", "Unable to connect. Is the computer able to access the url?")],
    ["the connection was refused", coded("ConnectionRefused", "Unable to connect.")],
    ["the connection was refused", fetchFailed(coded("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:8081"))],
    ["its name cannot be found", coded("ENOTFOUND", "getaddrinfo ENOTFOUND nowhere")],
    ["its name cannot be found", fetchFailed(coded("EAI_AGAIN", "getaddrinfo EAI_AGAIN nowhere"))],
    ["it timed out", new DOMException("The operation timed out.", "TimeoutError")],
    ["it timed out", fetchFailed(coded("UND_ERR_CONNECT_TIMEOUT", "Connect Timeout Error"))],
    ["the connection was cut (reset)", coded("ECONNRESET", "pass `verbose: true` in the second argument to fetch()")],
    ["the connection was cut (reset)", fetchFailed(coded("UND_ERR_SOCKET", "other side closed"))],
    ["no network leads there", fetchFailed(coded("ENETUNREACH", "connect ENETUNREACH"))],
    [
      "what answers there does not speak HTTP",
      fetchFailed(coded("HPE_INVALID_CONSTANT", "Response does not match", "HTTPParserError")),
    ],
  ])("%s", (words, error) => {
    expect(noAnswerFrom(ADDRESS, error)).toBe(`No answer from ${ADDRESS}: ${words}.`);
  });
});

describe("what is not known", () => {
  test("keeps the innermost words, on one line", () => {
    expect(noAnswerFrom(ADDRESS, fetchFailed(new Error("bad\n  port.")))).toBe(`No answer from ${ADDRESS}: bad port.`);
    expect(noAnswerFrom(ADDRESS, "gone")).toBe(`No answer from ${ADDRESS}: gone.`);
  });

  test("is called other, and errors that cause each other are not followed for ever", () => {
    const error = new Error("one");
    error.cause = error;
    expect([connectionFailureOf(error), connectionFailureOf(null)]).toEqual(["other", "other"]);
  });
});

test("nobody who listens is a refusal on this runtime", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const failure: unknown = await fetch(`http://127.0.0.1:${port}`).catch((error: unknown) => error);
  expect(connectionFailureOf(failure)).toBe("refused");
});
