/**
 * A million buyers uploaded to a running node, on both runtimes: bounded memory, errors by line, and nobody else let in.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Pool } from "pg";
import { type Answer, call, expectAccepted, expectRefusal, readAnswer } from "../support/answers.ts";
import { Buyer } from "../support/buyer-client.ts";
import { SessionMint } from "../support/minted-session.ts";
import { type NodeProcess, type Runtime, startNodes } from "../support/node-process.ts";
import { Operator } from "../support/operator-client.ts";
import { PostgresCluster } from "../support/postgres-cluster.ts";
import { waitUntil } from "../support/waiting.ts";

setDefaultTimeout(120_000);

const RUNTIMES: readonly Runtime[] = ["bun", "node"];
const LINES = 1_000_000;
const LINES_PER_PIECE = 2_000;
/** Two tables of twenty megabytes, the part in flight, and what collectors leave lying about: 180 to 280 MB are usual. */
const GROWTH_BYTES_MAX = 384 * 1_048_576;

let cluster: PostgresCluster;
let urls: readonly string[];
let nodes: NodeProcess[];

beforeAll(async () => {
  cluster = await PostgresCluster.start();
  urls = await Promise.all(RUNTIMES.map(() => cluster.createDatabase()));
  nodes = await startNodes(RUNTIMES.map((runtime, index) => ({ runtime, databaseUrl: urls[index] ?? null, env: {} })));
});
afterAll(async () => {
  await Promise.all((nodes ?? []).map((node) => node.kill()));
  await cluster?.stop();
});

/** 22 characters, like the ids of a shop's own login. */
function buyerIdOf(index: number): string {
  return `customer-${String(index).padStart(13, "0")}`;
}

/** The lines as a stream that is made while it is read; `mistakes` replace lines, which are counted from 1. */
function lines(mistakes: ReadonlyMap<number, string> = new Map()): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let next = 1;
  return new ReadableStream({
    pull(controller) {
      if (next > LINES) return controller.close();
      const end = Math.min(next + LINES_PER_PIECE, LINES + 1);
      let piece = "";
      for (; next < end; next += 1) {
        piece += `${mistakes.get(next) ?? `${buyerIdOf(next)}${next % 1_000 === 0 ? ",gold" : ""}`}\n`;
      }
      controller.enqueue(encoder.encode(piece));
    },
  });
}

async function upload(node: NodeProcess, saleId: string, body: ReadableStream<Uint8Array>): Promise<Answer> {
  const init = {
    method: "PUT",
    headers: { authorization: `Bearer ${node.adminToken}`, "content-type": "text/plain" },
    body,
    duplex: "half" as const,
  };
  return readAnswer(await fetch(`${node.adminUrl}/v1/admin/sales/${saleId}/allowlist`, init));
}

/** What the process holds now, by the kernel's count. */
function residentBytes(node: NodeProcess, field: "VmRSS" | "VmHWM"): number {
  const line = readFileSync(`/proc/${node.pid}/status`, "utf8").match(new RegExp(`${field}:\\s+(\\d+) kB`));
  return Number(line?.[1]) * 1_024;
}

