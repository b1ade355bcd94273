/**
 * `npm run soak -- --minutes 10`: full load for so long, and what every process holds meanwhile.
 *
 * The redis ledger, one process for buyers and one worker; a closed loop of signed attempts on a sale that is sold out, two
 * loads in turns so that it never pauses, and beside it `--accepted-per-s` reservations (200; 0 = none). Resident memory and
 * open files of every process are looked at each second. Nodes and workers must stay as they are: their memory within 5 %,
 * no more files. Redis and PostgreSQL grow by what they are given to keep, and are only told; but no process may end, and
 * whoever asks must be answered as expected. `--runtime bun|node`; `--html FILE`, `--json FILE` and `--write FILE` keep the run.
 */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Deployment, withDeployment } from "../bench/deployment.ts";
import { numberOf, oneOf, readFlags } from "../bench/flags.ts";
import { describeMachine } from "../bench/ladder-report.ts";
import type { Measurement } from "../bench/measure.ts";
import { lineChart } from "../charts/line-chart.ts";
import { htmlPage } from "../charts/page.ts";
import { whole } from "./axis.ts";
import { sampleOf } from "./process-sample.ts";
import { judgeAnswers, judgeSoak, type LoadAnswers, type SoakSample, type SoakVerdict } from "./soak-verdict.ts";
import { UNTHROTTLED } from "./subject.ts";

const CONNECTIONS = 64;
const BOOK_BUYERS = 40_000;
/** A load's signatures are fresh until its end. */
const LOAD_MS = 20_000;
const HOUR_MS = 3_600_000;
const LOOK_INTERVAL_MS = 1_000;
const MIB = 1_048_576;
const JUDGED = ["nodes", "workers"];
const MINUTE_MS = 60_000;
/** Fewer looks cannot be compared; more than a day says nothing more. */
const MINUTES = { min: 0.2, max: 1_440 };
const ACCEPTED_PER_S = { min: 0, max: 10_000 };
const EXPECTED = { refused: ["empty"], accepted: ["accepted", "queued"] } as const;
type LoadName = keyof typeof EXPECTED;

interface ProcessRecord {
  readonly name: string;
  readonly part: string;
  readonly samples: readonly SoakSample[];
}

const { values, durationMs, acceptedPerS, runtime } = readFlags(() => {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "10" },
      runtime: { type: "string", default: "bun" },
      "accepted-per-s": { type: "string", default: "200" },
      json: { type: "string" },
      html: { type: "string" },
      write: { type: "string" },
    },
  });
  return {
    values,
    durationMs: numberOf("--minutes", values.minutes, MINUTES) * MINUTE_MS,
    acceptedPerS: numberOf("--accepted-per-s", values["accepted-per-s"], ACCEPTED_PER_S),
    runtime: oneOf("--runtime", values.runtime, ["bun", "node"]),
  };
});

/** What was answered so far, of every kind of load. */
class AnswerCounts {
  readonly #outcomes = new Map<string, number>();
  #unanswered = 0;

