/**
 * The report as one page without anything from outside: the funnel, rates and percentiles over time, cost, errors, the audit.
 */
import { counted } from "../../../src/domain/counted.ts";
import { barChart } from "../../charts/bar-chart.ts";
import { lineChart, type Point } from "../../charts/line-chart.ts";
import { htmlPage, type PageSection } from "../../charts/page.ts";
import { isAccepted, isError, stageOf } from "./outcomes.ts";
import { type SwarmResult, type SwarmSecond, totalOf } from "./result.ts";
import { paymentWords } from "./text-report.ts";

const MS_PER_S = 1_000;
const BYTES_PER_MB = 1_048_576;
const UNIT_X = "seconds since the opening";

/** The document. */
export function renderHtml(result: SwarmResult): string {
  const sections = [
    summary(result),
    funnel(result),
    rates(result),
    latencies(result),
    cost(result),
    errors(result),
    books(result),
  ];
  return htmlPage({ title: `Swarm: ${result.scenario}`, sections });
}

function summary(result: SwarmResult): PageSection {
  const { requests, buyers, payments, sale, findings, warnings, generator } = result;
  const others = requests.accepted - buyers.accepted;
  const rows = [
    ["requests scheduled", number(requests.scheduled)],
    ["requests sent, coming again among them", number(requests.sent)],
    ["answers", number(requests.answered)],
    ["accepted, of buyers", number(buyers.accepted)],
    ...(others === 0 ? [] : [["accepted, of others", number(others)]]),
    ["errors", number(requests.errors)],
    ["buyers who had their decision", `${number(buyers.decided)} of ${number(buyers.count)}`],
    ["the last decision", `${(buyers.lastDecidedMs / MS_PER_S).toFixed(1)} s`],
    [
      "units held or sold",
      sale.unitsTaken === null ? "unknown" : `${number(sale.unitsTaken)} of ${number(sale.stock)}`,
    ],
    ["arrivals in the busiest second", number(result.peak?.arrivals ?? 0)],
    ["the generator's lateness, p99", milliseconds(generator.latenessMs.p99)],
    ["the generator's memory", `${number(generator.residentBytes / BYTES_PER_MB)} MiB`],
  ];
  return {
    heading: findings.length === 0 ? "Good" : "Not good",
    paragraphs: [
      ...findings,
      ...warnings,
      ...(payments.begun === 0 ? [] : [`Payments: ${paymentWords(payments)}.`]),
      `Run on ${new Date(result.opensAt).toISOString()}, seed ${result.seed}, ${counted(result.processes, "generating process", "generating processes")}. Sessions were minted ahead with the deployment's SECRET; each request was signed and distinct.`,
    ],
    table: { head: ["", ""], rows },
  };
}

function funnel({ stages, matrix }: SwarmResult): PageSection {
  const outcomes = totalOf(matrix);
  const bars = stages
    .filter(({ requests }) => requests > 0)
    .flatMap(({ stage }) =>
      Object.entries(outcomes)
        .filter(([outcome]) => stageOf(outcome) === stage)
        .sort(([, left], [, right]) => right - left)
        .map(([outcome, value]) => ({ name: `${stage}: ${outcome}`, value, group: stage })),
    );
  const names = Object.keys(outcomes).sort((left, right) => (outcomes[right] ?? 0) - (outcomes[left] ?? 0));
  const populations = Object.entries(matrix);
  // An outcome a row: there are many of them, and few populations, so the table fits a screen.
  const rows = names.map((name) => [
    name,
    ...populations.map(([, counts]) => (counts[name] === undefined ? "" : number(counts[name]))),
  ]);
  return {
    heading: "The funnel",
    charts: [barChart({ title: "Answers by stage and reason", unit: "requests", bars })],
    table: { head: ["answered", ...populations.map(([population]) => population)], rows },
  };
}

function rates({ seconds }: SwarmResult): PageSection {
  const answers = (isWanted: (outcome: string) => boolean) =>
    overTime(seconds, ({ outcomes }) =>
      Object.entries(outcomes).reduce((sum, [name, count]) => sum + (isWanted(name) ? count : 0), 0),
    );
  const series = [
    { name: "due", points: overTime(seconds, ({ arrivals }) => arrivals) },
    { name: "answered", points: answers((name) => !isError(name)) },
    { name: "accepted", points: answers(isAccepted) },
    { name: "errors", points: answers(isError) },
  ];
  return {
    heading: "Rates",
    charts: [lineChart({ title: "Requests each second", unitX: UNIT_X, unitY: "requests per second", series })],
  };
}

