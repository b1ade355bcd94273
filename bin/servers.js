/**
 * Sees to it that the real servers the tests talk to are installed: PostgreSQL, Redis, nginx and a browser.
 *
 * As root on Debian or Ubuntu the missing ones are installed from the distribution; anywhere else the run stops and says
 * what to install. The tests start and stop the servers themselves, in temporary folders on loopback ports.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const POSTGRES_FOLDER = "/usr/lib/postgresql";
const POSTGRES_VERSION_MIN = 15;
const REDIS = ["/usr/bin/redis-server", "/usr/local/bin/redis-server"];
const NGINX = ["/usr/sbin/nginx", "/usr/bin/nginx"];
const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const INSTALL_MS_MAX = 300_000;

/** Installs what is missing; throws with what to install when it cannot. */
export function ensureServers() {
  const missing = [
    hasPostgres() ? null : "postgresql",
    hasOneOf(REDIS) ? null : "redis-server",
    hasOneOf(NGINX) ? null : "nginx",
    hasOneOf(BROWSERS) ? null : "chromium",
  ].filter(Boolean);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    throw new Error(
      `The tests need ${missing.join(" and ")} (PostgreSQL ${POSTGRES_VERSION_MIN} or newer in ${POSTGRES_FOLDER}, Redis 7.0 or newer, nginx, Chromium in /usr/bin). ` +
        `Install: sudo apt-get install ${missing.join(" ")}`,
    );
  }
  process.stdout.write(`Installing ${missing.join(" and ")} …\n`);
  run(["update", "-qq"]);
  run(["install", "-y", "-qq", "--no-install-recommends", ...missing]);
  if (!hasPostgres())
    throw new Error(`PostgreSQL ${POSTGRES_VERSION_MIN} or newer is not among this system's packages.`);
}

function hasOneOf(paths) {
  return paths.some((path) => existsSync(path));
}

function hasPostgres() {
  if (!existsSync(POSTGRES_FOLDER)) return false;
  return readdirSync(POSTGRES_FOLDER)
    .filter((version) => Number(version) >= POSTGRES_VERSION_MIN)
    .some((version) => existsSync(join(POSTGRES_FOLDER, version, "bin/postgres")));
}

function run(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const { status } = spawnSync("apt-get", args, {
    stdio: ["ignore", "ignore", "inherit"],
    env,
    timeout: INSTALL_MS_MAX,
  });
  if (status !== 0) throw new Error(`apt-get ${args.join(" ")} failed`);
}
