/**
 * The thread that runs the embedded Postgres, so that its work never blocks the event loop that answers buyers.
 *
 * It speaks PostgreSQL's wire protocol in messages: bytes in, bytes out, strictly in order. One session only, because
 * the embedded server has one; the pool on the other side has exactly one connection. When that is given up and
 * another one takes its place, the session is made as good as new first: no transaction, no prepared statements.
 */
import { parentPort, workerData } from "node:worker_threads";
import { PGlite } from "@electric-sql/pglite";
import type { WireMessage } from "./wire-stream.ts";

const port = parentPort;
if (port === null) throw new Error("this file runs as a worker thread of adapters/pglite/pglite-database.ts");
const { directory } = workerData as { directory: string };

/** What a client that was given up may have left in the session. LISTENs stay: they belong to the whole process. */
const RESET = "ROLLBACK; DEALLOCATE ALL";

let queue: Promise<void> = Promise.resolve();
let lastStream: number | null = null;

try {
  const server = await PGlite.create(directory);
  port.on("message", (message: WireMessage | "close") => {
    queue = queue.then(() => handle(server, message)).catch(report);
  });
  port.postMessage({ kind: "ready" });
} catch (error) {
  report(error);
}

async function handle(server: PGlite, message: WireMessage | "close"): Promise<void> {
  if (message === "close") {
    await server.close();
    port?.postMessage({ kind: "closed" });
    port?.close();
    return;
  }
  if (lastStream !== null && lastStream !== message.stream) await server.exec(RESET);
  lastStream = message.stream;
  const answer: WireMessage = { stream: message.stream, bytes: await server.execProtocolRaw(message.bytes) };
  port?.postMessage(answer);
}

function report(error: unknown): void {
  port?.postMessage({ kind: "failed", text: error instanceof Error ? error.message : String(error) });
}
