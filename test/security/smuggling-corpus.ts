/**
 * Requests that one server reads as one and another as two: the second is what an attacker wants a node to act on.
 *
 * After James Kettle, "HTTP Desync Attacks" (2019), and RFC 9112, 6.3 and 11.2. In each, the hidden request stands where a
 * reader looks that believed the other length. `HOST` is the name of the server under test.
 */

/** Stands in the hidden request's path, which the recorder and the listener of the tests repeat. */
export const SMUGGLED = "smuggled";

const HIDDEN_BODY = '{"quantity":1}';
const HIDDEN =
  `POST /v1/sales/${SMUGGLED}/items/refuse/reservations HTTP/1.1\r\nHost: HOST\r\n` +
  `Idempotency-Key: ${SMUGGLED}-key\r\nContent-Length: ${HIDDEN_BODY.length}\r\n\r\n${HIDDEN_BODY}`;

function request(headers: readonly string[], body: string, line = "POST /v1/sessions HTTP/1.1"): string {
  return `${line}\r\nHost: HOST\r\n${headers.map((header) => `${header}\r\n`).join("")}\r\n${body}`;
}

const CHUNKED_END = `0\r\n\r\n${HIDDEN}`;
const WHOLE = `Content-Length: ${CHUNKED_END.length}`;

/** A request whose chunked reading ends before the hidden one and whose length covers it, with the header spelt so. */
function spelt(header: string): string {
  return request([WHOLE, header], CHUNKED_END);
}

export const SMUGGLING_CORPUS: Readonly<Record<string, string>> = {
  "a length and chunks": spelt("Transfer-Encoding: chunked"),
  "chunks and a length": request(["Transfer-Encoding: chunked", WHOLE], CHUNKED_END),
  "chunks and a length of zero": request(["Transfer-Encoding: chunked", "Content-Length: 0"], CHUNKED_END),
  "a space before the colon": spelt("Transfer-Encoding : chunked"),
  "a tab before the value": spelt("Transfer-Encoding:\tchunked"),
  "a vertical tab before the value": spelt("Transfer-Encoding:\u000bchunked"),
  "a folded line": spelt("Transfer-Encoding:\r\n chunked"),
  "a folded header before": spelt("X: y\r\n Transfer-Encoding: chunked"),
  "another case": spelt("tRANSFER-eNCODING: CHUNKED"),
  "an unknown coding first": spelt("Transfer-Encoding: x, chunked"),
  "an unknown coding last": spelt("Transfer-Encoding: chunked, x"),
  "identity and chunks": spelt("Transfer-Encoding: identity, chunked"),
  "quotes around it": spelt('Transfer-Encoding: "chunked"'),
  "a NUL inside it": spelt("Transfer-Encoding: chunked\u0000"),
  "an underscore": spelt("Transfer_Encoding: chunked"),
  "a line feed alone": spelt("X: y\nTransfer-Encoding: chunked"),
  "a carriage return alone": spelt("X: y\rTransfer-Encoding: chunked"),
  "two transfer encodings": spelt("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
  "two lengths": request(["Content-Length: 0", `Content-Length: ${HIDDEN.length}`], HIDDEN),
  "two lengths the other way round": request([`Content-Length: ${HIDDEN.length}`, "Content-Length: 0"], HIDDEN),
  "two lengths in one": request([`Content-Length: 0, ${HIDDEN.length}`], HIDDEN),
  "a length with a sign": request([`Content-Length: +${HIDDEN.length}`], HIDDEN),
  "a negative length": request(["Content-Length: -1"], HIDDEN),
  "a length in hexadecimal": request([`Content-Length: 0x${HIDDEN.length.toString(16)}`], HIDDEN),
  "a length beyond any": request(["Content-Length: 18446744073709551616"], HIDDEN),
  "a length with a point": request(["Content-Length: 0.0"], HIDDEN),
  "a space before the length's colon": request([`Content-Length : ${HIDDEN.length}`], HIDDEN),
  "a GET with a hidden body": request([`Content-Length: ${HIDDEN.length}`], HIDDEN, "GET /v1/time HTTP/1.1"),
  "a HEAD with a hidden body": request([`Content-Length: ${HIDDEN.length}`], HIDDEN, "HEAD /v1/time HTTP/1.1"),
  "a chunk size with a comment": request(["Transfer-Encoding: chunked"], `0;${"x".repeat(20)}\n\r\n${HIDDEN}`),
  "a chunk size beyond any": request(["Transfer-Encoding: chunked"], `ffffffffffffffff1\r\n${HIDDEN}`),
  "a chunk size with a sign": request(["Transfer-Encoding: chunked"], `-1\r\n${HIDDEN}`),
  "a chunk without its end": request(["Transfer-Encoding: chunked"], `1\r\nxx0\r\n\r\n${HIDDEN}`),
  "a trailer that is a length": request(
    ["Transfer-Encoding: chunked"],
    `0\r\nContent-Length: ${HIDDEN.length}\r\nX: ${HIDDEN}`,
  ),
  "HTTP/1.0 with chunks": spelt("Transfer-Encoding: chunked").replace("HTTP/1.1", "HTTP/1.0"),
  "HTTP/1.2": spelt("Transfer-Encoding: chunked").replace("HTTP/1.1", "HTTP/1.2"),
  "an upgrade to HTTP/2": request(
    ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"],
    "",
  ),
  "a header without a name": request([`: Content-Length: ${HIDDEN.length}`], ""),
  "a request line in a header": request([`X: y\r\n\r\n`], "").replace("POST", "GET"),
  "no host": `POST /v1/sessions HTTP/1.1\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  "two hosts": request(["Host: evil.example", `Content-Length: ${HIDDEN.length}`], HIDDEN),
};
