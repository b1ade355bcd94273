/**
 * The page's model against a server that forgets, fails and answers twice: one wish is one purchase, on server time.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { Doorbuster } from "../../client/doorbuster.ts";
import { SaleModel } from "./sale-model.ts";
import { recallAttempt } from "./tab-memory.ts";

const SALE_ID = "spring";
const DEVICE_NOW = 1_000_000_000_000;
const OPENS_AT = DEVICE_NOW + 3_600_000;

const realSetTimeout = globalThis.setTimeout;
const timers: ReturnType<typeof setTimeout>[] = [];

/** What a tab has; a fresh one for each test. */
function openTab(): void {
  const kept = new Map<string, string>();
  Object.assign(globalThis, {
    isSecureContext: true,
    document: { hidden: false },
    sessionStorage: {
      getItem: (name: string) => kept.get(name) ?? null,
      setItem: (name: string, value: string) => kept.set(name, value),
      removeItem: (name: string) => kept.delete(name),
    },
    setTimeout: (...call: Parameters<typeof setTimeout>) => {
      const timer = realSetTimeout(...call);
      timers.push(timer);
      return timer;
    },
  });
}

/** A page never stops by itself, so its timers end with the tab. */
function closeTab(): void {
  for (const timer of timers.splice(0)) clearTimeout(timer);
  globalThis.setTimeout = realSetTimeout;
  for (const name of ["isSecureContext", "document", "sessionStorage"]) Reflect.deleteProperty(globalThis, name);
}

/** A server whose clock is `aheadMs` before the device's; `answer` decides about each attempt. */
class FakeServer {
  readonly attempts: { key: string; body: string }[] = [];
  /** The pass of each attempt; null where it was signed. */
  readonly passes: (string | null)[] = [];
  /** Answers a request for a pass. */
  arm: (key: string) => Response = (key) =>
    Response.json({ pass: `pass-of-${key}`, expiresAt: OPENS_AT + 600_000, opensAt: OPENS_AT }, { status: 201 });
  tiers: readonly { name: string; opensAt: number }[] = [];
  aheadMs = 3_600_000;
  answer: () => Response | Promise<Response> = () => this.accept();
  readonly #held: object[] = [];

  accept(): Response {
    const key = this.attempts.at(-1)?.key ?? "";
    const reservation = {
      rid: `rid-of-${key}`,
      saleId: SALE_ID,
      sku: "seat",
      quantity: 1,
      status: "held",
      holdUntil: OPENS_AT + 600_000,
    };
    if (this.#held.length === 0) {
      this.#held.push({ ...reservation, amount: { amount: 100, currency: "EUR" }, createdAt: 1, updatedAt: 1 });
    }
    return Response.json({ ...reservation, receipt: "receipt" }, { status: 201 });
  }

