/**
 * A correct client: the same key on every retry, no retry of a final no, and no exception for what servers do.
 */
import { describe, expect, test } from "bun:test";
import type { Problem, Reservation } from "./contract.ts";
import { Doorbuster, type ReserveRequest } from "./doorbuster.ts";
import { DoorbusterError } from "./problem.ts";

const SESSION = { token: "s2.token", signingKey: "A".repeat(43), buyerId: "b", expiresAt: 2e12 };
const ACCEPTED = { rid: "r", saleId: "demo", sku: "one", quantity: 1, status: "held", holdUntil: 5, receipt: "r1.x" };
const REQUEST: ReserveRequest = { saleId: "demo", sku: "one", quantity: 1 };

interface Sent {
  readonly url: string;
  readonly init: RequestInit;
  readonly headers: Record<string, string>;
}

type Script = (sent: Sent, index: number) => Response | Promise<Response>;

function refusal(reason: string, status: number, retryAfterMs?: number): Response {
  const problem: Problem = {
    type: "t",
    title: "No.",
    status,
    reason,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  return new Response(JSON.stringify(problem), { status, headers: { "content-type": "application/problem+json" } });
}

async function client(script: Script, options: { baseUrl?: string; requestDeadlineMs?: number } = {}) {
  const sent: Sent[] = [];
  const doorbuster = new Doorbuster({
    baseUrl: "http://shop.example",
    random: () => 0,
    ...options,
    fetch: async (url, init) => {
      const each = { url, init, headers: init.headers as Record<string, string> };
      sent.push(each);
      return script(each, sent.length - 1);
    },
  });
  await doorbuster.resumeSession(SESSION);
  return { doorbuster, sent };
}

describe("reserve", () => {
  test("sends one signed request for an attempt that is accepted", async () => {
    const { doorbuster, sent } = await client(() => Response.json(ACCEPTED, { status: 201 }));
    const result = await doorbuster.reserve(REQUEST);
    expect(result).toMatchObject({ kind: "accepted", reservation: ACCEPTED, replayed: false });
    expect(sent.length).toBe(1);
    expect(sent[0]?.url).toBe("http://shop.example/v1/sales/demo/items/one/reservations");
    expect(Object.keys(sent[0]?.headers ?? {}).sort()).toEqual([
      "accept",
      "authorization",
      "content-digest",
      "content-type",
      "idempotency-key",
      "x-nonce",
      "x-signature",
      "x-timestamp",
    ]);
  });

  test("repeats with the same key, a fresh nonce and a fresh signature after busy, a broken line and a proxy's 502", async () => {
    const { doorbuster, sent } = await client((_sent, index) => {
      if (index === 0) return refusal("busy", 503, 5);
      if (index === 1) throw new TypeError("connection reset");
      if (index === 2) return new Response("<html>", { status: 502, headers: { "retry-after": "0" } });
      return Response.json(ACCEPTED, { status: 201, headers: { "idempotent-replayed": "true" } });
    });
    const retries: (string | null)[] = [];
    const result = await doorbuster.reserve({
      ...REQUEST,
      onRetry: ({ problem }) => retries.push(problem?.reason ?? null),
    });
    expect(result).toMatchObject({ kind: "accepted", replayed: true });
    expect(retries).toEqual(["busy", null, "unreadable"]);
    expect(new Set(sent.map((each) => each.headers["idempotency-key"])).size).toBe(1);
    expect(new Set(sent.map((each) => each.headers["x-nonce"])).size).toBe(4);
    expect(new Set(sent.map((each) => each.headers["x-signature"])).size).toBe(4);
  });

  test.each(["sold_out", "empty", "limit_reached", "banned", "not_open", "paused", "session_expired"])(
    "does not repeat %s",
    async (reason) => {
      const { doorbuster, sent } = await client(() => refusal(reason, 409, 1));
      expect(await doorbuster.reserve(REQUEST)).toMatchObject({ kind: "refused", problem: { reason } });
      expect(sent.length).toBe(1);
    },
  );

  test("ends as unknown, with the key to ask again, when no answer could be had in time", async () => {
    const { doorbuster } = await client(() => {
      throw new TypeError("no route to host");
    });
    const result = await doorbuster.reserve({ ...REQUEST, idempotencyKey: "my-own-key-1234", patienceMs: 0 });
    expect(result).toMatchObject({ kind: "unknown", idempotencyKey: "my-own-key-1234" });
  });

  test("tells the last refusal when patience is at its end", async () => {
    const { doorbuster, sent } = await client(() => refusal("unavailable", 503, 20));
    const result = await doorbuster.reserve({ ...REQUEST, patienceMs: 50 });
    expect(result).toMatchObject({ kind: "refused", problem: { reason: "unavailable" } });
    expect(sent.length).toBeGreaterThan(1);
  });

  test("gives up a request that hangs, and repeats it", async () => {
    const { doorbuster, sent } = await client(
      ({ init }, index) =>
        index > 0
          ? Response.json(ACCEPTED, { status: 201 })
          : new Promise((_resolve, reject) => {
              init.signal?.addEventListener("abort", () => reject(init.signal?.reason));
            }),
      { requestDeadlineMs: 20 },
    );
    expect(await doorbuster.reserve(REQUEST)).toMatchObject({ kind: "accepted" });
    expect(sent.length).toBe(2);
  });

  test("reads the server's time again once when its timestamp was stale", async () => {
    const { doorbuster, sent } = await client(({ url }, index) => {
      if (url.endsWith("/v1/time")) return Response.json({ now: 1_800_000_000_000 });
      return index === 0 ? refusal("signature_stale", 401) : Response.json(ACCEPTED, { status: 201 });
    });
    expect(await doorbuster.reserve(REQUEST)).toMatchObject({ kind: "accepted" });
    const timestamp = Number(sent.at(-1)?.headers["x-timestamp"]);
    expect(Math.abs(timestamp - 1_800_000_000_000)).toBeLessThan(5_000);
  });

  test("does not ask for ever when its timestamp stays stale", async () => {
    const { doorbuster } = await client(({ url }) =>
      url.endsWith("/v1/time") ? Response.json({ now: 5 }) : refusal("signature_stale", 401),
    );
    expect(await doorbuster.reserve(REQUEST)).toMatchObject({
      kind: "refused",
      problem: { reason: "signature_stale" },
    });
  });

  test("stops when its caller does", async () => {
    const stopping = new AbortController();
    const { doorbuster, sent } = await client(() => {
      stopping.abort();
      return refusal("busy", 503, 60_000);
    });
    expect(await doorbuster.reserve({ ...REQUEST, patienceMs: 1e9, signal: stopping.signal })).toMatchObject({
      kind: "refused",
    });
    expect(sent.length).toBe(1);
  });

  test("without a session is the caller's mistake", async () => {
    await expect(new Doorbuster().reserve(REQUEST)).rejects.toThrow("session first");
  });

  test("signs the whole path when the API lives below one", async () => {
    const { doorbuster, sent } = await client(() => Response.json(ACCEPTED, { status: 201 }), {
      baseUrl: "http://shop.example/drop/",
    });
    await doorbuster.reserve(REQUEST);
    expect(sent[0]?.url).toBe("http://shop.example/drop/v1/sales/demo/items/one/reservations");
  });
});

describe("other calls", () => {
  test("start a session and use it", async () => {
    const { doorbuster, sent } = await client(({ url }) =>
      url.endsWith("/v1/sessions") ? Response.json(SESSION, { status: 201 }) : Response.json({ reservations: [] }),
    );
    expect(await doorbuster.startSession()).toEqual(SESSION);
    expect(await doorbuster.reservations("demo")).toEqual([]);
    expect(sent[0]?.headers["authorization"]).toBeUndefined();
    expect(sent[1]?.headers["authorization"]).toBe(`Bearer ${SESSION.token}`);
  });

  test("answer null for what is not there, and throw the problem for the rest", async () => {
    const { doorbuster } = await client(({ url }) =>
      url.includes("/sales/") ? refusal("no_such_sale", 404) : refusal("session_expired", 401),
    );
    expect(await doorbuster.sale("nope")).toBeNull();
    await expect(doorbuster.reservation("r")).rejects.toBeInstanceOf(DoorbusterError);
    await expect(doorbuster.cancel("r")).rejects.toMatchObject({ problem: { reason: "session_expired" } });
  });
});

describe("events", () => {
  const reservation = { rid: "r", status: "held" } as Reservation;
  const event = (id: string) => `event: reservation\nid: ${id}\ndata: ${JSON.stringify(reservation)}\n\n`;

  test("resume after a break where they broke off, and end when the session does", async () => {
    const { doorbuster, sent } = await client((_sent, index) => {
      if (index === 0) return new Response(`retry: 1\n\n${event("c1")}`);
      if (index === 1) throw new TypeError("connection refused");
      if (index === 2) return new Response(event("c2"));
      return refusal("session_expired", 401);
    });
    const seen: string[] = [];
    const ended = await new Promise<Problem>((resolve) => {
      doorbuster.events({
        onOpen: () => seen.push("open"),
        onReservation: ({ rid }) => seen.push(rid),
        onBreak: () => seen.push("break"),
        onEnd: resolve,
      });
    });
    expect(ended.reason).toBe("session_expired");
    expect(seen).toEqual(["open", "r", "break", "break", "open", "r", "break"]);
    expect(sent.map((each) => each.headers["last-event-id"])).toEqual([undefined, "c1", "c1", "c2"]);
  });

  test("tell nothing after they were closed", async () => {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const stream = new TransformStream<Uint8Array, Uint8Array>();
    const { doorbuster } = await client(() => new Response(stream.readable));
    const seen: string[] = [];
    const subscription = doorbuster.events({ onOpen: open, onReservation: ({ rid }) => seen.push(rid) });
    await opened;
    subscription.close();
    const writer = stream.writable.getWriter();
    void writer.write(new TextEncoder().encode(event("c1"))).catch((error: unknown) => error);
    await writer.closed.catch((error: unknown) => error);
    expect(seen).toEqual([]);
  });
});

describe("an armed attempt", () => {
  const ISSUED = { pass: "p1.pass", expiresAt: 2e12, opensAt: 1e12 };
  const KEY = "the-key-of-the-wish";

  test("is one unsigned request with its pass, however often it is sent", async () => {
    const { doorbuster, sent } = await client(({ url }, index) => {
      if (url.endsWith("/passes")) return Response.json(ISSUED, { status: 201 });
      return index === 1 ? refusal("busy", 503, 5) : Response.json(ACCEPTED, { status: 201 });
    });
    const armed = await doorbuster.arm({ saleId: "demo", sku: "one", quantity: 1, idempotencyKey: KEY });
    expect(armed).toEqual({ saleId: "demo", sku: "one", quantity: 1, idempotencyKey: KEY, ...ISSUED });
    expect(sent[0]?.url).toBe("http://shop.example/v1/sales/demo/passes");
    expect(sent[0]?.headers["x-signature"]).toBeDefined();
    expect(JSON.parse(String(sent[0]?.init.body))).toEqual({ sku: "one", quantity: 1, idempotencyKey: KEY });
    expect((await doorbuster.reserve({ ...REQUEST, idempotencyKey: KEY })).kind).toBe("accepted");
    for (const { headers } of sent.slice(1)) {
      expect(Object.keys(headers).sort()).toEqual(["accept", "content-type", "idempotency-key", "x-pass"]);
      expect(headers["x-pass"]).toBe("p1.pass");
    }
    expect(sent).toHaveLength(3);
  });

  test("goes the ordinary way, with the same key, when its pass is not accepted any more", async () => {
    const { doorbuster, sent } = await client(({ url, headers }) => {
      if (url.endsWith("/passes")) return Response.json(ISSUED, { status: 201 });
      return headers["x-pass"] === undefined ? Response.json(ACCEPTED, { status: 201 }) : refusal("pass_invalid", 401);
    });
    await doorbuster.arm({ saleId: "demo", sku: "one", quantity: 1, idempotencyKey: KEY });
    expect((await doorbuster.reserve({ ...REQUEST, idempotencyKey: KEY })).kind).toBe("accepted");
    expect(sent.slice(1).map(({ headers }) => headers["idempotency-key"])).toEqual([KEY, KEY]);
    expect(sent[2]?.headers["x-signature"]).toBeDefined();
  });

  test("uses the pass for nothing else: another key, quantity or item, an ended pass, another session", async () => {
    const { doorbuster, sent } = await client(({ url }) =>
      url.endsWith("/passes") ? Response.json(ISSUED, { status: 201 }) : Response.json(ACCEPTED, { status: 201 }),
    );
    const armed = await doorbuster.arm({ saleId: "demo", sku: "one", quantity: 1, idempotencyKey: KEY });
    const isPassed = async (change: Partial<ReserveRequest>) => {
      await doorbuster.reserve({ ...REQUEST, idempotencyKey: KEY, ...change });
      return sent.at(-1)?.headers["x-pass"] !== undefined;
    };
    expect(await isPassed({ idempotencyKey: "another-key" })).toBe(false);
    expect(await isPassed({ quantity: 2 })).toBe(false);
    expect(await isPassed({ sku: "two" })).toBe(false);
    expect(await isPassed({ saleId: "other" })).toBe(false);
    expect(await isPassed({})).toBe(true);
    doorbuster.useArmed({ ...armed, expiresAt: 1 });
    expect(await isPassed({})).toBe(false);
    doorbuster.useArmed(armed);
    expect(await isPassed({})).toBe(true);
    await doorbuster.resumeSession({ ...SESSION, token: "s2.another" });
    expect(await isPassed({})).toBe(false);
  });

  test("that the server refuses is an error with the server's reason", async () => {
    const { doorbuster } = await client(() => refusal("not_eligible", 403));
    const error = await doorbuster.arm({ saleId: "demo", sku: "one", quantity: 1 }).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(DoorbusterError);
    expect((error as DoorbusterError).problem.reason).toBe("not_eligible");
  });
});
