/**
 * How cost grows with what the same load is spread over: items of sales, sales at once, connections.
 *
 * The smallest size runs all the time beside each larger one, and both are asked in turns.
 */
import { type Deployment, withDeployment } from "../bench/deployment.ts";
import type { Figures } from "../bench/ladder-row.ts";
import {
  type AxisName,
  type AxisResult,
  type Comparison,
  type GrowthOptions,
  inTurns,
  renderParts,
  whole,
} from "./axis.ts";
import { connectionsPossible } from "./open-files.ts";
import { KINDS, type Kind, Subject, UNTHROTTLED } from "./subject.ts";

/** The most that one sale may have. */
const ITEMS_PER_SALE_MAX = 64;
const PROBES = { full: { buyers: 20_000, rounds: 5 }, smoke: { buyers: 300, rounds: 2 } };
const SALES_RATIO_MAX = 1.2;
const RATES_PER_S = { full: { refused: 8_000, accepted: 4_000 }, smoke: { refused: 300, accepted: 200 } };
/** Every connection is used more often than a node would close it for being idle. */
const PACED_MS = { full: 5_000, smoke: 1_000 };

interface Grown {
  readonly kind: Kind;
  readonly size: number;
  readonly comparison: Comparison;
  /** Of the larger, while nobody is there. */
  readonly idleCpuMsPerS: number;
}

/** One subject a size, each on a deployment of its own. */
interface SpreadAxis {
  readonly axis: AxisName;
  readonly title: string;
  readonly sizes: readonly number[];
  readonly ratioMax: number | null;
  readonly notes: readonly string[];
  readonly spreadOf: (size: number) => { readonly sales: number; readonly items: number };
}

/** 1 to 1,000 items, over as many sales as that takes. */
export function growItems(options: GrowthOptions): Promise<AxisResult> {
  return growSpread(options, {
    axis: "items",
    title: "Items",
    sizes: options.isSmoke ? [1, 70] : [1, 8, 64, 256, 1_000],
    ratioMax: null,
    notes: [`A sale has at most ${ITEMS_PER_SALE_MAX} items, so more of them are spread over several sales.`],
    spreadOf: (size) => {
      const sales = Math.ceil(size / ITEMS_PER_SALE_MAX);
      return { sales, items: Math.ceil(size / sales) };
    },
  });
}

/** 1 to 500 sales, all of them loaded at the same time. */
export function growSales(options: GrowthOptions): Promise<AxisResult> {
  return growSpread(options, {
    axis: "sales",
    title: "Sales at once",
    sizes: options.isSmoke ? [1, 6] : [1, 10, 100, 500],
    ratioMax: SALES_RATIO_MAX,
    notes: ["Attempts go to all sales in turns; a batch is of one item, so more sales mean smaller batches."],
    spreadOf: (size) => ({ sales: size, items: 1 }),
  });
}

async function growSpread(options: GrowthOptions, axis: SpreadAxis): Promise<AxisResult> {
  const { buyers, rounds } = PROBES[options.isSmoke ? "smoke" : "full"];
  const [smallest = 1, ...larger] = axis.sizes;
  const grown: Grown[] = [];
  for (const kind of KINDS) {
    await withSubject(kind, axis.spreadOf(smallest), options, async (few) => {
      for (const size of larger) {
        const one = await withSubject(kind, axis.spreadOf(size), options, async (many) => {
          const idleCpuMsPerS = await many.idleCpuMsPerS();
          // The smaller one has run for a while: a first round, which is not counted, so that both have.
          await many.send(buyers);
          const comparison = await inTurns(
            rounds,
            () => few.send(buyers),
            () => many.send(buyers),
          );
          return { idleCpuMsPerS, comparison };
        });
        grown.push({ kind, size, ...one });
        options.tell(`${axis.axis}, ${kind}: ${whole(size)}, ratio ${one.comparison.ratio.toFixed(3)}`);
      }
    });
  }
  return renderSpread({ ...axis, smallest, grown });
}

function withSubject<Result>(
  kind: Kind,
  spread: { readonly sales: number; readonly items: number },
  options: GrowthOptions,
  work: (subject: Subject) => Promise<Result>,
): Promise<Result> {
  const { runtime, ledger } = options;
  return withDeployment({ runtime, ledger, apiProcesses: 1, settings: UNTHROTTLED }, async (deployment) =>
    work(await Subject.open(deployment, { kind, ...spread }, options)),
  );
}