function latencies(result: SwarmResult): PageSection {
  const { seconds, latencyMs, peak, afterSoldOut } = result;
  const busy = seconds.filter(({ latencyMs: of }) => of.count > 0);
  const series = [
    { name: "p50", points: overTime(busy, ({ latencyMs: of }) => of.p50) },
    { name: "p99", points: overTime(busy, ({ latencyMs: of }) => of.p99) },
    { name: "max", points: overTime(busy, ({ latencyMs: of }) => of.max) },
  ];
  const named = [
    ...Object.entries(latencyMs.byPopulation),
    ["accepted", latencyMs.accepted] as const,
    ["refused", latencyMs.refused] as const,
    ...(peak === null ? [] : [["the busiest second", peak.latencyMs] as const]),
    ...(afterSoldOut === null ? [] : [["after the last unit", afterSoldOut.latencyMs] as const]),
  ];
  const rows = named.map(([name, of]) => [
    name,
    number(of.count),
    ...[of.p50, of.p90, of.p99, of.p999, of.max].map(milliseconds),
  ]);
  return {
    heading: "Latency from the scheduled instant",
    paragraphs: ["An attempt belongs to the second in which it was due, however late its answer came."],
    charts: [lineChart({ title: "Latency of decisions", unitX: UNIT_X, unitY: "ms", series, logY: true })],
    table: { head: ["", "count", "p50", "p90", "p99", "p99.9", "max"], rows },
  };
}

function cost({ cpu, opensAt }: SwarmResult): PageSection {
  if (cpu === null) return { heading: "Processor", paragraphs: ["Not measured: there is no /proc on this machine."] };
  const parts = Object.keys(cpu.usPerAnswer);
  const bars = parts.map((name) => ({ name, value: cpu.usPerAnswer[name] ?? 0 }));
  const series = parts.map((name) => ({
    name,
    points: cpu.samples.slice(1).map((sample, index): Point => {
      const before = cpu.samples[index];
      const usedMs = (sample.cpuMs[name] ?? 0) - (before?.cpuMs[name] ?? 0);
      return [(sample.atMs - opensAt) / MS_PER_S, usedMs / Math.max(1, sample.atMs - (before?.atMs ?? 0))];
    }),
  }));
  return {
    heading: "Processor",
    charts: [
      barChart({ title: "Processor time per answer", unit: "µs", bars }),
      lineChart({ title: "Cores used", unitX: UNIT_X, unitY: "cores", series }),
    ],
  };
}

function errors({ matrix, seconds }: SwarmResult): PageSection {
  const found = Object.entries(totalOf(matrix)).filter(([name]) => isError(name));
  if (found.length === 0) return { heading: "Errors", paragraphs: ["None."] };
  const series = found.map(([name]) => ({ name, points: overTime(seconds, ({ outcomes }) => outcomes[name] ?? 0) }));
  return {
    heading: "Errors",
    charts: [lineChart({ title: "Errors each second", unitX: UNIT_X, unitY: "requests per second", series })],
    table: { head: ["error", "requests"], rows: found.map(([name, count]) => [name, number(count)]) },
  };
}

function books({ audit, sale }: SwarmResult): PageSection {
  if (audit === null) return { heading: "Audit", paragraphs: ["Nobody was asked."] };
  const rows = audit.items.map((item) => [
    item.sku,
    ...[item.total, item.free, item.granted, item.held, item.sold].map(number),
  ]);
  return {
    heading: "Audit",
    paragraphs: [
      audit.balanced ? "Balanced: every unit is in exactly one place." : "NOT balanced.",
      ...audit.violations.map((violation) => JSON.stringify(violation)),
      `Sale ${sale.id}: ${number(sale.unitsAccepted)} units were answered as accepted.`,
    ],
    table: { head: ["item", "total", "free", "granted", "held", "sold"], rows },
  };
}

function overTime(seconds: readonly SwarmSecond[], heightOf: (second: SwarmSecond) => number): readonly Point[] {
  return seconds.map((second): Point => [second.atMs / MS_PER_S, heightOf(second)]);
}

function number(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : number(value)} ms`;
}
