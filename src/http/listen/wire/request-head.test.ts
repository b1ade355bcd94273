/**
 * Heads that are requests, and heads that could be read two ways.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RequestHead } from "./request-head.ts";

function read(text: string, before = ""): { head: RequestHead; fault: string | null } {
  const head = new RequestHead();
  const bytes = Buffer.from(`${before}${text}\r\n\r\nrest`, "latin1");
  return { head, fault: head.read(bytes, before.length, before.length + text.length) };
}

const LINE = "POST /v1/a?b=c HTTP/1.1";

describe("a head", () => {
  test("is its line and its headers, whatever their case, wherever it lies among the bytes", () => {
    const { head, fault } = read(
      `${LINE}\r\nhOsT: a.example:80\r\nX-One:\t first \r\nx-one:second\r\nEmpty:`,
      "before",
    );
    expect(fault).toBeNull();
    expect(head).toMatchObject({
      method: "POST",
      target: "/v1/a?b=c",
      minorVersion: 1,
      contentLength: 0,
      isPersistent: true,
    });
    expect(head.header("host")).toBe("a.example:80");
    expect(head.header("x-one")).toBe("first, second");
    expect(head.header("empty")).toBe("");
    expect(head.header("x-on")).toBeNull();
    expect(head.pairs()).toEqual([
      ["hOsT", "a.example:80"],
      ["X-One", "first"],
      ["x-one", "second"],
      ["Empty", ""],
    ]);
  });

  test("forgets the one before it", () => {
    const head = new RequestHead();
    const bytes = (text: string): Buffer => Buffer.from(`${text}\r\n\r\n`, "latin1");
    const first = `${LINE}\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\nX: y`;
    expect(head.read(bytes(first), 0, first.length)).toBeNull();
    expect(head).toMatchObject({ contentLength: 5, expectsContinue: true });
    const second = "GET / HTTP/1.1\r\nHost: b";
    expect(head.read(bytes(second), 0, second.length)).toBeNull();
    expect(head).toMatchObject({ method: "GET", contentLength: 0, expectsContinue: false });
    expect(head.header("x")).toBeNull();
  });

  test.each([
    ["HTTP/1.1", "", true],
    ["HTTP/1.1", "\r\nConnection: Close", false],
    ["HTTP/1.1", "\r\nConnection: keep-alive, Upgrade", true],
    ["HTTP/1.0", "", false],
    ["HTTP/1.0", "\r\nConnection: keep-alive", false],
  ])("of %s with%p keeps the connection: %p", (version, connection, isPersistent) => {
    const { head, fault } = read(`GET / ${version}\r\nHost: a${connection}`);
    expect(fault).toBeNull();
    expect(head.isPersistent).toBe(isPersistent);
  });

  test.each([
    "POST /",
    "POST  / HTTP/1.1\r\nHost: a",
    "POST / HTTP/1.1 \r\nHost: a",
    "POST / http/1.1\r\nHost: a",
    "POST / HTTP/2.0\r\nHost: a",
    "POST / HTTP/1.2\r\nHost: a",
    "PO ST / HTTP/1.1\r\nHost: a",
    "POST /a b HTTP/1.1\r\nHost: a",
    "POST /a#b HTTP/1.1\r\nHost: a",
    "POST \\a HTTP/1.1\r\nHost: a",
    "POST /\xe4 HTTP/1.1\r\nHost: a",
    "POST /\x00 HTTP/1.1\r\nHost: a",
    LINE,
    `${LINE}\r\nHost: a\r\nHost: a`,
    `${LINE}\r\nHost: a/b`,
    `${LINE}\r\nHost: a\r\n folded: b`,
    `${LINE}\r\nHost: a\r\nX : b`,
    `${LINE}\r\nHost: a\r\n: b`,
    `${LINE}\r\nHost: a\r\nX`,
    `${LINE}\r\nHost: a\r\nX: b\nY: c`,
    `${LINE}\r\nHost: a\r\nX: b\rY: c`,
    `${LINE}\r\nHost: a\r\nX: \x00`,
    `${LINE}\r\nHost: a\r\nX: \x7f`,
    `${LINE}\r\nHost: a\r\nX\xe4: b`,
    `${LINE}\r\nHost: a\r\nContent-Length:`,
    `${LINE}\r\nHost: a\r\nContent-Length: +5`,
    `${LINE}\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5`,
    `${LINE}\r\nHost: a\r\nContent-Length: 9999999999999999`,
    `${LINE}\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked`,
    `${LINE}\r\nHost: a\r\nTransfer-Encoding: gzip, chunked`,
    `${LINE}\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked`,
    "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked",
  ])("%p is refused", (text) => {
    expect(read(text).fault).toBe("malformed");
  });

  test("has only so many headers", () => {
    const many = (count: number): string => `${LINE}\r\nHost: a${"\r\nX: y".repeat(count)}`;
    expect(read(many(95)).fault).toBeNull();
    expect(read(many(96)).fault).toBe("too_large");
  });

  test("never throws, whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const text = `${LINE}\r\nHost: a\r\n${Buffer.from(noise).toString("latin1")}`;
        expect([null, "malformed", "too_large"]).toContain(read(text).fault);
        expect([null, "malformed", "too_large"]).toContain(read(Buffer.from(noise).toString("latin1")).fault);
      }),
    );
  });
});
