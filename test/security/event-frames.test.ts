/**
 * T27: whatever stands in a reservation, its frame is one event, and no text in it ends a frame or begins another.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { EventStreamParser } from "../../client/event-stream.ts";
import type { Reservation } from "../../src/domain/reservation.ts";
import { reservationFrame } from "../../src/push/frames.ts";
import { HOSTILE_TEXTS } from "./hostile-texts.ts";

/** What a reader of the stream is given for these bytes. */
function eventsOf(text: string) {
  const events: { event: string; data: string; id: string }[] = [];
  const parser = new EventStreamParser({ onEvent: (event) => events.push(event), onRetry: () => events.pop() });
  parser.push(text);
  return events;
}

const text = fc.oneof(
  fc.constantFrom(...HOSTILE_TEXTS),
  fc.string({
    unit: fc.constantFrom("\n", "\r", ":", " ", "data: ", "event: x", "id: 1", "retry: 1", "\0", "\u2028", "a"),
  }),
);

test("T27: a frame is one event whose data are the reservation, whatever its texts are", () => {
  fc.assert(
    fc.property(text, text, text, (rid, sku, status) => {
      const reservation = { rid, sku, status, quantity: 1 } as unknown as Reservation;
      const events = eventsOf(reservationFrame(reservation, "position"));
      expect(events).toHaveLength(1);
      expect(events[0]).toMatchObject({ event: "reservation", id: "position" });
      expect(JSON.parse(events[0]?.data ?? "null")).toEqual({ rid, sku, status, quantity: 1 });
    }),
    { numRuns: 500 },
  );
});
