/**
 * `npm run sizing`: puts measured figures into the table of docs/operating/sizing.md.
 *
 * Reads what `npm run bench`, `growth` and `soak` kept with `--json` (`--ladder`, `--growth`, `--soak`); a figure whose file was
 * not given, or whose run proves nothing, stays as it is on the page. Which file and which member each comes from stands beside it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fillSizing, type MeasuredRuns } from "./sizing-table.ts";

const PAGE = join(import.meta.dirname, "../../docs/operating/sizing.md");

const { values } = parseArgs({
  options: { ladder: { type: "string" }, growth: { type: "string" }, soak: { type: "string" } },
});

function read<Document>(file: string | undefined): Document | null {
  return file === undefined ? null : (JSON.parse(readFileSync(file, "utf8")) as Document);
}

const runs: MeasuredRuns = { ladder: read(values.ladder), growth: read(values.growth), soak: read(values.soak) };
const { page, missing } = fillSizing(readFileSync(PAGE, "utf8"), runs);
writeFileSync(PAGE, page);
for (const name of missing) process.stdout.write(`left as it was: ${name}\n`);
