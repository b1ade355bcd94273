/**
 * The end of a run as text: answers per stage and reason, latencies, decisions per second, stock, and the verdict.
 *
 * Pure: everything it needs is handed in, so a test reads what a person reads. The verdict is one sentence; it says what
 * was proved when all is well, and which promise was broken otherwise.
 */
import { STAGES } from "../../src/domain/refusals.ts";
import type { Histogram } from "./histogram.ts";
import { type Evidence, type Finding, RULES } from "./judge.ts";
import { POPULATION_SHARES, type Population } from "./population.ts";
import { countAccepted, countRows, NO_ANSWER_STAGE, type TallySum } from "./tally.ts";

/** What a run came to. */
export interface RunResult {
  readonly buyerCount: number;
  readonly evidence: Evidence;
  readonly findings: readonly Finding[];
  readonly tally: TallySum;
  /** From the first process to the verdict. */
  readonly durationMs: number;
  readonly residentBytesPeak: number;
  /** How far the crowd itself fell behind its schedule, at most. */
  readonly lagMsMax: number;
}

const STAGE_ORDER: readonly string[] = [...STAGES, "none", NO_ANSWER_STAGE];
const POPULATION_TEXTS: Readonly<Record<Population, string>> = {
  normal: "press once, retry when told to",
  double_clicker: "two requests with one key at once",
  retrier: "hang up, come back with the same key",
  early_bird: "press before the opening",
  forger: "forged, altered, stale or missing signatures",
  replayer: "captured requests again: same, other key, same nonce",
  greedy: "three times the limit at once",
  impatient: "12 presses in 0.3 s, deaf to answers",
};

/** The whole report, lines joined. */
export function formatReport(result: RunResult): string {
  const blocks = [
    populationTable(result),
    answerTable(result),
    latencyTable(result),
    stockTable(result),
    paymentLine(result),
  ];
  if (result.findings.length > 0) blocks.push(findingList(result.findings));
  return `${blocks.join("\n\n")}\n\n${verdict(result)}\n`;
}

/** One sentence that a person can act on. */
export function verdict(result: RunResult): string {
  const { evidence, findings } = result;
  if (findings.length > 0) {
    const broken = findings.map((finding) => RULES[finding.rule]).join("; ");
    return `VERDICT: NOT correct: it does not hold that ${broken}.`;
  }
  const stock = evidence.items.reduce((sum, item) => sum + item.stock, 0);
  const sold = evidence.audit.items.reduce((sum, item) => sum + item.sold, 0);
  const rest = stock - sold;
  const restText = rest === 0 ? "not one more, not one left" : `the other ${number(rest)} accounted for`;
  return `VERDICT: correct: ${number(sold)} of ${number(stock)} units sold to a crowd of ${number(result.buyerCount)}, ${restText}; every answer matches the orders in the database, and no forger got through.`;
}

/** The best second, and the mean over the seconds in which anything was decided. */
export function decisionRates(answersPerSecond: readonly number[]): { best: number; rushMean: number } {
  const best = answersPerSecond.reduce((most, count) => Math.max(most, count), 0);
  const rush = answersPerSecond.filter((count) => count >= best / 4);
  return { best, rushMean: rush.length === 0 ? 0 : rush.reduce((sum, count) => sum + count, 0) / rush.length };
}

function populationTable(result: RunResult): string {
  const lines = (Object.keys(POPULATION_SHARES) as Population[]).map((population) => {
    const answers = countRows(result.tally.rows, { population });
    const accepted = countAccepted(result.tally.rows, { population });
    return [population.replace("_", " "), POPULATION_TEXTS[population], number(answers), number(accepted)];
  });
  return table(["population", "what they do", "requests", "accepted"], lines);
}

function answerTable(result: RunResult): string {
  const total = countRows(result.tally.rows, {});
  const lines: string[][] = [];
  for (const stage of STAGE_ORDER) {
    const reasons = new Set(result.tally.rows.filter((row) => row.stage === stage).map((row) => row.reason));
    const ofStage = [...reasons].map((reason) => ({ reason, count: countRows(result.tally.rows, { stage, reason }) }));
    ofStage.sort((left, right) => right.count - left.count);
    for (const { reason, count } of ofStage) {
      lines.push([stage, reason, number(count), `${((100 * count) / Math.max(1, total)).toFixed(1)} %`]);
    }
  }
  lines.push(["all", "", number(total), "100.0 %"]);
  return table(["stage", "answer", "requests", "share"], lines);
}

function latencyTable(result: RunResult): string {
  const { tally } = result;
  const line = (name: string, histogram: Histogram): string[] => [
    name,
    number(histogram.count),
    ...[0.5, 0.9, 0.99, 0.999].map((share) => milliseconds(histogram.percentileMs(share))),
    milliseconds(histogram.maxMs),
  ];
  const rates = decisionRates(tally.answersPerSecond);
  const lines = [
    line("first answer", tally.firstAnswer),
    line("accepted", tally.accepted),
    line("refused", tally.refused),
  ];
  const text = table(["latency from the scheduled instant", "count", "p50", "p90", "p99", "p99.9", "max"], lines);
  return `${text}\n\nDecisions per second: ${number(rates.best)} in the best second, ${number(rates.rushMean)} on average during the rush (crowd and shop on the same cores). The crowd left its schedule by ${milliseconds(result.lagMsMax)} at most.`;
}

function stockTable(result: RunResult): string {
  const lines = result.evidence.audit.items.map((item) => [
    item.sku,
    ...[item.total, item.sold, item.held, item.granted, item.free].map(number),
  ]);
  return table(["item", "stock", "sold", "held", "granted", "free"], lines);
}

function paymentLine(result: RunResult): string {
  const { payments } = result.tally;
  const statuses = new Map<string, number>();
  for (const order of result.evidence.orders) statuses.set(order.status, (statuses.get(order.status) ?? 0) + 1);
  const orders = [...statuses].map(([status, count]) => `${number(count)} ${status}`).join(", ");
  const memory =
    result.residentBytesPeak === 0 ? "not measured" : `${number(result.residentBytesPeak / 1_048_576)} MiB`;
  return [
    `Payments: ${number(payments.paid)} paid (${number(payments.declined)} after a declined try), ${number(payments.abandoned)} abandoned, ${number(payments.tooLate)} too late, ${number(payments.failed)} failed.`,
    ...(payments.followed === 0
      ? []
      : [
          `Queued: ${number(payments.followed)} were first told "queued" and asked until it was decided; ${number(payments.lost)} of them then heard that it was lost.`,
        ]),
    `Orders: ${orders}.`,
    `Took ${(result.durationMs / 1_000).toFixed(1)} s; peak memory of all processes together ${memory}.`,
  ].join("\n");
}

function findingList(findings: readonly Finding[]): string {
  return findings
    .map((finding) => `BROKEN ${finding.rule} (${finding.count}): ${finding.examples.join(" | ")}`)
    .join("\n");
}

/** Columns as wide as they need to be, numbers to the right. */
export function table(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  const isNumeric = header.map((_, column) => lines.every((line) => /^(?:[\d,. %ms]*|[–-])$/.test(line[column] ?? "")));
  const format = (line: readonly string[]): string =>
    line
      .map((cell, column) =>
        isNumeric[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [format(header), widths.map((width) => "-".repeat(width)).join("  "), ...lines.map(format)].join("\n");
}

function number(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function milliseconds(value: number): string {
  return value < 10 ? `${value.toFixed(1)} ms` : `${number(value)} ms`;
}
