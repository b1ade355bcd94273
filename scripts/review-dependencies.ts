/**
 * What can only be said with the registry's help: `npm run review:dependencies`, after every change of the lockfile.
 *
 * Asks npm itself, over its own client: how old new packages are (by resolving package.json as of a week ago), whether
 * advisories are open, whether signatures fit. Writes the bill of materials with the days of what it found, which is
 * what the offline check goes by. `--audit` asks for advisories and signatures alone and writes nothing.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Lockfile, lockedPackages, readLockfile, readManifest } from "./lockfile.ts";
import { makeSbom, type Review, renderSbom, reviewKeyOf, reviewsIn, SBOM_FILE } from "./sbom.ts";

const ROOT = join(import.meta.dirname, "..");
const COOLDOWN_DAYS = 7;
const DAY_MS = 86_400_000;
const NPM_MS_MAX = 180_000;

/** Runs npm; answers its exit code and what it printed. */
function npm(args: readonly string[], cwd: string): { readonly code: number; readonly output: string } {
  const { status, stdout, stderr } = spawnSync("npm", args, { cwd, encoding: "utf8", timeout: NPM_MS_MAX });
  return { code: status ?? 1, output: `${stdout}${stderr}` };
}

function dayOf(instantMs: number): string {
  return new Date(instantMs).toISOString().slice(0, 10);
}

/** The lockfile that npm would have made of our package.json on a day. Throws with npm's words when there was none. */
function resolvedAsOf(day: string): Lockfile {
  const folder = mkdtempSync(join(tmpdir(), "doorbuster-review-"));
  try {
    copyFileSync(join(ROOT, "package.json"), join(folder, "package.json"));
    const args = ["install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"];
    const { code, output } = npm([...args, `--before=${day}T23:59:59Z`], folder);
    if (code !== 0) throw new Error(`package.json had no solution on ${day}:\n${output}`);
    return JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The day on which the registry says that a version was published; null when it does not say. */
function publishedOn(name: string, version: string): string | null {
  const { code, output } = npm(["view", `${name}@${version}`, "time", "--json", "--loglevel=silent"], ROOT);
  const time = code === 0 ? (JSON.parse(output || "{}") as Record<string, string>)[version] : undefined;
  return time === undefined ? null : time.slice(0, 10);
}

/** The reviews of everything in the lockfile: the old ones, and new ones for what is new. */
function review(): ReadonlyMap<string, Review> {
  const known = existsSync(SBOM_FILE) ? reviewsIn(JSON.parse(readFileSync(SBOM_FILE, "utf8"))) : new Map();
  const fresh = lockedPackages(readLockfile()).filter((one) => {
    const key = reviewKeyOf(one);
    return key !== null && !known.has(key);
  });
  const reviews = new Map<string, Review>(known);
  if (fresh.length === 0) return reviews;
  const today = dayOf(Date.now());
  const weekAgo = dayOf(Date.now() - COOLDOWN_DAYS * DAY_MS);
  const old = new Set(lockedPackages(resolvedAsOf(weekAgo)).map(reviewKeyOf));
  for (const one of fresh) {
    const key = reviewKeyOf(one) ?? "";
    const publishedBy = old.has(key) ? weekAgo : publishedOn(one.name, one.version);
    if (publishedBy !== null) reviews.set(key, { publishedBy, admittedOn: today });
    process.stdout.write(`${one.name}@${one.version}: published by ${publishedBy ?? "an unknown day"}\n`);
  }
  return reviews;
}

/** Advisories and signatures. False when something is wrong, or when the registry would not say. */
function audit(): boolean {
  const answers = [npm(["audit", "--audit-level=low"], ROOT), npm(["audit", "signatures"], ROOT)];
  for (const { output } of answers) process.stdout.write(`${output}\n`);
  return answers.every(({ code }) => code === 0);
}

if (!process.argv.includes("--audit")) {
  writeFileSync(SBOM_FILE, renderSbom(makeSbom(readManifest(), readLockfile(), review())));
}
if (!audit()) {
  process.stderr.write("npm found something, or the registry does not answer these questions; see above.\n");
  process.exitCode = 1;
}
