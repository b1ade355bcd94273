import { beforeEach, expect, test } from "bun:test";
import { createSale, expectProblem, type Staged, stageOperatorApp } from "../../../test/support/operator-app.ts";
import { deriveBuyerId } from "../../domain/ids.ts";

let staged: Staged;

beforeEach(() => {
  staged = stageOperatorApp();
});

const PATH = "/v1/admin/sales/drop/allowlist";

function put(
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
  contentType: string,
): Promise<Response> {
  return staged.request("PUT", PATH, { body, headers: { "content-type": contentType } });
}

async function withTiers(...names: string[]): Promise<void> {
  const tiers = names.map((name, index) => ({ name, opensAt: staged.clock.nowMs() + index + 1, levelMin: 1 }));
  const response = await staged.request("PATCH", "/v1/admin/sales/drop", { json: { eligibility: { tiers } } });
  expect(response.status).toBe(200);
}

test("an allowlist is replaced as a whole, from JSON with logins or from text", async () => {
  await createSale(staged);
  const login = { issuer: "https://shop.example", subject: "user-7" };
  const json = { buyerIds: ["b-1", "b-2", "b-1"], subjects: [login] };
  const response = await staged.request("PUT", "/v1/admin/sales/drop/allowlist", { json });
  expect(await response.json()).toEqual({ saleId: "drop", buyers: 3 });
  expect(staged.allowlists.get("drop")).toEqual(["b-1", "b-2", deriveBuyerId(login)]);
  const text = await staged.request("PUT", "/v1/admin/sales/drop/allowlist", {
    body: "\ufeff# VIPs\r\nb-3\n\n  b-4  \n",
    headers: { "content-type": "text/plain; charset=utf-8" },
  });
  expect(await text.json()).toEqual({ saleId: "drop", buyers: 2 });
  expect(staged.allowlists.get("drop")).toEqual(["b-3", "b-4"]);
});

test("a wrong line refuses the whole allowlist and is named", async () => {
  await createSale(staged);
  const response = await staged.request("PUT", "/v1/admin/sales/drop/allowlist", {
    body: "b-1\nnot an id\nb-2\n=cmd()",
    headers: { "content-type": "text/plain" },
  });
  const problem = await expectProblem(response, "malformed", 400);
  expect((problem["errors"] as { field: string }[]).map((error) => error.field)).toEqual(["line 2", "line 4"]);
  expect(staged.allowlists.has("drop")).toBe(false);
  const form = { body: "b-1", headers: { "content-type": "application/x-www-form-urlencoded" } };
  await expectProblem(await staged.request("PUT", "/v1/admin/sales/drop/allowlist", form), "malformed", 400);
});

test("an allowlist beyond its bound is refused by its size, and nothing of it stays", async () => {
  await createSale(staged);
  const body = Array.from({ length: 1_000_001 }, (_, index) => `b${index}`).join("\n");
  const response = await put(body, "text/plain");
  await expectProblem(response, "payload_too_large", 413);
  expect(staged.allowlists.has("drop")).toBe(false);
  expect(staged.allowlistsDiscarded).toBe(1);
});

test("a million lines are taken in parts, with duplicates counted once", async () => {
  await createSale(staged);
  const lines = Array.from({ length: 1_000_000 }, (_, index) => `b${index}`);
  const response = await put(`${lines.join("\n")}\nb0\nb999999\n`, "text/plain");
  expect(await response.json()).toEqual({ saleId: "drop", buyers: 1_000_000 });
  expect(staged.allowlists.get("drop")).toHaveLength(1_000_000);
});

test("lines may name tiers of the sale, as text or as CSV with a heading and quotes", async () => {
  await createSale(staged);
  await withTiers("gold", "silver");
  await put("b-1,gold\nb-2 , silver\nb-3\nb-4,\n", "text/plain");
  expect(staged.allowlists.get("drop")).toEqual(["b-1,gold", "b-2,silver", "b-3", "b-4"]);
  await put('"buyerId","tier"\r\n"b-5","gold"\r\nb-6,', "text/csv");
  expect(staged.allowlists.get("drop")).toEqual(["b-5,gold", "b-6"]);
});

test("every kind of wrong line is named with its number, and the others are counted", async () => {
  await createSale(staged);
  await withTiers("gold", "silver");
  const body = [
    "b-1,gold",
    "b-1,silver",
    "b-2,bronze",
    "b-3,gold,now",
    `${"x".repeat(5_000)}`,
    "b-4,go ld",
    "b-1,gold",
    "buyerId",
  ].join("\n");
  const problem = await expectProblem(await put(body, "text/plain"), "malformed", 400);
  expect(problem["errors"]).toEqual([
    { field: "line 2", text: "names a buyer whom an earlier line has in another tier" },
    { field: "line 3", text: "names a tier that the sale does not have" },
    { field: "line 4", text: expect.stringContaining("must name its tier") },
    { field: "line 5", text: expect.stringContaining("must be a buyer id") },
    { field: "line 6", text: expect.stringContaining("must name its tier") },
  ]);
  const many = Array.from({ length: 5_000 }, () => "not an id").join("\n");
  const flood = await expectProblem(await put(many, "text/plain"), "malformed", 400);
  expect(flood["errors"]).toHaveLength(20);
  expect(flood["detail"]).toContain("(and 4999 more)");
});

