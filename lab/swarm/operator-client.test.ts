/**
 * What a run says when its operator API is not there: the address, and why.
 */
import { expect, test } from "bun:test";
import { OperatorClient } from "./operator-client.ts";

test("an address where nobody listens is told with the reason, not in the runtime's words", async () => {
  const operator = new OperatorClient({ address: "http://127.0.0.1:1", token: "t" });
  await expect(operator.closeSale("drop")).rejects.toThrow(
    /^No answer from http:\/\/127\.0\.0\.1:1: the connection was refused\.$/,
  );
});