  async fetch(url: string, init: RequestInit): Promise<Response> {
    if (url === "/v1/time") return Response.json({ now: DEVICE_NOW + this.aheadMs });
    if (url === "/v1/sessions") return Response.json(SESSION, { status: 201 });
    if (url === "/v1/events") return new Response(new ReadableStream());
    if (url.startsWith("/v1/reservations")) return Response.json({ reservations: this.#held });
    if (url.endsWith("/passes"))
      return this.arm((JSON.parse(String(init.body)) as { idempotencyKey: string }).idempotencyKey);
    if (!url.endsWith("/reservations")) return Response.json(this.sale());
    const key = new Headers(init.headers).get("idempotency-key") ?? "";
    this.attempts.push({ key, body: String(init.body) });
    this.passes.push(new Headers(init.headers).get("x-pass"));
    return this.answer();
  }

  sale(): object {
    return {
      id: SALE_ID,
      name: "Spring",
      state: "scheduled",
      opensAt: OPENS_AT,
      closesAt: OPENS_AT + 3_600_000,
      serverNow: DEVICE_NOW + this.aheadMs,
      challenge: "none",
      ...(this.tiers.length === 0 ? {} : { tiers: this.tiers }),
      items: [
        { sku: "seat", name: "Seat", price: { amount: 100, currency: "EUR" }, perBuyerMax: 2, availability: "some" },
      ],
    };
  }
}

const SESSION = { token: "token", signingKey: "AAAAAAAAAAAAAAAAAAAAAA", buyerId: "buyer", expiresAt: DEVICE_NOW * 2 };

function problem(reason: string): Response {
  return new Response(JSON.stringify({ reason, title: reason, status: 503 }), {
    status: 503,
    headers: { "content-type": "application/problem+json" },
  });
}

/** Waits until the model, as drawn, is as wished; the test's own deadline ends a wait in vain. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => realSetTimeout(resolve, 1));
}

async function openPage(server: FakeServer, monotonic = () => 0): Promise<SaleModel> {
  const shop = new Doorbuster({
    fetch: (url, init) => server.fetch(url, init),
    now: () => DEVICE_NOW,
    monotonic,
  });
  const model = new SaleModel({ shop, saleId: SALE_ID, spotlight: null, draw: () => undefined });
  model.start();
  await until(() => model.sale !== null && model.clockErrorMs !== null);
  return model;
}

beforeEach(openTab);
afterEach(closeTab);

test("counts on the server's time, not the device's", async () => {
  const model = await openPage(new FakeServer());
  expect(Math.round(model.now - DEVICE_NOW)).toBe(3_600_001);
  expect(model.clockErrorMs).toBeLessThan(1);
});

test("a double click is one request, and its reservation counts as the buyer's", async () => {
  const server = new FakeServer();
  const model = await openPage(server);
  model.press("seat", 1, "buy");
  model.press("seat", 1, "buy");
  await until(() => model.purchaseOf("seat").kind === "won");
  expect(server.attempts).toHaveLength(1);
  expect(model.ownUnits("seat")).toEqual({ units: 1, unpaidRid: `rid-of-${server.attempts[0]?.key}` });
  expect(model.reservations[0]?.amount).toEqual({ amount: 100, currency: "EUR" });
});

test("the time to pay runs from the reservation, however long ago the page was drawn", async () => {
  const server = new FakeServer();
  let atMs = 0;
  const model = await openPage(server, () => atMs);
  const drawnAt = model.now;
  server.answer = () => {
    atMs += 900;
    return server.accept();
  };
  model.press("seat", 1, "buy");
  await until(() => model.reservations.length > 0);
  expect(model.now - drawnAt).toBe(900);
});

test("a lost answer is asked for again with the same key and body, and stays one reservation", async () => {
  const server = new FakeServer();
  server.answer = () => {
    server.accept();
    throw new TypeError("the connection broke");
  };
  const model = await openPage(server);
  model.press("seat", 1, "buy");
  await until(() => model.purchaseOf("seat").kind === "waiting");
  expect(model.purchaseOf("seat")).toMatchObject({ cause: "unknown" });
  server.answer = () => server.accept();
  model.press("seat", 1, "ask");
  await until(() => model.purchaseOf("seat").kind === "won");
  expect(server.attempts).toHaveLength(2);
  expect(server.attempts[1]).toEqual(server.attempts[0] ?? { key: "", body: "" });
  expect(model.ownUnits("seat").units).toBe(1);
});

test("an attempt that was open when the page was reloaded is asked for again with its key", async () => {
  const server = new FakeServer();
  server.answer = () => problem("unavailable");
  const model = await openPage(server);
  model.press("seat", 1, "buy");
  await until(() => model.purchaseOf("seat").kind === "waiting");
  server.answer = () => server.accept();
  const reloaded = await openPage(server);
  await until(() => reloaded.purchaseOf("seat").kind === "won");
  expect(new Set(server.attempts.map(({ key }) => key)).size).toBe(1);
  expect(recallAttempt(`${SALE_ID}seat`)).toBeNull();
});

test("a session that could not be started is told as not sent, never as unknown", async () => {
  const server = new FakeServer();
  const model = await openPage(server);
  sessionStorage.removeItem("doorbuster.session");
  const honest = server.fetch.bind(server);
  server.fetch = (url, init) => (url === "/v1/sessions" ? Promise.reject(new TypeError("offline")) : honest(url, init));
  const offline = await openPage(server);
  offline.press("seat", 1, "buy");
  await until(() => offline.purchaseOf("seat").kind === "waiting");
  expect(offline.purchaseOf("seat")).toMatchObject({ cause: "offline", attempt: { unknown: false } });
  expect(server.attempts).toHaveLength(0);
  expect(model.trouble).toBe("");
});

test("what was got ready before the opening is bought with its pass, also after a reload", async () => {
  const server = new FakeServer();
  server.aheadMs = 3_000_000;
  const model = await openPage(server);
  expect(model.arming.of("seat", 2)).toBeNull();
  expect(await model.arming.arm("seat", 2)).toBe(true);
  expect(model.spoken).toContain("You are ready");
  expect(model.arming.of("seat", 2)?.kind).toBe("ready");
  // Another quantity is another wish.
  expect(model.arming.of("seat", 1)).toBeNull();

  server.aheadMs = 3_600_000;
  const reloaded = await openPage(server);
  await until(() => reloaded.arming.of("seat", 2)?.kind === "ready");
  const key = reloaded.arming.keyFor("seat", 2);
  reloaded.press("seat", 2, "buy");
  await until(() => reloaded.purchaseOf("seat").kind === "won");
  expect(server.attempts.map((attempt) => attempt.key)).toEqual([key ?? ""]);
  expect(server.passes).toEqual([`pass-of-${key}`]);
  // One wish, one pass: the next press is a new one.
  expect(reloaded.arming.of("seat", 2)).toBeNull();
});

test("whoever did not get ready, or changed his mind about how many, buys the ordinary way", async () => {
  const server = new FakeServer();
  const model = await openPage(server);
  await model.arming.arm("seat", 2);
  model.press("seat", 1, "buy");
  await until(() => model.purchaseOf("seat").kind === "won");
  expect(server.passes).toEqual([null]);
});

test("who may not buy is told before the opening, in the server's words", async () => {
  const server = new FakeServer();
  server.arm = () => problem("not_eligible");
  const model = await openPage(server);
  expect(await model.arming.arm("seat", 1)).toBe(false);
  expect(model.arming.of("seat", 1)).toEqual({ kind: "refused", quantity: 1, title: "not_eligible" });
  expect(model.spoken).toBe("not_eligible");
});

test("a buyer of a tier counts down to his own instant, as far as it is still the sale's", async () => {
  const early = OPENS_AT - 1_800_000;
  const server = new FakeServer();
  server.aheadMs = 0;
  server.tiers = [{ name: "gold", opensAt: early }];
  server.arm = () => Response.json({ pass: "p", expiresAt: OPENS_AT, opensAt: early }, { status: 201 });
  const model = await openPage(server);
  expect(model.opensAt).toBe(OPENS_AT);
  await model.arming.arm("seat", 1);
  expect(model.opensAt).toBe(early);
  model.sale = { ...(model.sale as NonNullable<typeof model.sale>), tiers: [{ name: "gold", opensAt: early + 1 }] };
  expect(model.opensAt).toBe(OPENS_AT);
});
