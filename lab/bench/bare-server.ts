/**
 * The yardstick: the least an HTTP server of this runtime can do, a fixed text for every request.
 *
 * Uses each runtime's own server, as the listeners do. Prints its port and runs until it is killed.
 */
import { createServer } from "node:http";

interface BareBun {
  serve(options: { port: number; hostname: string; fetch: () => Response }): { port: number };
}

const bun = (globalThis as { Bun?: BareBun }).Bun;
if (bun !== undefined) {
  const server = bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
  process.stdout.write(`${server.port}\n`);
} else {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/plain", "content-length": 5 });
    response.end("hello");
  });
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    process.stdout.write(`${typeof address === "object" && address !== null ? address.port : ""}\n`);
  });
}
