/**
 * The event stream is the session's or the ticket's buyer's, and tickets are short, bound and unforgeable.
 */
import { describe, expect, test } from "bun:test";
import { makeBuyerApp, NOW_MS } from "../../../test/support/buyer-app.ts";
import type { BuyerId } from "../../domain/ids.ts";
import { EventTicketSchema } from "../contract/schemas.ts";
import { mintEventTicket, verifyEventTicket } from "./event-ticket.ts";

type App = ReturnType<typeof makeBuyerApp>;

async function takeTicket(app: App, buyerId = "alice") {
  const response = await app.fetch("/v1/events/tickets", { method: "POST", headers: app.authorization(buyerId) });
  expect(response.status).toBe(201);
  return EventTicketSchema.parse(await response.json());
}

describe("the event stream", () => {
  test("opens for the session's buyer and continues after the last event", async () => {
    const app = makeBuyerApp();
    const response = await app.fetch("/v1/events?buyerId=bob", {
      headers: { ...app.authorization(), "last-event-id": "opaque" },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("x-accel-buffering")).toBe("no");
    expect(await response.text()).toBe("retry: 1000\n\n");
    expect(app.world.streams).toEqual([{ buyerId: "alice" as BuyerId, address: "192.0.2.7", lastEventId: "opaque" }]);
  });

  test("opens with a ticket, as often as needed within its minute and not after", async () => {
    const app = makeBuyerApp();
    const { ticket, expiresAt } = await takeTicket(app);
    expect(expiresAt).toBe(NOW_MS + 60_000);
    const open = () => app.fetch(`/v1/events?ticket=${ticket}`);
    expect((await open()).status).toBe(200);
    app.world.clock.advance(59_999);
    expect((await open()).status).toBe(200);
    app.world.clock.advance(1);
    expect(await (await open()).json()).toMatchObject({ reason: "session_expired" });
    expect(app.world.streams.map(({ buyerId }) => buyerId as string)).toEqual(["alice", "alice"]);
  });

  test("refuses a wrong ticket even beside a good session", async () => {
    const app = makeBuyerApp();
    const response = await app.fetch("/v1/events?ticket=t1.bob.zzzzzz.x.y", { headers: app.authorization() });
    expect(await response.json()).toMatchObject({ status: 401, reason: "session_invalid" });
  });

  test("refuses two tickets", async () => {
    const app = makeBuyerApp();
    const { ticket } = await takeTicket(app);
    expect((await app.fetch(`/v1/events?ticket=${ticket}&ticket=${ticket}`)).status).toBe(400);
  });

  test("is busy when the hub has no room", async () => {
    const app = makeBuyerApp({ events: { open: () => ({ kind: "refused", refusal: { reason: "busy" } }) } });
    const response = await app.fetch("/v1/events", { headers: app.authorization() });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ reason: "busy", retryAfterMs: expect.any(Number) });
  });

  test("is not opened by HEAD, which nobody would ever close", async () => {
    const app = makeBuyerApp();
    expect((await app.fetch("/v1/events", { method: "HEAD", headers: app.authorization() })).status).toBe(200);
    expect(app.world.streams).toEqual([]);
  });
});

describe("a ticket", () => {
  test("opens no other route and is no session", async () => {
    const app = makeBuyerApp();
    const { ticket } = await takeTicket(app);
    const headers = { authorization: `Bearer ${ticket}` };
    expect((await app.fetch("/v1/reservations", { headers })).status).toBe(401);
    const { authorization } = app.authorization();
    const token = authorization?.slice("Bearer ".length) ?? "";
    expect((await app.fetch(`/v1/events?ticket=${token}`)).status).toBe(401);
  });

  test("is refused after a change of any single character", async () => {
    const app = makeBuyerApp();
    const { ticket } = await takeTicket(app);
    const key = app.dependencies.keys.eventTicket;
    expect(verifyEventTicket(key, ticket, NOW_MS)).toEqual({ buyerId: "alice" as BuyerId });
    for (let index = 0; index < ticket.length; index += 1) {
      const other = ticket[index] === "a" ? "b" : "a";
      const changed = ticket.slice(0, index) + other + ticket.slice(index + 1);
      expect(verifyEventTicket(key, changed, NOW_MS)).toBe("session_invalid");
    }
  });

  test("is never the same twice", () => {
    const { keys, random } = makeBuyerApp().dependencies;
    const mint = () =>
      mintEventTicket(keys.eventTicket, { buyerId: "alice" as BuyerId, nonce: random.id(), nowMs: NOW_MS }).ticket;
    expect(mint()).not.toBe(mint());
  });

  test("asked for with the same signed request again is a replay", async () => {
    const app = makeBuyerApp();
    const path = "/v1/events/tickets";
    const headers = app.signedHeaders({ method: "POST", path, nonce: "n".repeat(16) });
    expect((await app.fetch(path, { method: "POST", headers })).status).toBe(201);
    const again = await app.fetch(path, { method: "POST", headers });
    expect(await again.json()).toMatchObject({ status: 401, reason: "signature_replayed" });
  });
});