test("a list is read the same however its bytes are cut into pieces", async () => {
  await createSale(staged);
  const bytes = new TextEncoder().encode("\ufeffb-1\r\nb-2\r\rb-3\n# Füße\n\nb-4");
  for (let cut = 1; cut < bytes.length; cut += 1) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes.slice(0, cut));
        controller.enqueue(bytes.slice(cut));
        controller.close();
      },
    });
    const response = await staged.request("PUT", PATH, { body, headers: { "content-type": "text/plain" } });
    expect(response.status).toBe(200);
    expect(staged.allowlists.get("drop")).toEqual(["b-1", "b-2", "b-3", "b-4"]);
  }
});

test("a body that is not UTF-8, or that ends in the midst, leaves the old list in force", async () => {
  await createSale(staged);
  await put("b-1", "text/plain");
  const latin = Uint8Array.of(0x62, 0x0a, 0xe9, 0x0a);
  await expectProblem(await put(latin, "text/plain"), "malformed", 400);
  const broken = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode("b-2\nb-3"));
      controller.error(new Error("the line went dead"));
    },
  });
  await expectProblem(await put(broken, "text/plain"), "malformed", 400);
  expect(staged.allowlists.get("drop")).toEqual(["b-1"]);
});

test("bans are made, listed and lifted, and addresses are kept in the throttle's form", async () => {
  const ban = async (json: unknown): Promise<Record<string, unknown>> => {
    const response = await staged.request("POST", "/v1/admin/bans", { json });
    expect(response.status).toBe(201);
    return (await response.json()) as Record<string, unknown>;
  };
  const buyer = await ban({ kind: "buyer", subject: "b-1", reason: "bot" });
  expect(buyer).toMatchObject({ kind: "buyer", subject: "b-1", expiresAt: null, createdAt: staged.clock.nowMs() });
  expect(await ban({ kind: "ip", subject: "203.0.113.7", reason: "x", durationMs: 60_000 })).toMatchObject({
    subject: "203.0.113.7",
    expiresAt: staged.clock.nowMs() + 60_000,
  });
  const short = await ban({ kind: "ip", subject: "2001:db8::1", reason: "x" });
  const long = await ban({ kind: "ip", subject: "2001:0DB8:0:0:ffff::9", reason: "x" });
  expect(short["subject"]).toBe(long["subject"]);
  const listed = (await (await staged.request("GET", "/v1/admin/bans")).json()) as { bans: unknown[] };
  expect(listed.bans).toHaveLength(4);
  expect((await staged.request("DELETE", `/v1/admin/bans/${String(buyer["id"])}`)).status).toBe(204);
  expect(staged.bans.size).toBe(3);
});

test("a device is banned by its key, and whoever is exempt is so until lifted", async () => {
  const make = async (json: unknown): Promise<unknown> =>
    (await staged.request("POST", "/v1/admin/bans", { json })).json();
  const device = { kind: "device", subject: "abcdefghijkl", reason: "a farm" };
  expect(await make(device)).toMatchObject({ ...device, effect: "refuse", origin: "operator" });
  const office = { kind: "ip", subject: "203.0.113.7", reason: "our own office", effect: "exempt" };
  expect(await make(office)).toMatchObject({ ...office, expiresAt: null });
});

test("thousands of bans are not sent as one page, but counted", async () => {
  const createdAt = staged.clock.nowMs();
  for (let index = 0; index < 1_500; index += 1) {
    const ban = { id: `cd-${index}`, kind: "buyer", subject: `b-${index}`, reason: "unpaid", createdAt } as const;
    staged.bans.set(ban.id, { ...ban, effect: "cool_down", origin: "automatic", expiresAt: null });
  }
  const listed = (await (await staged.request("GET", "/v1/admin/bans")).json()) as { bans: unknown[]; total: number };
  expect(listed.bans).toHaveLength(1_000);
  expect(listed.total).toBe(1_500);
});

test("a ban on what is neither buyer nor address, or that is over already, is refused", async () => {
  const now = staged.clock.nowMs();
  const wrongs = [
    { kind: "device", subject: "x", reason: "x" },
    { kind: "device", subject: "not a device", reason: "x" },
    { kind: "buyer", subject: "b-1", reason: "x", effect: "cool_down" },
    { kind: "planet", subject: "x", reason: "x" },
    { kind: "buyer", subject: "a b", reason: "x" },
    { kind: "ip", subject: "300.1.1.1", reason: "x" },
    { kind: "ip", subject: "10.0.0.0/8", reason: "x" },
    { kind: "ip", subject: "203.0.113.7" },
    { kind: "buyer", subject: "b-1", reason: "x", expiresAt: now - 1 },
    { kind: "buyer", subject: "b-1", reason: "x", expiresAt: now + 1, durationMs: 5_000 },
  ];
  for (const json of wrongs) {
    await expectProblem(await staged.request("POST", "/v1/admin/bans", { json }), "malformed", 400);
  }
  expect(staged.bans.size).toBe(0);
});