  add({ outcomes, failures }: Measurement): void {
    this.#unanswered += failures;
    for (const [outcome, count] of Object.entries(outcomes)) {
      this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + count);
    }
  }

  get all(): LoadAnswers {
    return { outcomes: Object.fromEntries(this.#outcomes), unanswered: this.#unanswered };
  }
}

async function run(deployment: Deployment) {
  const sale = { signature: "required", opensInMs: -1_000 } as const;
  await deployment.openSale({ ...sale, id: "gone", stock: 1, isTaken: true });
  await deployment.openSale({ ...sale, id: "open", stock: 10_000_000, isTaken: false });
  const endsAtMs = performance.now() + durationMs;
  const counts = { refused: new AnswerCounts(), accepted: new AnswerCounts() };
  const [records] = await Promise.all([
    watch(deployment, endsAtMs),
    keepLoading(endsAtMs, 0, (loadMs) => refused(deployment, loadMs), counts.refused),
    keepLoading(endsAtMs, LOAD_MS / 2, (loadMs) => refused(deployment, loadMs), counts.refused),
    ...(acceptedPerS > 0 ? [keepLoading(endsAtMs, 0, (loadMs) => accepted(deployment, loadMs), counts.accepted)] : []),
  ]);
  const answers: Readonly<Partial<Record<LoadName, LoadAnswers>>> = {
    refused: counts.refused.all,
    ...(acceptedPerS > 0 ? { accepted: counts.accepted.all } : {}),
  };
  return { records, answers };
}

/** One load after the other until the end; the first begins a little later, so that two never pause at the same time. */
async function keepLoading(
  endsAtMs: number,
  afterMs: number,
  load: (loadMs: number) => Promise<Measurement>,
  counts: AnswerCounts,
): Promise<void> {
  await wait(Math.min(afterMs, durationMs / 2));
  for (let leftMs = endsAtMs - performance.now(); leftMs > 0; leftMs = endsAtMs - performance.now()) {
    counts.add(await load(Math.min(LOAD_MS, leftMs)));
  }
}

function refused(deployment: Deployment, loadMs: number): Promise<Measurement> {
  return deployment.load({ ...loadOf("gone", BOOK_BUYERS, loadMs), repeat: true, ratePerS: null });
}

function accepted(deployment: Deployment, loadMs: number): Promise<Measurement> {
  const count = Math.ceil((acceptedPerS * loadMs) / 1_000);
  return deployment.load({ ...loadOf("open", count, loadMs), repeat: false, ratePerS: acceptedPerS, isSpread: true });
}

function loadOf(saleId: string, count: number, loadMs: number) {
  const shape = { session: "genuine", signature: "right", buyers: count } as const;
  const book = { saleId, sku: "seat", count, shape, run: randomBytes(4).toString("hex") };
  return { book, connections: CONNECTIONS, warmUpMs: 0, durationMs: Math.min(loadMs, HOUR_MS) };
}

/** Looks at every process each second until the end. */
async function watch(deployment: Deployment, endsAtMs: number): Promise<readonly ProcessRecord[]> {
  const processes = deployment.processes;
  const records = processes.map(({ part = "all", pid }) => ({
    name: `${part} ${pid}`,
    part,
    samples: [] as SoakSample[],
  }));
  const startedMs = performance.now();
  for (let look = 0; performance.now() < endsAtMs; look += 1) {
    for (const [index, one] of processes.entries()) {
      records[index]?.samples.push({ atMs: Math.round(performance.now() - startedMs), ...sampleOf(one) });
    }
    await wait(Math.max(0, startedMs + (look + 1) * LOOK_INTERVAL_MS - performance.now()));
  }
  return records;
}

const { records, answers } = await withDeployment(
  { runtime, ledger: "redis", apiProcesses: 1, hasOwnWorker: true, settings: UNTHROTTLED },
  run,
);
const judged = records.map((record) => ({ ...record, verdict: judgeSoak(record.samples) }));
const loads = Object.entries(answers) as readonly (readonly [LoadName, LoadAnswers])[];
const problems = [
  ...loads.flatMap(([name, all]) => judgeAnswers(name, all, EXPECTED[name])),
  ...judged.flatMap(({ name, verdict }) => (verdict.isGone ? [`${name} ended while it was watched`] : [])),
];
/** Of those that are not judged it is only asked that they are there. */
function verdictOf(part: string, { isGone, isFlat }: SoakVerdict): string {
  if (isGone) return "gone";
  if (!JUDGED.includes(part)) return "not judged";
  return isFlat ? "flat" : "grows";
}
const head = [
  "process",
  "MiB after warm-up",
  "MiB at the end",
  "growth",
  "files after warm-up",
  "files at the end",
  "verdict",
];
const rows = judged.map(({ name, part, verdict }) => [
  name,
  (verdict.residentBytesBefore / MIB).toFixed(1),
  (verdict.residentBytesAfter / MIB).toFixed(1),
  `${(verdict.residentGrowth * 100).toFixed(1)} %`,
  String(verdict.openFilesBefore),
  String(verdict.openFilesAfter),
  verdictOf(part, verdict),
]);
const day = new Date(Date.now()).toISOString().slice(0, 10);
const told = loads.map(([name, { outcomes, unanswered }]) => {
  const all = [...Object.entries(outcomes), ["without answer", unanswered] as const].filter(([, count]) => count > 0);
  return `${name}: ${all.map(([outcome, count]) => `${whole(count)} ${outcome}`).join(", ")}`;
});
const introduction = `${values.minutes} minutes on ${runtime}; ${told.join("; ")}. Machine: ${describeMachine()}.`;
const table = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
const wrong = problems.length === 0 ? "" : `\n## Wrong\n\n${problems.map((text) => `- ${text}`).join("\n")}\n`;
const report = `# Soak, ${day}\n\n${introduction}\n\n${table}\n${wrong}`;
process.stdout.write(report);
if (values.write !== undefined) writeFileSync(values.write, report);
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ day, answers, problems, processes: judged }, null, 1)}\n`);
if (values.html !== undefined) {
  const unitX = "seconds";
  const seriesOf = (read: (sample: SoakSample) => number) =>
    records.map(({ name, samples }) => ({
      name,
      points: samples.map((one) => [one.atMs / 1_000, read(one)] as const),
    }));
  const charts = [
    lineChart({
      title: "Resident memory",
      unitX,
      unitY: "MiB",
      series: seriesOf(({ residentBytes }) => residentBytes / MIB),
    }),
    lineChart({ title: "Open files", unitX, unitY: "files", series: seriesOf(({ openFiles }) => openFiles) }),
  ];
  const section = { heading: "Run", paragraphs: [introduction, ...problems], charts, table: { head, rows } };
  writeFileSync(values.html, htmlPage({ title: `Soak, ${day}`, sections: [section] }));
}
const isFlat = judged.every(({ part, verdict }) => verdict.isFlat || !JUDGED.includes(part));
process.exit(isFlat && problems.length === 0 ? 0 : 1);
