/**
 * `npm test`: the whole suite on a machine that has only Node and npm, with the real servers it needs.
 *
 * Missing servers are installed when that is possible (root on Debian) and named when it is not; nothing is skipped in
 * silence. The rings run one after the other, because two cores shared by a browser, a database and a crowd make
 * timings lie; only what mostly waits runs side by side. All of it stays below ten minutes: what does not fit is for the
 * night (--long). The last line is the sum. Arguments narrow the run to matching test files.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findBun, findNode, ROOT } from "./runtime.js";
import { ensureServers } from "./servers.js";

const CONFORMANCE = /^test\/conformance\//;
/** What depends on the runtime most: drivers, connections, threads. The rest of conformance runs on Node every night. */
const CONFORMANCE_OF_DRIVERS =
  /^test\/conformance\/(captcha|drawings|leadership|pglite|postgres|redis|redis-connection|webhook-sender)\./;
const API = /^test\/(integration\/api-|security\/)/;
/** Each database and each runtime once; the other two combinations every night. */
const API_BY_DAY = /^test\/(integration\/api-(postgres-bun|pglite-node)\.|security\/)/;
/** Crowds want the machine nearly for themselves: beside one of them, one that mostly waits for a recovery. */
const CROWDS = /^test\/integration\/(chaos|demo-redis|floods|ratios|stack|faults\/(crowd|kill))\./;
/** Uses all cores by itself. */
const SIMULATION = /^lab\/simulation\/simulation\.test\.ts$/;
const PROCESSES = {
  test: (path) => /^test\/integration\/(?!api-)/.test(path) && !CROWDS.test(path),
};
const RINGS = [
  {
    name: "unit and tidy",
    files: /^(src|client|web|lab(?!\/simulation\/simulation\.test)|scripts|test\/tidy)\//,
    minutesMax: 4,
    flags: ["--parallel=3"],
  },
  { name: "simulation", files: SIMULATION, minutesMax: 9 },
  { name: "conformance on Bun", files: CONFORMANCE, minutesMax: 6, flags: ["--parallel=3"] },
  {
    name: "conformance on Node",
    files: CONFORMANCE,
    byDay: CONFORMANCE_OF_DRIVERS,
    minutesMax: 6,
    runtime: "node",
    flags: ["--test-concurrency=3"],
  },
  { name: "API and security", files: API, byDay: API_BY_DAY, minutesMax: 6, flags: ["--parallel=3"] },
  { name: "crowds", files: CROWDS, minutesMax: 8, flags: ["--parallel=2"] },
  { name: "processes and faults", files: PROCESSES, minutesMax: 8, flags: ["--parallel=3"] },
  { name: "browser", files: /^test\/e2e\//, minutesMax: 4, flags: ["--parallel=2"] },
];
const FOLDERS = ["src", "client", "web", "lab", "scripts", "test"];
const TEST_MS_MAX = 60_000;
/** The nightly run: random tests draw this many cases, and everything may take this many times as long. */
const LONG_RUNS = "2000";
const LONG_FACTOR = 12;

async function main() {
  const args = process.argv.slice(2);
  const isLong = args.includes("--long");
  const patterns = args.filter((arg) => !arg.startsWith("--"));
  ensureServers();
  findNode();
  const tests = FOLDERS.flatMap(testFiles);
  const rings = patterns.length > 0 ? [narrowed(patterns)] : RINGS;
  const forgotten = tests.filter((path) => !RINGS.some((ring) => ring.files.test(path)));
  if (forgotten.length > 0) throw new Error(`no ring runs ${forgotten.join(", ")}`);
  if (patterns.length === 0) buildPages();

  const folder = mkdtempSync(join(tmpdir(), "doorbuster-test-"));
  const total = { passed: 0, failed: 0 };
  try {
    for (const ring of rings) {
      const files = isLong ? ring.files : (ring.byDay ?? ring.files);
      const paths = tests.filter((path) => files.test(path));
      const result = await runRing(ring, { paths, folder, isLong });
      total.passed += result.passed;
      total.failed += result.failed;
      process.stdout.write(`\n${ring.name}: ${result.passed} passed, ${result.failed} failed, ${result.seconds} s\n\n`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (total.passed === 0) total.failed += 1;
  process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
  process.exitCode = total.failed === 0 ? 0 : 1;
}

function buildPages() {
  const { status } = spawnSync(process.execPath, [join(ROOT, "bin/build.js")], { stdio: "inherit" });
  if (status !== 0) throw new Error("the pages could not be built");
}

/** Files whose path contains one of the given parts; "./" in front does not matter. */
function narrowed(parts) {
  const isWanted = (path) => parts.some((part) => path.includes(part.replace(/^\.\//, "")));
  return { name: "chosen files", files: { test: isWanted }, minutesMax: 9 };
}

/** Runs one ring and counts. One that crashed or hung has failed, whatever it counted before. */
function runRing(ring, { paths, folder, isLong }) {
  const report = join(folder, `${ring.name.replaceAll(" ", "-")}.report`);
  if (paths.length === 0) return { passed: 0, failed: 0, seconds: 0 };
  const factor = isLong ? LONG_FACTOR : 1;
  const testMsMax = TEST_MS_MAX * factor;
  const [command, args] =
    ring.runtime === "node" ? nodeCommand(ring, paths, report, testMsMax) : bunCommand(ring, paths, report, testMsMax);
  const startedAt = process.hrtime.bigint();
  const child = spawn(command, args, {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...(isLong ? { RUNS: process.env.RUNS ?? LONG_RUNS } : {}) },
  });
  const minutesMax = ring.minutesMax * factor;
  const watchdog = setTimeout(() => {
    process.stdout.write(`\n${ring.name}: still running after ${minutesMax} minutes, ended.\n`);
    child.kill("SIGKILL");
  }, minutesMax * 60_000);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => {
      clearTimeout(watchdog);
      const counted = countResults(report);
      if (code !== 0 && counted.failed === 0) counted.failed = 1;
      resolve({ ...counted, seconds: Number((process.hrtime.bigint() - startedAt) / 1_000_000_000n) });
    });
  });
}

function bunCommand(ring, paths, report, testMsMax) {
  const reporter = ["--reporter=junit", `--reporter-outfile=${report}`];
  const flags = ["--no-orphans", "test", `--timeout=${testMsMax}`, ...(ring.flags ?? []), ...reporter];
  return [findBun(), [...flags, ...paths.map((path) => `./${path}`)]];
}

function nodeCommand(ring, paths, report, testMsMax) {
  const flags = [
    `--test-timeout=${testMsMax}`,
    ...(ring.flags ?? []),
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=tap",
    `--test-reporter-destination=${report}`,
  ];
  return [findNode(), ["--test", ...flags, ...paths]];
}

/** The test files below a folder, sorted. */
function testFiles(folder) {
  const names = existsSync(join(ROOT, folder)) ? readdirSync(join(ROOT, folder), { recursive: true }) : [];
  return names
    .filter((name) => /\.test\.tsx?$/.test(name))
    .map((name) => join(folder, name))
    .sort();
}

/** Totals of a report: Bun's JUnit names them in its outermost element, Node's TAP in its last lines. */
function countResults(report) {
  if (!existsSync(report)) return { passed: 0, failed: 0 };
  const text = readFileSync(report, "utf8");
  const head = /<testsuites[^>]*>/.exec(text)?.[0];
  const find = (expression) => Number(expression.exec(head ?? text)?.[1] ?? 0);
  if (head === undefined) {
    return { passed: find(/^# pass (\d+)$/m), failed: find(/^# fail (\d+)$/m) + find(/^# cancelled (\d+)$/m) };
  }
  const failed = find(/\bfailures="(\d+)"/) + find(/\berrors="(\d+)"/);
  return { passed: find(/\btests="(\d+)"/) - failed - find(/\bskipped="(\d+)"/), failed };
}

main().catch((error) => {
  process.stdout.write(`\n${error.message}\n0 passed, 1 failed\n`);
  process.exitCode = 1;
});
