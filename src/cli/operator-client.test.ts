/**
 * An answer that never comes, or comes in part: in one line, with the address, and what a program can tell from it.
 */
import { afterEach, expect, test } from "bun:test";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { connectionFailureOf } from "../domain/connection-failure.ts";
import { OperatorClient } from "./operator-client.ts";

let server: Server | null = null;
afterEach(() => void server?.close());

async function failureOf(answer: (socket: Socket) => void): Promise<{ url: string; error: Error }> {
  server = createServer((socket) => void socket.on("error", () => socket.destroy()).on("data", () => answer(socket)));
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const error = await new OperatorClient({ url, token: "t" }).request("GET", "/v1/admin/sales").then(
    () => new Error("answered"),
    (failure: Error) => failure,
  );
  return { url, error };
}

test.each([
  ["before the answer", (socket: Socket) => void socket.resetAndDestroy()],
  [
    "within the answer",
    (socket: Socket) =>
      void socket.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", () => socket.resetAndDestroy()),
  ],
])("a connection that is cut %s", async (_, answer) => {
  const { url, error } = await failureOf(answer);
  expect(error.message).toBe(
    `No answer from ${url}: the connection was cut (reset). Is a node running there? Another one is named with --url.`,
  );
  expect(connectionFailureOf(error)).toBe("cut");
});

test("the buyers' port, or a node without the admin role, says where the operator API is", async () => {
  const body = '{"title":"There is nothing here.","status":404,"reason":"not_found"}';
  const head = `HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\ncontent-length: ${body.length}\r\n\r\n`;
  const { url, error } = await failureOf((socket) => void socket.write(head + body));
  expect(error.message).toBe(
    `${url}/v1/admin/sales answered 404 not_found: There is nothing here. The operator API is on the operators' port (ADMIN_PORT) of a node with the admin role, not on the buyers' port; name it with --url.`,
  );
});
