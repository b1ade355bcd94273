/**
 * The end of a swarm that cannot close its own sale: the result stays what it was, the error stays the first one, and how to
 * close the sale is said either way.
 */
import { afterEach, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { StockRow } from "../judge.ts";
import { OperatorClient } from "../operator-client.ts";
import { createSystemClock } from "../system-clock.ts";
import { parseScenario } from "./scenario.ts";
import { runSwarm, type SwarmOptions, type SwarmProgress, type SwarmTrouble } from "./swarm.ts";

const STOCK = 5;
const SCENARIO = `
name: tiny
sale: { stock: ${STOCK} }
requests: 2
populations:
  pairs: { kind: buyer, share: 1, quantity: 2, arrivals: { curve: steady, durationMs: 20 } }
  nobody: { kind: forger, share: 0, arrivals: { curve: steady, durationMs: 20 } }
`;

let server: Server | null = null;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** Every pair gets what it wants; orders are written a while after they were accepted. */
class FakeShop {
  readonly calls: string[] = [];
  /** As the swarm named its sale. */
  id = "";
  failing: RegExp = /never/;
  words = "no answer";
  /** As the operators' port answers buyers. */
  isOperators = false;
  items: readonly StockRow[] = [];
  #opensAt = 0;
  #audits = 0;
  readonly operator = new OperatorClient({ call: (method, path, body) => this.#call(`${method} ${path}`, body) });

  async start(): Promise<number> {
    server = createServer((request, response) => {
      request.resume();
      if (this.isOperators) return void response.writeHead(404).end('{"reason":"not_found"}');
      response
        .writeHead(request.method === "POST" ? 201 : 200)
        .end(JSON.stringify({ rid: "r", opensAt: this.#opensAt }));
    });
    await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }

  async #call(line: string, body: unknown): Promise<unknown> {
    this.calls.push(line.replace(/swarm-[a-z0-9]{12}/, "ID"));
    if (line.startsWith("PATCH ")) this.#opensAt = (body as { opensAt: number }).opensAt;
    if (line === "POST /v1/admin/sales") this.id = (body as { id: string }).id;
    if (this.failing.test(line)) throw new Error(`${this.words} to ${line.split("/").at(-1)}`);
    if (!line.endsWith("/audit")) return { state: "open", items: this.items };
    this.#audits += 1;
    const held = this.#audits === 1 ? 2 : 4;
    const row = { sku: "ticket", total: STOCK, free: STOCK - held, granted: 0, held, sold: 0 };
    return { balanced: true, items: [row], violations: [] };
  }
}

async function optionsFor(shop: FakeShop): Promise<SwarmOptions> {
  return {
    scenario: parseScenario(SCENARIO, "test"),
    targets: [{ hostname: "127.0.0.1", port: await shop.start() }],
    operator: shop.operator,
    secret: "a secret of the test, long enough to be one",
    clock: createSystemClock(),
  };
}

test("a result outlives a sale that cannot be closed, and waits for the units, not the attempts, to be written down", async () => {
  const shop = new FakeShop();
  shop.failing = /\/close$/;
  const result = await runSwarm(await optionsFor(shop));
  expect(result.findings).toEqual([]);
  expect(result.matrix).toEqual({ pairs: { held: 2 }, nobody: {} });
  expect(result.sale).toMatchObject({ id: shop.id, unitsTaken: 4, unitsAccepted: 4 });
  expect(result.warnings.at(-1)).toContain(`doorbuster sale close ${shop.id}`);
  expect(shop.calls.slice(-4)).toEqual([
    ...["GET /v1/admin/sales/ID/audit", "GET /v1/admin/sales/ID/audit"],
    ...["POST /v1/admin/sales/ID/close", "POST /v1/admin/sales/ID/close"],
  ]);
}, 20_000);

test("a sale whose making was not answered is closed all the same; the first error is the one that is thrown", async () => {
  const shop = new FakeShop();
  const told: (SwarmProgress | SwarmTrouble)[] = [];
  const options = {
    ...(await optionsFor(shop)),
    onProgress: (one: SwarmProgress | SwarmTrouble) => void told.push(one),
  };
  shop.failing = /\/sales$/;
  await expect(runSwarm(options)).rejects.toThrow("no answer to sales");
  expect(shop.calls).toEqual(["POST /v1/admin/sales", "POST /v1/admin/sales/ID/close"]);
  expect(told).toEqual([]);

  shop.failing = /\/sales$|\/close$/;
  shop.words = "was answered with 409";
  await expect(runSwarm(options)).rejects.toThrow("was answered with 409");
  expect(shop.calls.slice(2)).toEqual(["POST /v1/admin/sales"]);
  expect(told).toEqual([]);

  shop.words = "no answer";
  await expect(runSwarm(options)).rejects.toThrow("no answer to sales");
  expect(told).toEqual([
    { phase: "trouble", trouble: expect.stringContaining(`doorbuster sale close ${shop.id}`) as never },
  ]);
}, 20_000);

test("a sale that was made is closed after any failure, a no to what came next among them", async () => {
  const shop = new FakeShop();
  shop.failing = /^PATCH /;
  shop.words = "was answered with 409";
  await expect(runSwarm(await optionsFor(shop))).rejects.toThrow("was answered with 409");
  expect(shop.calls).toEqual([
    ...["POST /v1/admin/sales", "PATCH /v1/admin/sales/ID"],
    "POST /v1/admin/sales/ID/close",
  ]);
}, 20_000);

test("the operators' port is told as such before anybody gets a session, for a sale that is there as well", async () => {
  const shop = new FakeShop();
  shop.isOperators = true;
  const phases: string[] = [];
  const options = {
    ...(await optionsFor(shop)),
    onProgress: ({ phase }: { phase: string }) => void phases.push(phase),
  };
  const words = "answers 404 not_found: it is a node's port for operators";
  await expect(runSwarm(options)).rejects.toThrow(words);
  expect(shop.calls).toEqual(["POST /v1/admin/sales", "POST /v1/admin/sales/ID/close"]);
  shop.items = [{ sku: "ticket", total: 9, free: 9, granted: 0, held: 0, sold: 0 }];
  await expect(runSwarm({ ...options, saleId: "drop" })).rejects.toThrow(words);
  expect(phases).toEqual([]);
}, 20_000);