for (const [index, runtime] of RUNTIMES.entries()) {
  describe(`an allowlist of a million on ${runtime}`, () => {
    const node = (): NodeProcess => nodes[index] as NodeProcess;

    test("is in force within seconds, in bounded memory, and the node answers meanwhile", async () => {
      const now = Date.now();
      const tiers = [{ name: "gold", opensAt: now - 1_000 }];
      const eligibility = { allowlist: true, tiers };
      const times = { opensAt: now + 3_600_000, closesAt: now + 7_200_000 };
      const sale = await new Operator(node()).createSale({ ...times, eligibility }, [node().buyerUrl]);
      const before = residentBytes(node(), "VmRSS");
      let isDone = false;
      const waits: number[] = [];
      const watching = (async () => {
        while (!isDone) {
          const startedAt = performance.now();
          await call(`${node().buyerUrl}/v1/time`);
          waits.push(performance.now() - startedAt);
        }
      })();
      const answer = await upload(node(), sale.saleId, lines());
      isDone = true;
      await watching;
      expect(answer.json, answer.text).toEqual({ saleId: sale.saleId, buyers: LINES });

      const mint = new SessionMint(node().secret);
      const buyer = (buyerId: string) => new Buyer(node().buyerUrl, mint.mint({ buyerId }));
      await waitUntil("the list to be in force", async () => {
        return (await buyer(buyerIdOf(1_000)).reserve(sale)).status === 201;
      });
      expectAccepted(await buyer(buyerIdOf(LINES)).reserve(sale));
      expectRefusal(await buyer(buyerIdOf(LINES - 1)).reserve(sale), "not_open");
      for (const stranger of [0, LINES + 1, LINES + 1_000]) {
        expectRefusal(await buyer(buyerIdOf(stranger)).reserve(sale), "not_eligible");
      }
      expect(residentBytes(node(), "VmHWM") - before).toBeLessThan(GROWTH_BYTES_MAX);
      expect(waits.length).toBeGreaterThan(10);
    });

    test("is written while it is still arriving, and counts only when all of it has", async () => {
      const sale = await new Operator(node()).createSale({ eligibility: { allowlist: true } }, [node().buyerUrl]);
      const pool = new Pool({ connectionString: urls[index] ?? "", max: 1 });
      const encoder = new TextEncoder();
      let isHalfSent = false;
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          if (!isHalfSent) {
            isHalfSent = true;
            const half = Array.from({ length: 12_000 }, (_, line) => `${buyerIdOf(line)}\n`);
            return controller.enqueue(encoder.encode(half.join("")));
          }
          await waitUntil("two parts to be stored", async () => {
            const text = "SELECT part FROM allowlist_part JOIN allowlist_list l USING (list_id) WHERE l.sale_id = $1";
            return (await pool.query(text, [sale.saleId])).rows.length === 2;
          });
          expectRefusal(await firstBuyer().reserve(sale), "not_eligible");
          controller.enqueue(encoder.encode(`${buyerIdOf(12_000)}\n`));
          return controller.close();
        },
      });
      const firstBuyer = () => {
        return new Buyer(node().buyerUrl, new SessionMint(node().secret).mint({ buyerId: buyerIdOf(1) }));
      };
      expect((await upload(node(), sale.saleId, body)).json).toEqual({ saleId: sale.saleId, buyers: 12_001 });
      await pool.end();
      await waitUntil("the list to be in force", async () => (await firstBuyer().reserve(sale)).status === 201);
    });

    test("with wrong lines is refused as a whole, and says which they are", async () => {
      const sale = await new Operator(node()).createSale({ eligibility: { allowlist: true } }, [node().buyerUrl]);
      const mistakes = new Map([
        [2, "not an id"],
        [500_000, `${buyerIdOf(1)},gold`],
        [LINES, "=HYPERLINK(1)"],
      ]);
      const answer = await upload(node(), sale.saleId, lines(mistakes));
      const problem = expectProblem(answer);
      expect(problem.errors.map((error: { field: string }) => error.field).slice(0, 2)).toEqual([
        "line 2",
        "line 1000",
      ]);
      // The sale has no tiers, so each line that names one is wrong.
      expect(problem.detail).toContain("(and 1000 more)");
      const mint = new SessionMint(node().secret);
      const first = new Buyer(node().buyerUrl, mint.mint({ buyerId: buyerIdOf(1) }));
      let refused = await first.reserve(sale);
      // A million lines were read a moment ago, on a machine that did other things too.
      await waitUntil("the node to have time again", async () => {
        if (refused.json?.reason === "busy") refused = await first.reserve(sale);
        return refused.json?.reason !== "busy";
      });
      expectRefusal(refused, "not_eligible");
    });
  });
}

// biome-ignore lint/suspicious/noExplicitAny: see Answer.json
function expectProblem(answer: Answer): any {
  expect([answer.status, answer.json?.reason], answer.text).toEqual([400, "malformed"]);
  return answer.json;
}
