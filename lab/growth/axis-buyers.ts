/**
 * How cost grows with the buyers that were seen: 10,000 to a million, all different, in one sale.
 *
 * A probe is of buyers never seen before, so whoever is probed holds more after it. Among a million that is little; the
 * smaller deployment is another one for each round, and begins below 10,000 by half a probe, so that it holds 10,000 in the middle.
 */
import { type Deployment, withDeployment } from "../bench/deployment.ts";
import type { Figures } from "../bench/ladder-row.ts";
import { type AxisResult, type Comparison, type GrowthOptions, inTurns, renderParts, whole } from "./axis.ts";
import { residentBytesOfPart } from "./process-sample.ts";
import { KINDS, type Kind, PRACTICE_BUYERS, Subject, UNTHROTTLED } from "./subject.ts";

const RATIO_MAX = 1.15;
const SIZES = {
  full: { fewBuyers: 10_000, manyBuyers: 1_000_000, chunkBuyers: 20_000, probeBuyers: 10_000, rounds: 5 },
  smoke: { fewBuyers: 300, manyBuyers: 2_000, chunkBuyers: 500, probeBuyers: 300, rounds: 2 },
};
/** Code goes on being compiled better for longer than a usual practice: new deployments are compared with one that has run long. */
const PRACTICE_SALES = 24;
const MIB = 1_048_576;

interface Step {
  readonly buyers: number;
  readonly figures: Figures;
  readonly residentMib: number;
}

/** Buyers that were seen before and after the probes. */
interface Held {
  readonly from: number;
  readonly to: number;
}

interface KindResult {
  readonly kind: Kind;
  readonly steps: readonly Step[];
  readonly comparison: Comparison;
  readonly fewHeld: Held;
  readonly manyHeld: Held;
}

/** See the head of this file. */
export async function growBuyers(options: GrowthOptions): Promise<AxisResult> {
  const results: KindResult[] = [];
  for (const kind of KINDS) results.push(await growKind(kind, options));
  const { manyBuyers } = SIZES[options.isSmoke ? "smoke" : "full"];
  const practised = PRACTICE_BUYERS[options.isSmoke ? "smoke" : "full"];
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
      rows: results.flatMap(({ kind, comparison: { few, many, ratio }, fewHeld, manyHeld }) => [
        [kind, renderHeld(fewHeld), few.cpuUs.toFixed(1), renderParts(few), "1"],
        [kind, renderHeld(manyHeld), many.cpuUs.toFixed(1), renderParts(many), ratio.toFixed(2)],
      ]),
    },
    verdicts: results.map(({ kind, comparison: { ratio } }) => ({
      text: `${kind}: ${ratio.toFixed(3)} times the cost at ${whole(manyBuyers)} buyers, asked for ≤ ${RATIO_MAX}`,
      isMet: ratio <= RATIO_MAX,
    })),
    notes: [
      "Both sizes were asked in turns, with buyers never seen before, the smaller on a deployment of its own in each round: the rows say how many were held before and after a probe. The curve is of the larger one alone.",
      `Beside them every deployment has seen the ${whole(practised)} buyers of the practice.`,
    ],
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
  const form = { runtime, ledger, apiProcesses: 1, settings: UNTHROTTLED };
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
    let fewHeld: Held = { from: Number.POSITIVE_INFINITY, to: 0 };
    const probeFew = (): Promise<Figures> =>
      withDeployment(form, async (smaller) => {
        const few = await Subject.open(smaller, { ...one, practiceSales: PRACTICE_SALES }, options);
        await few.send(fewBuyers - probeBuyers / 2);
        const from = few.buyersSeen;
        const figures = await few.send(probeBuyers);
        fewHeld = { from: Math.min(fewHeld.from, from), to: Math.max(fewHeld.to, few.buyersSeen) };
        return figures;
      });
    const from = many.buyersSeen;
    const comparison = await inTurns(rounds, probeFew, () => many.send(probeBuyers));
    tell(`buyers, ${kind}: ratio ${comparison.ratio.toFixed(3)}`);
    return { kind, steps, comparison, fewHeld, manyHeld: { from, to: many.buyersSeen } };
  });
}

function renderHeld({ from, to }: Held): string {
  return `${whole(from)} to ${whole(to)}`;
}

async function takeStep(subject: Subject, deployment: Deployment, count: number): Promise<Step> {
  const figures = await subject.send(count);
  return { buyers: subject.buyersSeen, figures, residentMib: residentBytesOfPart(deployment, "nodes") / MIB };
}
