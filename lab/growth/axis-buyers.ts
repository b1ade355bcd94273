/**
 * How cost grows with the buyers that were seen: 10,000 to a million, all different, in one sale.
 */
import { type Deployment, withDeployment } from "../bench/deployment.ts";
import type { Figures } from "../bench/ladder-row.ts";
import { type AxisResult, type Comparison, type GrowthOptions, inTurns, renderParts, whole } from "./axis.ts";
import { residentBytesOfPart } from "./process-sample.ts";
import { KINDS, type Kind, NO_RATES, Subject } from "./subject.ts";

const RATIO_MAX = 1.15;
const SIZES = {
  full: { fewBuyers: 10_000, manyBuyers: 1_000_000, chunkBuyers: 20_000, probeBuyers: 10_000, rounds: 5 },
  smoke: { fewBuyers: 300, manyBuyers: 2_000, chunkBuyers: 500, probeBuyers: 300, rounds: 2 },
};
const MIB = 1_048_576;

interface Step {
  readonly buyers: number;
  readonly figures: Figures;
  readonly residentMib: number;
}

interface KindResult {
  readonly kind: Kind;
  readonly steps: readonly Step[];
  readonly comparison: Comparison;
}

/** See the head of this file. */
export async function growBuyers(options: GrowthOptions): Promise<AxisResult> {
  const results: KindResult[] = [];
  for (const kind of KINDS) results.push(await growKind(kind, options));
  const { fewBuyers, manyBuyers } = SIZES[options.isSmoke ? "smoke" : "full"];
  return {
    axis: "buyers",
    title: "Buyers seen",
    charts: [
      {
        title: "Cost of a decision over buyers seen",
        unitX: "buyers",
        unitY: "CPU µs per decision",
        logX: true,
        series: results.map(({ kind, steps }) => ({
          name: kind,
          points: steps.map(({ buyers, figures }) => [buyers, figures.cpuUs] as const),
        })),
      },
      {
        title: "Resident memory of the node over buyers seen",
        unitX: "buyers",
        unitY: "MiB",
        series: results.map(({ kind, steps }) => ({
          name: kind,
          points: steps.map(({ buyers, residentMib }) => [buyers, residentMib] as const),
        })),
      },
    ],
    table: {
      head: ["attempts", "buyers", "CPU µs", "of these", "ratio"],
      rows: results.flatMap(({ kind, comparison: { few, many, ratio } }) => [
        [kind, whole(fewBuyers), few.cpuUs.toFixed(1), renderParts(few), "1"],
        [kind, whole(manyBuyers), many.cpuUs.toFixed(1), renderParts(many), ratio.toFixed(2)],
      ]),
    },
    verdicts: results.map(({ kind, comparison: { ratio } }) => ({
      text: `${kind}: ${ratio.toFixed(3)} times the cost at ${whole(manyBuyers)} buyers, asked for ≤ ${RATIO_MAX}`,
      isMet: ratio <= RATIO_MAX,
    })),
    notes: ["Both sizes were asked in turns, with buyers never seen before; the curve is of the larger one alone."],
    figures: Object.fromEntries(
      results.flatMap(({ kind, comparison: { few, many, ratio } }) => [
        [`${kind}Ratio`, ratio],
        [`${kind}FewCpuUs`, few.cpuUs],
        [`${kind}ManyCpuUs`, many.cpuUs],
      ]),
    ),
  };
}

async function growKind(kind: Kind, options: GrowthOptions): Promise<KindResult> {
  const { fewBuyers, manyBuyers, chunkBuyers, probeBuyers, rounds } = SIZES[options.isSmoke ? "smoke" : "full"];
  const { runtime, ledger, tell } = options;
  const form = { runtime, ledger, apiProcesses: 1, settings: NO_RATES };
  const one = { kind, sales: 1, items: 1 };
  return withDeployment(form, async (larger) => {
    const many = await Subject.open(larger, one, options);
    const steps: Step[] = [await takeStep(many, larger, fewBuyers)];
    while (many.buyersSeen < manyBuyers) {
      const step = await takeStep(many, larger, Math.min(chunkBuyers, manyBuyers - many.buyersSeen));
      steps.push(step);
      tell(
        `buyers, ${kind}: ${whole(step.buyers)} seen, ${step.figures.cpuUs.toFixed(1)} µs, ${whole(step.residentMib)} MiB`,
      );
    }
    return withDeployment(form, async (smaller) => {
      const few = await Subject.open(smaller, one, options);
      await few.send(fewBuyers);
      const comparison = await inTurns(
        rounds,
        () => few.send(probeBuyers),
        () => many.send(probeBuyers),
      );
      tell(`buyers, ${kind}: ratio ${comparison.ratio.toFixed(3)}`);
      return { kind, steps, comparison };
    });
  });
}

async function takeStep(subject: Subject, deployment: Deployment, count: number): Promise<Step> {
  const figures = await subject.send(count);
  return { buyers: subject.buyersSeen, figures, residentMib: residentBytesOfPart(deployment, "nodes") / MIB };
}
