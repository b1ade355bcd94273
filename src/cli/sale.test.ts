/**
 * `doorbuster sale show`: the line about rehearsals, however many of them there were. `sale create`: files that are wrong.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../../test/support/command-line.ts";

const PRICE = { amount: 4_900, currency: "EUR" };
const ITEM = { sku: "a", name: "A", price: PRICE, perBuyerMax: 2, total: 10, free: 4, granted: 0, held: 1, sold: 5 };
const SALE = { id: "drop", name: "First", state: "scheduled", opensAt: 0, closesAt: 60_000, items: [ITEM] };
const REHEARSALS = "/v1/admin/rehearsals";
const NONE = { settings: "now", rehearsals: [] };
const certified = (saleId: string, acceptsPerS: number) => ({
  ...NONE,
  rehearsals: [{ saleId, signed: { certificate: { acceptsPerS, issuedAt: 0, settings: "now", crowd: null } } }],
});

/** By path. */
let answers: Record<string, object> = {};
let server: Server;
let url = "";

beforeAll(async () => {
  server = createServer((request, response) => {
    const answer = answers[request.url ?? ""];
    response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

test.each([
  ["the sale's own, which is not among the deployment's latest", certified("drop", 800), "rehearsed: 800/s"],
  [
    "the deployment's latest where the sale's own failed",
    { ...NONE, rehearsals: [{ saleId: "drop", signed: null }] },
    "rehearsed, though not for this sale: 900/s",
  ],
  ["the deployment's latest where there was none for the sale", NONE, "rehearsed, though not for this sale: 900/s"],
])("a sale is shown with %s", async (_, own, line) => {
  answers = {
    "/v1/admin/sales/drop": SALE,
    [`${REHEARSALS}?saleId=drop`]: own,
    [REHEARSALS]: certified("another", 900),
  };
  const { code, out } = await runCommand(["sale", "show", "drop", "--url", url], { ADMIN_TOKEN: "token" });
  expect([code, out]).toEqual([0, expect.stringContaining(line)]);
});

test("a file that cannot be read, and an instant that is none, are a wrong call", async () => {
  const missing = await runCommand(["sale", "create", "/nowhere/sale.json", "--url", url], { ADMIN_TOKEN: "token" });
  expect([missing.code, missing.err]).toEqual([2, expect.stringContaining("Cannot read /nowhere/sale.json: ")]);
  const folder = mkdtempSync(join(tmpdir(), "doorbuster-sale-cli-"));
  const file = join(folder, "sale.json");
  writeFileSync(file, JSON.stringify({ opensAt: "tomorrow" }));
  const wrong = await runCommand(["sale", "create", file, "--url", url], { ADMIN_TOKEN: "token" });
  rmSync(folder, { recursive: true });
  expect([wrong.code, wrong.err]).toEqual([
    2,
    expect.stringMatching(/opensAt is "tomorrow" in .*; accepted: an instant/),
  ]);
});