/** 100 to 20,000 connections under the same load; opening them is not part of the figure. */
export async function growConnections(options: GrowthOptions): Promise<AxisResult> {
  const scale = options.isSmoke ? "smoke" : "full";
  const possible = connectionsPossible();
  const sizes = (options.isSmoke ? [20, 200] : [100, 1_000, 5_000, 20_000]).map((size) => Math.min(size, possible));
  const [smallest = 1, ...larger] = [...new Set(sizes)];
  const grown: Grown[] = [];
  const { runtime, ledger } = options;
  for (const kind of KINDS) {
    await withDeployment(
      { runtime, ledger, apiProcesses: 1, settings: UNTHROTTLED },
      async (deployment: Deployment) => {
        const subject = await Subject.open(deployment, { kind, sales: 1, items: 1 }, options);
        const ratePerS = RATES_PER_S[scale][kind];
        const probe = (connections: number): Promise<Figures> =>
          subject.send((ratePerS * PACED_MS[scale]) / 1_000, { connections, ratePerS });
        for (const size of larger) {
          const comparison = await inTurns(
            PROBES[scale].rounds,
            () => probe(smallest),
            () => probe(size),
          );
          grown.push({ kind, size, comparison, idleCpuMsPerS: await subject.idleCpuMsPerS() });
          options.tell(`connections, ${kind}: ${whole(size)}, ratio ${comparison.ratio.toFixed(3)}`);
        }
      },
    );
  }
  const { refused, accepted } = RATES_PER_S[scale];
  const notes = [
    `An open loop of ${whole(refused)} refused or ${whole(accepted)} accepted attempts a second, every connection in its turn.`,
    ...(possible < Math.max(...sizes) + 1
      ? [`This machine lets a process open no more than ${whole(possible)} connections.`]
      : []),
  ];
  return renderSpread({ axis: "connections", title: "Connections", ratioMax: null, notes, smallest, grown });
}

function renderSpread(axis: {
  readonly axis: AxisName;
  readonly title: string;
  readonly ratioMax: number | null;
  readonly notes: readonly string[];
  readonly smallest: number;
  readonly grown: readonly Grown[];
}): AxisResult {
  const { title, ratioMax, smallest, grown } = axis;
  const largest = Math.max(...grown.map(({ size }) => size));
  const ofKind = (kind: Kind): readonly Grown[] => grown.filter((one) => one.kind === kind);
  const judged = grown.filter(({ size }) => size === largest);
  return {
    axis: axis.axis,
    title,
    charts: [
      {
        title: `Cost of a decision over ${title.toLowerCase()}, with ${whole(smallest)} = 1`,
        unitX: title.toLowerCase(),
        unitY: "times the cost of the smallest",
        logX: true,
        series: KINDS.map((kind) => ({
          name: kind,
          points: [
            [smallest, 1] as const,
            ...ofKind(kind).map(({ size, comparison }) => [size, comparison.ratio] as const),
          ],
        })),
      },
    ],
    table: {
      head: [
        "attempts",
        title.toLowerCase(),
        "CPU µs",
        "of these",
        `CPU µs with ${whole(smallest)}`,
        "ratio",
        "CPU ms/s idle",
      ],
      rows: grown.map(({ kind, size, comparison: { few, many, ratio }, idleCpuMsPerS }) => [
        kind,
        whole(size),
        many.cpuUs.toFixed(1),
        renderParts(many),
        few.cpuUs.toFixed(1),
        ratio.toFixed(2),
        idleCpuMsPerS.toFixed(0),
      ]),
    },
    verdicts:
      ratioMax === null
        ? []
        : judged.map(({ kind, comparison: { ratio } }) => ({
            text: `${kind}: ${ratio.toFixed(3)} times the cost at ${whole(largest)}, asked for ≤ ${ratioMax}`,
            isMet: ratio <= ratioMax,
          })),
    notes: [
      ...axis.notes,
      "The last column is what all processes spend while nobody is there; it is part of the cost of decisions too.",
    ],
    figures: Object.fromEntries(judged.map(({ kind, comparison: { ratio } }) => [`${kind}RatioAtLargest`, ratio])),
  };
}
