/**
 * nginx itself accepts what we write for it, hides a dead node from buyers, and passes on whose request it is.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeFreePort } from "../../test/support/ports.ts";
import { createSystemClock } from "../swarm/system-clock.ts";
import { Nginx, nginxConfiguration } from "./nginx.ts";
import { findServerPrograms } from "./programs.ts";

const clock = createSystemClock();
const RESERVE = "/v1/sales/s/items/i/reservations";

interface FakeNode {
  readonly server: Server;
  readonly port: number;
  readonly requests: string[];
  forwardedFor: string | undefined;
  /** Hangs up instead of answering, as a node that is killed meanwhile. */
  isDying: boolean;
}

async function startNode(): Promise<FakeNode> {
  const server = createServer((request: IncomingMessage, response) => {
    if (request.url === "/v1/time") return void response.end("{}");
    node.requests.push(`${request.method} ${request.url}`);
    node.forwardedFor = String(request.headers["x-forwarded-for"]);
    if (node.isDying) request.socket.destroy();
    else response.end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const node: FakeNode = { server, port, requests: [], forwardedFor: undefined, isDying: false };
  return node;
}

describe("nginx in front of two nodes", () => {
  let folder = "";
  let nodes: readonly FakeNode[] = [];
  let nginx: Nginx;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "doorbuster-nginx-"));
    nodes = [await startNode(), await startNode()];
    const port = await takeFreePort();
    const nodePorts = nodes.map((node) => node.port);
    const program = findServerPrograms(process.env["PATH"] ?? "").nginx;
    nginx = Nginx.spawn({ program, port, nodePorts, folder, clock });
    await nginx.untilReady();
  });
  afterEach(async () => {
    await nginx.stop();
    for (const { server } of nodes) {
      server.closeAllConnections();
      server.close();
    }
    rmSync(folder, { recursive: true });
  });

  async function post(path: string, buyer?: string): Promise<number> {
    const headers = { "x-forwarded-for": "10.1.2.3", ...(buyer === undefined ? {} : { authorization: buyer }) };
    return (await fetch(`http://127.0.0.1:${nginx.port}${path}`, { method: "POST", body: "{}", headers })).status;
  }

  test("spreads buyers over the nodes and says whose request it is", async () => {
    for (let count = 0; count < 20; count++) expect(await post("/v1/sessions")).toBe(200);
    expect(nodes.every((node) => node.requests.length >= 5)).toBe(true);
    expect(nodes[0]?.forwardedFor).toBe("10.1.2.3, 127.0.0.1");
  });

  test("keeps a buyer's attempts on one node, and buyers together on all", async () => {
    for (let count = 0; count < 6; count++) await post(RESERVE, "Bearer a");
    expect(nodes.map((node) => node.requests.length).sort()).toEqual([0, 6]);
    for (let index = 0; index < 40; index++) await post(RESERVE, `Bearer ${index}`);
    expect(nodes.every((node) => node.requests.length >= 10)).toBe(true);
  });

  test("hides a node whose port is closed from every request", async () => {
    nodes[0]?.server.closeAllConnections();
    nodes[0]?.server.close();
    for (let count = 0; count < 20; count++) {
      expect(await post(RESERVE)).toBe(200);
      expect(await post("/v1/sessions")).toBe(200);
    }
  });

  test("sends an attempt to another node when the first one died under it", async () => {
    for (const node of nodes.slice(0, 1)) node.isDying = true;
    for (let count = 0; count < 10; count++) expect(await post(RESERVE)).toBe(200);
    expect(nodes[0]?.requests.length).toBeGreaterThan(0);
  });

  test("does not send anything else a second time: the first one may have acted on it", async () => {
    for (const node of nodes) node.isDying = true;
    expect(await post("/v1/reservations/rid/checkout")).toBe(502);
    expect(nodes.flatMap((node) => node.requests)).toHaveLength(1);
  });
});

test("workers of a root's nginx stay root, because the folder is nobody else's", () => {
  const settings = { port: 1_234, nodePorts: [1, 2], folder: "/f" };
  expect(nginxConfiguration({ ...settings, isRoot: true })).toStartWith("user root;\n");
  expect(nginxConfiguration({ ...settings, isRoot: false })).not.toContain("user ");
});
