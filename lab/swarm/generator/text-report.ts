/**
 * The end of a swarm as text: who was answered what, how long it took, what it cost, and whether the books balance.
 */
import { counted } from "../../../src/domain/counted.ts";
import { table } from "../report.ts";
import { stageOf } from "./outcomes.ts";
import type { Percentiles, SwarmResult } from "./result.ts";

const MS_PER_S = 1_000;
const BYTES_PER_MB = 1_048_576;

/** The whole report, lines joined. */
export function renderText(result: SwarmResult): string {
  const blocks = [
    matrix(result),
    latencies(result),
    moments(result),
    cost(result),
    ...result.warnings,
    verdict(result),
  ];
  return `${blocks.join("\n\n")}\n`;
}

function matrix({ matrix: rows }: SwarmResult): string {
  const lines = Object.entries(rows).flatMap(([population, counts]) =>
    Object.entries(counts)
      .sort(([, left], [, right]) => right - left)
      .map(([outcome, requests]) => [population, outcome, stageOf(outcome), number(requests)]),
  );
  return table(["population", "outcome", "stage", "requests"], lines);
}

function latencies({ latencyMs, peak, afterSoldOut, generator }: SwarmResult): string {
  const line = (name: string, of: Percentiles): string[] => [
    name,
    number(of.count),
    ...[of.p50, of.p90, of.p99, of.p999, of.max].map((value) => `${value < 10 ? value.toFixed(1) : number(value)} ms`),
  ];
  const lines = [
    ...Object.entries(latencyMs.byPopulation)
      .filter(([, of]) => of.count > 0)
      .map(([name, of]) => line(name, of)),
    line("accepted", latencyMs.accepted),
    line("refused", latencyMs.refused),
    ...(peak === null ? [] : [line(`the peak, second ${Math.floor(peak.atMs / MS_PER_S)}`, peak.latencyMs)]),
    ...(afterSoldOut === null ? [] : [line("after the last unit", afterSoldOut.latencyMs)]),
    line("the generator's own lateness", generator.latenessMs),
  ];
  return table(["latency from the scheduled instant", "count", "p50", "p90", "p99", "p99.9", "max"], lines);
}

function moments({ requests, buyers, payments, peak, sale }: SwarmResult): string {
  const taken =
    sale.unitsTaken === null ? "" : `, ${number(sale.unitsTaken)} of ${number(sale.stock)} units held or sold`;
  const accepted = requests.accepted - buyers.accepted;
  const others = accepted === 0 ? "" : ` (and ${counted(accepted, "attempt")} of others)`;
  return [
    `Requests: ${number(requests.scheduled)} scheduled, ${number(requests.sent)} sent, ${number(requests.answered)} answered, ${counted(requests.errors, "error")}.`,
    `Buyers: ${number(buyers.decided)} of ${number(buyers.count)} had their decision, the last ${seconds(buyers.lastDecidedMs)} after the opening; ${number(buyers.accepted)} accepted${others}${taken}.`,
    ...(payments.begun === 0 ? [] : [`Payments: ${paymentWords(payments)}.`]),
    ...(peak === null ? [] : [`The peak: ${counted(peak.arrivals, "arrival")} in one second.`]),
  ].join("\n");
}

/** How many payments began, and what became of them; ends to which none came are left out. */
export function paymentWords({ begun, ...ends }: SwarmResult["payments"]): string {
  const words = [
    [ends.taken, "taken by the page of the payment"],
    [ends.elsewhere, "left at a real provider's page"],
    [ends.refused, "refused"],
    [ends.unanswered, "without an answer"],
    [ends.unsent, "not over when the run ended"],
  ] as const;
  const told = words.filter(([count]) => count > 0).map(([count, what]) => `${number(count)} ${what}`);
  return [`${number(begun)} begun`, ...told].join(", ");
}

function cost({ cpu, generator, processes }: SwarmResult): string {
  const memory = `${number(generator.residentBytes / BYTES_PER_MB)} MiB`;
  const own = `Generator: ${counted(processes, "process", "processes")}, ${generator.coresUsed.toFixed(2)} cores (${generator.coresUsedMax.toFixed(2)} in the busiest second), ${memory}, ${counted(generator.connectionsOpened, "connection")} opened.`;
  if (cpu === null) return `${own}\nProcessor time was not measured: there is no /proc here.`;
  const lines = Object.entries(cpu.usPerAnswer).map(([part, us]) => [
    part,
    number(cpu.totalMs[part] ?? 0),
    us.toFixed(1),
  ]);
  return `${table(["processor", "ms in all", "µs per answer"], lines)}\n${own}`;
}

function verdict({ findings, warnings, audit }: SwarmResult): string {
  const books = audit === null ? "" : audit.balanced ? " The audit balances: every unit is in exactly one place." : "";
  const good = warnings.length === 0 ? "good." : "good, as far as this run can say: see the warning above.";
  if (findings.length === 0) return `VERDICT: ${good}${books}`;
  return `VERDICT: not good:\n${findings.map((finding) => `  ${finding}`).join("\n")}${books === "" ? "" : `\n${books.trim()}`}`;
}

function number(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function seconds(ms: number): string {
  return `${(ms / MS_PER_S).toFixed(1)} s`;
}
