/**
 * A body ends at the same byte, and is the same bytes, however the network cuts it.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BodyFrame } from "./body-frame.ts";

interface Taken {
  readonly body: string;
  /** What came behind the body; null when the body broke. */
  readonly rest: string | null;
}

/** Hands the text over in pieces, cut at these places. */
function take(
  text: string,
  framing: { contentLength: number; isChunked: boolean },
  cuts: readonly number[] = [],
): Taken {
  const frame = new BodyFrame();
  frame.begin(framing);
  let body = "";
  let rest = "";
  const places = [...cuts.map((cut) => cut % (text.length + 1)), 0, text.length].sort((one, other) => one - other);
  for (let index = 1; index < places.length; index += 1) {
    const piece = Buffer.from(text.slice(places[index - 1], places[index]), "latin1");
    const at = frame.isDone ? 0 : frame.take(piece, 0, (taken) => (body += Buffer.from(taken).toString("latin1")));
    if (at === -1) return { body, rest: null };
    rest += piece.toString("latin1", at);
  }
  return { body, rest: frame.isDone ? rest : null };
}

const CHUNKED = { contentLength: 0, isChunked: true };
const CUTS = fc.array(fc.nat(400), { maxLength: 12 });

describe("a body", () => {
  test("with a length is as long as it says", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), fc.string({ maxLength: 20 }), CUTS, (text, rest, cuts) => {
        const latin = Buffer.from(text).toString("latin1");
        const behind = Buffer.from(rest).toString("latin1");
        const framing = { contentLength: latin.length, isChunked: false };
        expect(take(latin + behind, framing, cuts)).toEqual({ body: latin, rest: behind });
      }),
    );
  });

  test("in chunks is what the chunks hold", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1, maxLength: 40 }), { maxLength: 6 }), CUTS, (texts, cuts) => {
        const chunks = texts.map((text) => Buffer.from(text).toString("latin1"));
        const wire = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("");
        expect(take(`${wire}0\r\n\r\nGET /`, CHUNKED, cuts)).toEqual({ body: chunks.join(""), rest: "GET /" });
      }),
    );
  });

  test.each([
    "\r\n",
    "g\r\n",
    "5;a=b\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "-1\r\n",
    "5\nhello\n0\n\n",
    "5\r\nhelloo\r\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "0\r\nX: y\r\n\r\n",
    "00000000\r\n\r\n",
    "fffffffff\r\n",
  ])("%p is no body, in one piece or byte by byte", (wire) => {
    expect(take(wire, CHUNKED).rest).toBeNull();
    expect(
      take(
        wire,
        CHUNKED,
        [...wire].map((_, index) => index),
      ).rest,
    ).toBeNull();
  });
});
