/**
 * `npm run mixed`: five thousand honest buyers want a thousand units, and nine of ten requests are somebody else's.
 *
 * Prints who has what at the end, which layer stopped whom, and the verdict; `--json` writes the figures to a file. Ends with 1
 * when hostile buyers hold more than 5 % of the units, when more than 0.5 % of the honest were refused, or when the crowd was
 * not hostile enough to prove anything. `--open` takes the gate away, to see what it is for.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { runMixed } from "./hostile/mixed-run.ts";
import { FARM_SIZE } from "./hostile/populations.ts";
import { problemsOf, renderMixed, sharesOf } from "./hostile/verdict.ts";

const { values } = parseArgs({
  options: {
    honest: { type: "string", default: "5000" },
    stock: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    "farm-size": { type: "string", default: String(FARM_SIZE) },
    runtime: { type: "string", default: "bun" },
    postgres: { type: "boolean", default: false },
    edge: { type: "boolean", default: false },
    "kill-edge": { type: "boolean", default: false },
    open: { type: "boolean", default: false },
    json: { type: "string" },
  },
});

const figures = await runMixed({
  runtime: values.runtime === "node" ? "node" : "bun",
  honestCount: Number(values.honest),
  stock: Number(values.stock),
  seed: Number(values.seed),
  farmSize: Number(values["farm-size"]),
  hasPostgres: values.postgres,
  hasEdge: values.edge || values["kill-edge"],
  killsEdge: values["kill-edge"],
  isGateOpen: values.open,
  say: (line) => process.stderr.write(`${line}\n`),
});
const problems = problemsOf(figures);
process.stdout.write(`${renderMixed(figures)}\n`);
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ ...figures, shares: sharesOf(figures), problems }, null, 2)}\n`);
}
process.exit(problems.length === 0 ? 0 : 1);
