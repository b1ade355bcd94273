/**
 * Builds the pages into web/dist: `npm run build`, and by itself after `npm ci`.
 *
 * Without the pages' sources (a partial check-out, an image that carries web/dist ready-made) there is nothing to do, and
 * that is not an error.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { findBun, ROOT } from "./runtime.js";

const SCRIPT = join(ROOT, "scripts/build-web.ts");

if (existsSync(SCRIPT) && existsSync(join(ROOT, "web"))) {
  const { status, error } = spawnSync(findBun(), [SCRIPT], { stdio: "inherit", cwd: ROOT });
  if (error) throw error;
  process.exitCode = status ?? 1;
} else {
  process.stdout.write("No sources of the pages here; nothing to build.\n");
}
