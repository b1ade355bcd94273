/**
 * Which Doorbuster this is, as package.json says: for the command line, logs, traces and certificates.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Such as `0.1.0`. Throws when the installation has no readable package.json. */
export function readVersion(): string {
  const text = readFileSync(join(import.meta.dirname, "../../package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
