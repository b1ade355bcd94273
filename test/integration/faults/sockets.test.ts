/**
 * Sockets that stall (T15), and a node that is told to go: those who behave get their answers.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { call, expectAccepted, expectRefusal } from "../../support/answers.ts";
import { Buyer, freshKey, requestHeaders, reservationsPath } from "../../support/buyer-client.ts";
import { SessionMint } from "../../support/minted-session.ts";
import { NodeProcess, type Runtime } from "../../support/node-process.ts";
import { OPEN_LIMITS } from "../../support/open-limits.ts";
import { Operator, seat } from "../../support/operator-client.ts";
import { PostgresCluster } from "../../support/postgres-cluster.ts";
import { RawConnection, requestHead } from "../../support/raw-http.ts";
import { mapBounded, range, waitUntil } from "../../support/waiting.ts";

setDefaultTimeout(90_000);

const HALF_OPEN = 2_000;
/** Opened at once; more would only queue in the kernel. */
const OPENED_TOGETHER = 50;
const PATIENCE_MS = 45_000;
const NORMAL_WITHIN_MS = 2_000;
/** Half of what a node may take by default: idle and unused connections must not keep it. */
const ENDS_WITHIN_MS = 5_000;

let cluster: PostgresCluster;

beforeAll(async () => {
  cluster = await PostgresCluster.start();
}, 60_000);
afterAll(async () => await cluster?.stop());

async function startNode(runtime: Runtime): Promise<NodeProcess> {
  return await NodeProcess.start({ runtime, databaseUrl: await cluster.createDatabase(), env: OPEN_LIMITS });
}

interface OpenAttempt {
  readonly head: string;
  readonly body: string;
}

function attemptOf(mint: SessionMint, item: { saleId: string; sku: string }): OpenAttempt {
  const path = reservationsPath(item);
  const body = '{"quantity":1}';
  const headers = requestHeaders(mint.mint(), { path, body, idempotencyKey: freshKey() });
  return { head: requestHead("POST", path, { ...headers, "Content-Length": String(body.length) }), body };
}

for (const runtime of ["bun", "node"] as const) {
  describe(`on ${runtime}`, () => {
    test("answers normal buyers while 2,000 sockets are half open, and gets rid of those", async () => {
      const node = await startNode(runtime);
      const sockets: RawConnection[] = [];
      try {
        const mint = new SessionMint(node.secret);
        const item = await new Operator(node).createSale({ items: [seat({ stock: 1_000 })] }, [node.buyerUrl]);
        await mapBounded(range(HALF_OPEN), OPENED_TOGETHER, async (index) => {
          // From many addresses: one alone may not hold as many.
          const socket = await RawConnection.open(node.buyerPort, { from: `127.0.1.${1 + (index % 250)}` });
          const { head, body } = attemptOf(mint, item);
          if (index % 3 === 1) socket.write(head.slice(0, head.length / 2));
          if (index % 3 === 2) socket.write(`${head}${body.slice(0, 5)}`);
          sockets[index] = socket;
        });
        for (const _ of range(60)) {
          const startedAt = performance.now();
          expectAccepted(await new Buyer(node.buyerUrl, mint.mint()).reserve(item));
          expect(performance.now() - startedAt).toBeLessThan(NORMAL_WITHIN_MS);
        }
        const begun = sockets.filter((_, index) => index % 3 !== 0);
        await waitUntil(
          "the node to close what does not go on",
          () => begun.every((socket) => socket.isClosed || socket.received.length > 0),
          {
            withinMs: PATIENCE_MS,
            everyMs: 100,
          },
        );
        const audit = await new Operator(node).audit(item.saleId);
        expect(audit).toMatchObject({ balanced: true, items: [{ held: 60 }] });
      } finally {
        for (const socket of sockets) socket.close();
        await node.kill();
      }
    });

    test("answers a body that trickles in byte by byte, and the next one on the same connection", async () => {
      const node = await startNode(runtime);
      try {
        const mint = new SessionMint(node.secret);
        const item = await new Operator(node).createSale({}, [node.buyerUrl]);
        const slow = await RawConnection.open(node.buyerPort);
        const { head, body } = attemptOf(mint, item);
        for (const letter of `${head}${body}`.match(/.{1,40}/gs) ?? []) {
          slow.write(letter);
          await new Promise((resolve) => setImmediate(resolve));
        }
        expectAccepted(await slow.answer());
        const second = attemptOf(mint, item);
        slow.write(`${second.head}${second.body}`);
        expectAccepted(await slow.answer());
        slow.close();
      } finally {
        await node.kill();
      }
    });

    test("refuses as draining after SIGTERM, finishes what it has begun, and ends with code 0", async () => {
      const node = await startNode(runtime);
      try {
        const mint = new SessionMint(node.secret);
        const item = await new Operator(node).createSale({}, [node.buyerUrl]);
        const begun = attemptOf(mint, item);
        const unfinished = await RawConnection.open(node.buyerPort);
        const idle = await Promise.all(range(20).map(async () => await RawConnection.open(node.buyerPort)));
        cluster.freeze();
        unfinished.write(`${begun.head}${begun.body}`);
        // Whoever is answered after the attempt arrived tells us that the node has read the attempt.
        for (const _ of range(5)) expect((await call(`${node.buyerUrl}/v1/time`)).status).toBe(200);
        node.signal("SIGTERM");
        await waitUntil("newcomers to hear that the node goes", async () => {
          const newcomer = idle.shift() as RawConnection;
          const { head } = attemptOf(mint, { ...item, saleId: "nowhere" });
          newcomer.write(`${head}{}`);
          const answer = await newcomer.answer();
          if (answer.json.reason === "no_such_sale") return false;
          expectRefusal(answer, "draining", { retryAfter: true });
          return true;
        });
        cluster.thaw();
        expectAccepted(await unfinished.answer());
        const ended = await node.ended(ENDS_WITHIN_MS);
        expect([ended.code, ended.signal], ended.output).toEqual([0, null]);
      } finally {
        cluster.thaw();
        await node.kill();
      }
    });
  });
}
