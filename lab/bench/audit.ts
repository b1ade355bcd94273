/**
 * `npm run bench:audit`: the places audit once a second while a sale runs at full load, for five minutes.
 *
 * The redis ledger, four processes for buyers, two workers; the load is whatever the machine takes. The audit is the one
 * operators use (`doorbuster audit ID --every 1000 --for 300000`). A line that says "NOT balanced" would be a false alarm
 * or a bug: both fail the run. `--for` makes it shorter.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type LedgerBench, withLedger } from "./ledger-bench.ts";

const MAIN_PATH = join(import.meta.dirname, "../../src/main.ts");
const FOR_MS = 300_000;
/** The load begins before the first look and ends after the last. */
const MARGIN_MS = 5_000;

async function run(bench: LedgerBench, forMs: number): Promise<number> {
  const saleId = await bench.openSale();
  const [accepted, code] = await Promise.all([
    bench.saturate(saleId, forMs + 2 * MARGIN_MS),
    watch(bench, saleId, forMs),
  ]);
  process.stdout.write(
    `${accepted} acceptances meanwhile, ${Math.round((accepted * 1_000) / (forMs + 2 * MARGIN_MS))} a second.\n`,
  );
  return code;
}

/** The audit's own exit code. */
async function watch(bench: LedgerBench, saleId: string, forMs: number): Promise<number> {
  const { url, token } = bench.operator;
  const options = ["--every", "1000", "--for", String(forMs), "--url", url, "--token", token];
  await new Promise((resolve) => setTimeout(resolve, MARGIN_MS));
  const child = spawn(process.execPath, [MAIN_PATH, "audit", saleId, ...options], { stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

const { values } = parseArgs({ options: { for: { type: "string" } } });
process.exit(await withLedger("redis", {}, (bench) => run(bench, Number(values.for ?? FOR_MS))));
