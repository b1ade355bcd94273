/**
 * The stream reads the same however the network cuts it into pieces.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EVENT_CHARACTERS_MAX, EventStreamParser, type StreamEvent } from "./event-stream.ts";

function parse(pieces: readonly string[]): { events: StreamEvent[]; retries: number[] } {
  const events: StreamEvent[] = [];
  const retries: number[] = [];
  const parser = new EventStreamParser({
    onEvent: (event) => events.push(event),
    onRetry: (retryMs) => retries.push(retryMs),
  });
  for (const piece of pieces) parser.push(piece);
  return { events, retries };
}

const STREAM =
  'retry: 3000\n\n: beat\n\nevent: reservation\nid: c1\ndata: {"rid":"r1"}\n\r\nid: c2\r\ndata: a\r\ndata: b\r\n\r\ndata:x\n\n';
const EVENTS = [
  { event: "reservation", data: '{"rid":"r1"}', id: "c1" },
  { event: "message", data: "a\nb", id: "c2" },
  { event: "message", data: "x", id: "c2" },
];

describe("event stream", () => {
  test("is read the same in one piece and in any pieces", () => {
    expect(parse([STREAM])).toEqual({ events: EVENTS, retries: [3_000] });
    fc.assert(
      fc.property(fc.array(fc.nat({ max: STREAM.length }), { maxLength: 30 }), (cuts) => {
        const places = [0, ...cuts.sort((left, right) => left - right), STREAM.length];
        const pieces = places.slice(1).map((end, index) => STREAM.slice(places[index], end));
        expect(parse(pieces)).toEqual({ events: EVENTS, retries: [3_000] });
      }),
      { numRuns: 500 },
    );
  });

  test("drops an event that the end of the stream cut off", () => {
    expect(parse(["data: whole\n\ndata: half\n"]).events.map((event) => event.data)).toEqual(["whole"]);
  });

  test("ignores comments, unknown fields, empty events and an id with NUL", () => {
    expect(parse([":x\nfoo: bar\nid: a\0b\nretry: soon\n\n"])).toEqual({ events: [], retries: [] });
  });

  test("ends a stream whose line never ends", () => {
    expect(() => parse(["x".repeat(EVENT_CHARACTERS_MAX), "y"])).toThrow(RangeError);
  });
});
