/**
 * `npm test`: the whole suite on a machine that has only Node and npm, with the real servers it needs.
 *
 * Missing servers are installed when that is possible (root on Debian) and named when it is not; nothing is skipped in
 * silence. The rings run one after the other, because two cores shared by a browser, a database and a crowd make
 * timings lie. The last line is the sum. Arguments narrow the run to matching test files; --long adds the nightly runs.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findBun, findNode, ROOT } from "./runtime.js";
import { ensureServers } from "./servers.js";

const UNIT = ["./src", "./client", "./web", "./lab", "./test/tidy"];
const RINGS = [
  { name: "unit and tidy", paths: UNIT, minutesMax: 4, flags: ["--parallel=2"] },
  { name: "conformance", paths: ["./test/conformance"], minutesMax: 5, flags: [] },
  { name: "integration", paths: ["./test/integration"], minutesMax: 9, flags: [] },
  { name: "browser", paths: ["./test/e2e"], minutesMax: 4, flags: [] },
];
const TEST_MS_MAX = 60_000;
const LONG_FACTOR = 12;

async function main() {
  const args = process.argv.slice(2);
  const isLong = args.includes("--long");
  const patterns = args.filter((arg) => !arg.startsWith("--"));
  ensureServers();
  findNode();
  const built = spawnSync(process.execPath, [join(ROOT, "bin/build.js")], { stdio: "inherit" });
  if (built.status !== 0) throw new Error("the pages could not be built");

  const folder = mkdtempSync(join(tmpdir(), "doorbuster-test-"));
  const total = { passed: 0, failed: 0 };
  try {
    for (const ring of patterns.length > 0 ? [narrowed(patterns)] : RINGS) {
      const result = await runRing(ring, { folder, isLong });
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

function narrowed(patterns) {
  return { name: "chosen files", paths: patterns, minutesMax: 9, flags: [] };
}

/** Runs one ring and counts. A ring that crashed, hung or ran nothing where there are files has failed. */
function runRing(ring, { folder, isLong }) {
  const report = join(folder, `${ring.name.replaceAll(" ", "-")}.xml`);
  const paths = ring.paths.filter((path) => !path.startsWith("./") || existsSync(join(ROOT, path)));
  const reporter = ["--reporter=junit", `--reporter-outfile=${report}`];
  const args = ["--no-orphans", "test", `--timeout=${TEST_MS_MAX}`, ...ring.flags, ...reporter, ...paths];
  const startedAt = process.hrtime.bigint();
  const child = spawn(findBun(), args, {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...(isLong ? { LONG: "1" } : {}) },
  });
  const msMax = ring.minutesMax * 60_000 * (isLong ? LONG_FACTOR : 1);
  const watchdog = setTimeout(() => {
    process.stdout.write(`\n${ring.name}: still running after ${msMax / 60_000} minutes, ended.\n`);
    child.kill("SIGKILL");
  }, msMax);
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

/** Totals of a JUnit report: the attributes of its outermost element. */
function countResults(report) {
  if (!existsSync(report)) return { passed: 0, failed: 0 };
  const head = /<testsuites[^>]*>/.exec(readFileSync(report, "utf8"))?.[0] ?? "";
  const number = (name) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = number("failures") + number("errors");
  return { passed: number("tests") - failed - number("skipped"), failed };
}

main().catch((error) => {
  process.stdout.write(`\n${error.message}\n0 passed, 1 failed\n`);
  process.exitCode = 1;
});
