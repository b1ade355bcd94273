/**
 * The thread that runs the embedded Postgres, so that its work never blocks the event loop that answers buyers.
 *
 * It speaks PostgreSQL's wire protocol in messages: bytes in, bytes out, strictly in order. One session only, because
 * the embedded server has one; the pool on the other side has exactly one connection.
 */
import { parentPort, workerData } from "node:worker_threads";
import { PGlite } from "@electric-sql/pglite";

const port = parentPort;
if (port === null) throw new Error("this file runs as a worker thread of adapters/pglite/pglite-database.ts");
const { directory } = workerData as { directory: string | null };

let queue: Promise<void> = Promise.resolve();

try {
  const server = directory === null ? await PGlite.create() : await PGlite.create(directory);
  port.on("message", (message: Uint8Array | "close") => {
    queue = queue.then(() => handle(server, message)).catch(report);
  });
  port.postMessage({ kind: "ready" });
} catch (error) {
  report(error);
}

async function handle(server: PGlite, message: Uint8Array | "close"): Promise<void> {
  if (message === "close") {
    await server.close();
    port?.postMessage({ kind: "closed" });
    port?.close();
    return;
  }
  const answer = await server.execProtocolRaw(message);
  port?.postMessage(answer);
}

function report(error: unknown): void {
  port?.postMessage({ kind: "failed", text: error instanceof Error ? error.message : String(error) });
}
