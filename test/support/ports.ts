/**
 * Free loopback ports for servers that must be told theirs.
 *
 * Ports are drawn below the kernel's ephemeral range, so that no outgoing connection of a running test can take one
 * between our looking and the server's binding.
 */
import { createServer } from "node:net";

const PORT_MIN = 12_000;
const PORT_SPAN = 20_000;
const TRIES_MAX = 100;

/** A port of 127.0.0.1 that nobody listened on a moment ago. */
export async function takeFreePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = PORT_MIN + Math.floor(Math.random() * PORT_SPAN);
    if (await canListen(port)) return port;
  }
  throw new Error(`no free loopback port after ${TRIES_MAX} tries`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
