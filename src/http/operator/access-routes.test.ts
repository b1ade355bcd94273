import { beforeEach, expect, test } from "bun:test";
import { createSale, expectProblem, type Staged, stageOperatorApp } from "../../../test/support/operator-app.ts";
import { deriveBuyerId } from "../../domain/ids.ts";

let staged: Staged;

beforeEach(() => {
  staged = stageOperatorApp();
});

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

test("an allowlist beyond its bound is refused by its size", async () => {
  await createSale(staged);
  const body = Array.from({ length: 200_001 }, (_, index) => `b${index}`).join("\n");
  const headers = { "content-type": "text/plain" };
  const response = await staged.request("PUT", "/v1/admin/sales/drop/allowlist", { body, headers });
  await expectProblem(response, "payload_too_large", 413);
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

test("a ban on what is neither buyer nor address, or that is over already, is refused", async () => {
  const now = staged.clock.nowMs();
  const wrongs = [
    { kind: "device", subject: "x", reason: "x" },
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
