/**
 * Sessions start for whom they may, bodies are read strictly, and the answer is what the token says.
 */
import { describe, expect, test } from "bun:test";
import { makeBuyerApp, NOW_MS } from "../../../test/support/buyer-app.ts";
import { Fault } from "../../domain/faults.ts";
import type { BuyerId } from "../../domain/ids.ts";
import { verifySessionToken } from "../../funnel/3-identity/session-token.ts";
import type { ShopLoginVerifier } from "../../funnel/3-identity/shop-login.ts";
import { SessionSchema } from "../contract/schemas.ts";
import { BODY_BYTES_MAX } from "../request-body.ts";

type App = ReturnType<typeof makeBuyerApp>;

function post(
  app: App,
  body: NonNullable<RequestInit["body"]>,
  headers: Record<string, string> = { "content-type": "application/json" },
) {
  return app.fetch("/v1/sessions", { method: "POST", body, headers });
}

const start = (app: App, request: object) => post(app, JSON.stringify(request));

describe("a guest", () => {
  test("gets a session whose token says what the answer says, and whose key signs", async () => {
    const app = makeBuyerApp();
    const response = await start(app, { kind: "guest" });
    expect(response.status).toBe(201);
    const session = SessionSchema.parse(await response.json());
    expect(session.expiresAt).toBe(NOW_MS + 3_600_000);
    const { keys } = app.dependencies;
    expect(verifySessionToken(keys.session, session.token, NOW_MS)).toMatchObject({
      buyerId: session.buyerId,
      expiresAt: session.expiresAt,
      level: 0,
      accountCreatedAt: null,
    });
    expect(Buffer.from(session.signingKey, "base64url").length).toBe(32);
  });

  test("is somebody else each time", async () => {
    const app = makeBuyerApp();
    const sessions = await Promise.all(
      [1, 2].map(async () => SessionSchema.parse(await (await start(app, { kind: "guest" })).json())),
    );
    expect(new Set(sessions.flatMap(({ buyerId, signingKey }) => [buyerId, signingKey])).size).toBe(4);
  });

  test("is told to log in where guests are switched off", async () => {
    const response = await start(makeBuyerApp({ settings: { guestsAllowed: false } }), { kind: "guest" });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ reason: "not_eligible", stage: "admission", rule: "login_required" });
  });

  test("is refused by the throttle before the body is read", async () => {
    const app = makeBuyerApp();
    app.world.sessionRefusal = { reason: "throttled", retryAfterMs: 1_500 };
    const response = await post(app, "not even JSON");
    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("2");
    expect(await response.json()).toMatchObject({ reason: "throttled", retryAfterMs: 1_500 });
  });
});

describe("a login of the shop", () => {
  const shopLogin = (verify: ShopLoginVerifier["verify"]) => makeBuyerApp({ shopLogin: { verify } });

  test("becomes a session with the shop's buyer, level and account age", async () => {
    const login = { buyerId: "derived" as BuyerId, level: 4, accountCreatedAt: NOW_MS - 7_000 };
    const app = shopLogin(async () => login);
    const session = SessionSchema.parse(await (await start(app, { kind: "jwt", token: "a.b.c" })).json());
    expect(session.buyerId).toBe("derived");
    expect(verifySessionToken(app.dependencies.keys.session, session.token, NOW_MS)).toMatchObject(login);
  });

  test.each(["session_invalid", "session_expired"] as const)("that is not good is %s", async (reason) => {
    const response = await start(
      shopLogin(async () => reason),
      { kind: "jwt", token: "a.b.c" },
    );
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ reason, stage: "identity" });
  });

  test("is unavailable while the shop's keys cannot be fetched", async () => {
    const app = shopLogin(() => Promise.reject(new Fault("SHOP_LOGIN_UNAVAILABLE")));
    expect((await start(app, { kind: "jwt", token: "a.b.c" })).status).toBe(503);
  });

  test("is invalid where no login is configured", async () => {
    expect((await start(makeBuyerApp(), { kind: "jwt", token: "a.b.c" })).status).toBe(401);
  });
});

describe("a body", () => {
  const LONG = JSON.stringify({ kind: "jwt", token: "x".repeat(BODY_BYTES_MAX) });
  test.each([
    ["nothing", "", 400],
    ["an unknown kind", '{"kind":"admin"}', 400],
    ["an unknown member", '{"kind":"guest","buyerId":"alice"}', 400],
    ["a duplicate key", '{"kind":"guest","kind":"guest"}', 400],
    ["__proto__", '{"kind":"guest","__proto__":{"admin":true}}', 400],
    ["constructor", '{"kind":"guest","constructor":{"prototype":{"admin":true}}}', 400],
    ["10,000 nested arrays", "[".repeat(10_000), 400],
    ["a wrong type", '{"kind":["guest"]}', 400],
    ["no token", '{"kind":"jwt"}', 400],
    ["an empty token", '{"kind":"jwt","token":""}', 400],
    ["an endless token", JSON.stringify({ kind: "jwt", token: "x".repeat(8_193) }), 400],
    ["an array", "[]", 400],
    ["null", "null", 400],
    ["two values", "{}{}", 400],
    ["a byte order mark", '\ufeff{"kind":"guest"}', 400],
    ["more than 64 KB", LONG, 413],
  ])("with %s is refused, and nothing of it is repeated", async (_name, body, status) => {
    const response = await post(makeBuyerApp(), body);
    expect(response.status).toBe(status);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({
      reason: status === 413 ? "payload_too_large" : "malformed",
      stage: "shed",
    });
    expect(text.length).toBeLessThan(500);
    expect(text).not.toContain("alice");
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  test("of invalid UTF-8 is refused", async () => {
    const response = await post(makeBuyerApp(), new Uint8Array([0x22, 0xff, 0xfe, 0x22]));
    expect(response.status).toBe(400);
  });

  test("of another media type is refused", async () => {
    const response = await post(makeBuyerApp(), '{"kind":"guest"}', { "content-type": "text/plain" });
    expect(response.status).toBe(400);
  });

  test("that streams on past its bound is cut off while it comes", async () => {
    let sentBytes = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sentBytes += 1_024;
        if (sentBytes > 4 * BODY_BYTES_MAX) controller.close();
        else controller.enqueue(new Uint8Array(1_024).fill(0x20));
      },
    });
    const response = await post(makeBuyerApp(), endless);
    expect(response.status).toBe(413);
    expect(sentBytes).toBeLessThan(2 * BODY_BYTES_MAX);
  });

  test("that never ends arriving is given up at its deadline, however complete it looks", async () => {
    const app = makeBuyerApp();
    const waiting = post(
      app,
      new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new TextEncoder().encode('{"kind":"guest"}')),
      }),
    );
    while (app.world.clock.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    app.world.clock.advance(10_000);
    const response = await waiting;
    expect(response.status).toBe(400);
    expect(app.world.clock.waiting).toBe(0);
  });

  test("is checked against its digest when one is sent", async () => {
    const app = makeBuyerApp();
    const headers = { "content-type": "application/json", "content-digest": "sha-256=:AAAA:" };
    const response = await post(app, '{"kind":"guest"}', headers);
    expect(await response.json()).toMatchObject({ reason: "signature_invalid" });
  });
});
