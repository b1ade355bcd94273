/**
 * Lines over a number: how something grows or goes over time. A pure function from data to a self-contained SVG.
 *
 * A logarithmic axis has no place for zero and below: such points are left out and counted in the description. A line of
 * more than POINTS_MAX points keeps the lowest and the highest of each stretch, so a single spike is never lost.
 */
import { COLOURS, chart, element, key, round, sample, textAt, widthOf } from "./frame.ts";
import { canShow, linearScale, logarithmicScale, type Scale } from "./scale.ts";
import { escapeText, formatNumber } from "./text.ts";

export type Point = readonly [x: number, y: number];

export interface LineChartOptions {
  readonly title: string;
  /** What x counts, as "buyers" or "seconds since the opening". */
  readonly unitX: string;
  readonly unitY: string;
  /** Points in the order they are joined. */
  readonly series: readonly { readonly name: string; readonly points: readonly Point[] }[];
  readonly logX?: boolean;
  readonly logY?: boolean;
}

const WIDTH = 960;
const PLOT_TOP = 56;
const PLOT_HEIGHT = 260;
const RIGHT = 24;
const POINTS_MAX = 1_000;
const MARKED_POINTS_MAX = 40;
const DASHES = ["none", "7 3", "2 3", "10 3 2 3"];

interface Plot {
  readonly left: number;
  readonly right: number;
  readonly scaleX: Scale;
  readonly scaleY: Scale;
}

/** The chart; without any point it says that there is no data. */
export function lineChart(options: LineChartOptions): string {
  const { title, unitX, unitY, logX = false, logY = false } = options;
  const series = options.series.map(({ name, points }) => {
    const shown = points.filter(([x, y]) => canShow(x, logX) && canShow(y, logY));
    return { name, points: thinned(shown), leftOut: points.length - shown.length, all: shown };
  });
  const points = series.flatMap((one) => one.points);
  const valuesX = points.map(([x]) => x);
  const valuesY = points.map(([, y]) => y);
  const scaleX = logX ? logarithmicScale(valuesX) : linearScale(valuesX, { fromZero: false });
  const scaleY = logY ? logarithmicScale(valuesY) : linearScale(valuesY, { fromZero: true });
  const labelWidth = Math.max(0, ...scaleY.marks.map((mark) => widthOf(mark.label)));
  const plot = { left: labelWidth + 24, right: WIDTH - RIGHT, scaleX, scaleY };
  const names = key(
    series.map(({ name }) => name),
    { x: plot.left, y: PLOT_TOP + PLOT_HEIGHT + 56, width: WIDTH - plot.left - RIGHT },
  );
  const lines = series.map((one, index) => drawLine(one, { index, plot, unitX, unitY }));
  const nothing = textAt({ x: WIDTH / 2, y: PLOT_TOP + PLOT_HEIGHT / 2, anchor: "middle" }, "No data");
  const content = points.length === 0 ? nothing : [drawAxes(plot, { unitX, unitY }), ...lines].join("");
  return chart({
    title,
    description: describe(series, { unitX, unitY }),
    width: WIDTH,
    height: PLOT_TOP + PLOT_HEIGHT + 50 + names.height + 8,
    content: content + names.drawing,
  });
}

function drawAxes({ left, right, scaleX, scaleY }: Plot, units: { unitX: string; unitY: string }): string {
  const bottom = PLOT_TOP + PLOT_HEIGHT;
  const parts: string[] = [];
  for (const { at, label } of scaleY.marks) {
    const y = bottom - at * PLOT_HEIGHT;
    parts.push(element("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }));
    parts.push(textAt({ x: left - 6, y: y + 4, anchor: "end" }, label));
  }
  for (const { at, label } of scaleX.marks) {
    const x = left + at * (right - left);
    parts.push(element("line", { class: "axis", x1: x, x2: x, y1: bottom, y2: bottom + 4 }));
    parts.push(textAt({ x, y: bottom + 18, anchor: "middle" }, label));
  }
  parts.push(element("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }));
  parts.push(textAt({ x: left, y: PLOT_TOP - 6 }, units.unitY));
  parts.push(textAt({ x: right, y: bottom + 36, anchor: "end" }, units.unitX));
  return parts.join("");
}

function drawLine(
  { name, points }: { name: string; points: readonly Point[] },
  { index, plot, unitX, unitY }: { index: number; plot: Plot; unitX: string; unitY: string },
): string {
  const placed = points.map(([x, y]) => ({
    x: plot.left + plot.scaleX.place(x) * (plot.right - plot.left),
    y: PLOT_TOP + PLOT_HEIGHT * (1 - plot.scaleY.place(y)),
  }));
  const path = placed.map(({ x, y }) => `${round(x)},${round(y)}`).join(" ");
  const dashes = DASHES[Math.floor(index / COLOURS) % DASHES.length] ?? "none";
  const line = element("polyline", { class: `line c${index % COLOURS}`, "stroke-dasharray": dashes, points: path });
  if (points.length > MARKED_POINTS_MAX) return line;
  const marks = points.map(([x, y], at) => {
    const hint = `${name}: ${formatNumber(y)} ${unitY} at ${formatNumber(x)} ${unitX}`;
    return element("g", {}, element("title", {}, escapeText(hint)) + sample(index, placed[at] ?? { x: 0, y: 0 }));
  });
  return line + marks.join("");
}

function describe(
  series: readonly { name: string; all: readonly Point[]; leftOut: number }[],
  { unitX, unitY }: { unitX: string; unitY: string },
): string {
  const sentences = series.map(({ name, all, leftOut }) => {
    const rest = leftOut === 0 ? "" : ` ${leftOut} could not be shown.`;
    const [first, last] = [all[0], all.at(-1)];
    if (first === undefined || last === undefined) return `${name}: no data.${rest}`;
    const values = all.map(([, y]) => y);
    const low = values.reduce((found, value) => Math.min(found, value));
    const high = values.reduce((found, value) => Math.max(found, value));
    const way = `from ${formatNumber(first[1])} at ${formatNumber(first[0])} to ${formatNumber(last[1])} at ${formatNumber(last[0])}`;
    return `${name}: ${way}, between ${formatNumber(low)} and ${formatNumber(high)}.${rest}`;
  });
  return `${unitY} over ${unitX}. ${sentences.length === 0 ? "No data." : sentences.join(" ")}`;
}

/** The lowest and the highest of each stretch, in the order they came; the first and last point stay. */
function thinned(points: readonly Point[]): readonly Point[] {
  if (points.length <= POINTS_MAX) return points;
  const stretch = Math.ceil((points.length * 2) / POINTS_MAX);
  const kept = new Set([0, points.length - 1]);
  for (let from = 0; from < points.length; from += stretch) {
    let [low, high] = [from, from];
    for (let at = from; at < Math.min(points.length, from + stretch); at += 1) {
      if (heightOf(points, at) < heightOf(points, low)) low = at;
      if (heightOf(points, at) > heightOf(points, high)) high = at;
    }
    kept.add(low).add(high);
  }
  return points.filter((_, at) => kept.has(at));
}

function heightOf(points: readonly Point[], at: number): number {
  return points[at]?.[1] ?? 0;
}
