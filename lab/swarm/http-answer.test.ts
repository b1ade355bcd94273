/**
 * Answers are read the same however the network cuts them, and nonsense is refused rather than guessed.
 */
import { describe, expect, test } from "bun:test";
import { AnswerReader, headerOf, ProtocolError } from "./http-answer.ts";

function readInPieces(text: string, pieceLength: number) {
  const reader = new AnswerReader();
  const bytes = Buffer.from(text);
  let answer = null;
  for (let at = 0; at < bytes.length; at += pieceLength) {
    expect(answer).toBeNull();
    answer = reader.push(bytes.subarray(at, at + pieceLength));
  }
  return answer;
}

const SIZED = 'HTTP/1.1 409 Conflict\r\nRetry-After: 2\r\nContent-Length: 22\r\n\r\n{"reason":"sold_öut"}';
const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n6\r\npedia.\r\n0\r\n\r\n";

describe("an answer", () => {
  test("is read the same however its bytes are cut", () => {
    for (let pieceLength = 1; pieceLength <= SIZED.length + 1; pieceLength++) {
      const answer = readInPieces(SIZED, pieceLength);
      expect(answer?.status).toBe(409);
      expect(answer?.body).toBe('{"reason":"sold_öut"}');
      expect(headerOf(answer?.head ?? "", "retry-after")).toBe("2");
      expect(readInPieces(CHUNKED, pieceLength)?.body).toBe("Wikipedia.");
    }
  });

  test("without a body ends with its head, and an interim answer is skipped", () => {
    expect(readInPieces("HTTP/1.1 204 No Content\r\n\r\n", 999)).toMatchObject({ status: 204, body: "" });
    const tooLarge = "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n";
    expect(readInPieces(tooLarge, 10)).toMatchObject({ status: 431, body: "", closes: true });
    const interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok";
    expect(readInPieces(interim, 7)).toMatchObject({ status: 201, body: "ok" });
  });

  test("says when the server will hang up", () => {
    const head = "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    expect(readInPieces(head, 999)?.closes).toBe(true);
    expect(readInPieces(SIZED, 999)?.closes).toBe(false);
  });

  test("that is not HTTP/1.1 is refused, never guessed", () => {
    for (const text of [
      "HTTP/1.0 200 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\nno length",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "x".repeat(20_000),
    ]) {
      expect(() => new AnswerReader().push(Buffer.from(text))).toThrow(ProtocolError);
    }
  });
});
