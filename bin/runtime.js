/**
 * Finds the pinned runtimes inside node_modules, for the launcher, the build and the test runner.
 *
 * Plain JavaScript for Node 18 on purpose: this runs before anything that understands TypeScript was found. The
 * platform packages are looked at as well as the wrappers, because a wrapper's binary is put in place by an install script
 * and install scripts may be switched off.
 */
import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const BINARY_BYTES_MIN = 1_000_000;
const NODE_MAJOR_MIN = 24;
/**
 * MiB in which V8 keeps what is new, of which it has two or three. By default it takes twice as much, which a flood of
 * strangers fills and nothing gives back; half as much costs refusals a sixth (docs/benchmarks/2026-11-22-gate.md).
 */
const NODE_SEMI_SPACE_MB = 16;

/** The folder of package.json. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** @returns {string} the pinned Bun; throws with what to do when there is none. */
export function findBun() {
  const names = bunPackageNames();
  const wrapper = packageFolder("bun");
  const folders = [...names.map((name) => packageFolder(name)), ...names.map((name) => packageFolder(name, wrapper))];
  const candidates = folders
    .filter(Boolean)
    .flatMap((folder) => [join(folder, "bin/bun"), join(folder, "bin/bun.exe")]);
  if (wrapper) candidates.unshift(join(wrapper, "bin/bun.exe"));
  const found = candidates.find(isBinary);
  if (found) return found;
  throw new Error(
    `Bun is not installed (looked for ${names.join(", ")}). Run "npm ci" in ${ROOT} without --omit=optional, or set DOORBUSTER_RUNTIME=node.`,
  );
}

/** @returns {string} the pinned Node, or the running one when that is new enough; throws with what to do otherwise. */
export function findNode() {
  const wrapper = packageFolder("node");
  const platform = process.platform === "win32" ? "win" : process.platform;
  const name = `${platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node"}-${platform}-${process.arch}`;
  const folders = [wrapper, packageFolder(name, wrapper), packageFolder(name)];
  const found = folders
    .filter(Boolean)
    .flatMap((folder) => [join(folder, "bin/node"), join(folder, "bin/node.exe")])
    .find(isBinary);
  if (found) return found;
  if (Number(process.versions.node.split(".")[0]) >= NODE_MAJOR_MIN && !process.versions.bun) return process.execPath;
  throw new Error(
    `Node ${NODE_MAJOR_MIN} is not installed. Run "npm rebuild node" in ${ROOT}, or start with a Node of at least that version.`,
  );
}

/**
 * @param {string} runtime "bun" or "node"
 * @returns {[string, string[]]} the command and its own flags: Bun's make it end when its launcher is killed.
 */
export function runtimeCommand(runtime) {
  if (runtime === "bun") return [findBun(), ["--no-orphans"]];
  if (runtime === "node") return [findNode(), [`--max-semi-space-size=${NODE_SEMI_SPACE_MB}`]];
  throw new Error(`DOORBUSTER_RUNTIME is ${JSON.stringify(runtime)}; accepted: bun, node.`);
}

function bunPackageNames() {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const arch = process.arch === "arm64" ? "aarch64" : process.arch;
  const name = `@oven/bun-${platform}-${arch}`;
  return isMusl() ? [`${name}-musl`, name] : [name, `${name}-musl`];
}

function isMusl() {
  return process.platform === "linux" && !process.report.getReport().header.glibcVersionRuntime;
}

function packageFolder(name, from = ROOT) {
  if (!from) return null;
  try {
    return dirname(createRequire(join(from, "package.json")).resolve(`${name}/package.json`));
  } catch (error) {
    if (error.code === "MODULE_NOT_FOUND") return null;
    throw error;
  }
}

function isBinary(path) {
  return existsSync(path) && statSync(path).size >= BINARY_BYTES_MIN;
}
