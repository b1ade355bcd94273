/**
 * Bars beside each other: several things of one unit. A pure function from data to a self-contained SVG.
 *
 * Bars lie, because their names are sentences. They always begin at zero, or their lengths would lie. Bars of one group
 * have one colour, in the order in which groups first appear.
 */
import { COLOURS, chart, element, key, textAt, widthOf } from "./frame.ts";
import { linearScale } from "./scale.ts";
import { escapeText, formatNumber, shorten } from "./text.ts";

export interface BarChartOptions {
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly { readonly name: string; readonly value: number; readonly group?: string }[];
}

const WIDTH = 960;
const TOP = 40;
const BAR_HEIGHT = 16;
const BAR_DISTANCE = 23;
const NAME_CHARACTERS_MAX = 44;
const VALUE_WIDTH = 62;

/** The chart; without a bar it says that there is no data, and a value that is no number has a name but no bar. */
export function barChart({ title, unit, bars }: BarChartOptions): string {
  const groups = [...new Set(bars.flatMap(({ group }) => (group === undefined ? [] : [group])))];
  const finite = bars.map(({ value }) => value).filter(Number.isFinite);
  const scale = linearScale(finite, { fromZero: true });
  const nameWidth = Math.max(0, ...bars.map(({ name }) => widthOf(shorten(name, NAME_CHARACTERS_MAX))));
  const left = nameWidth + 24;
  const plotWidth = Math.max(120, WIDTH - left - VALUE_WIDTH);
  const bottom = TOP + Math.max(1, bars.length) * BAR_DISTANCE + 4;
  const placeOf = (value: number): number => left + scale.place(Number.isFinite(value) ? value : 0) * plotWidth;
  const grid = scale.marks.map(({ at, label }) => {
    const x = left + at * plotWidth;
    const line = element("line", { class: "grid", x1: x, x2: x, y1: TOP - 4, y2: bottom });
    return line + textAt({ x, y: bottom + 16, anchor: "middle" }, label);
  });
  const rows = bars.map(({ name, value, group }, index) => {
    const y = TOP + index * BAR_DISTANCE;
    const [from, to] = [Math.min(placeOf(0), placeOf(value)), Math.max(placeOf(0), placeOf(value))];
    const colour = Math.max(0, groups.indexOf(group ?? "")) % COLOURS;
    const hint = escapeText(`${name}${group === undefined ? "" : ` (${group})`}: ${formatNumber(value)} ${unit}`);
    const bar = element("rect", {
      class: `bar c${colour}`,
      x: from,
      y,
      width: Math.max(1, to - from),
      height: BAR_HEIGHT,
    });
    const label = textAt({ x: left - 8, y: y + 12, anchor: "end" }, shorten(name, NAME_CHARACTERS_MAX));
    const figure = textAt({ x: Math.max(to, left) + 5, y: y + 12 }, formatNumber(value));
    return element("g", {}, `<title>${hint}</title>${label}${Number.isFinite(value) ? bar : ""}${figure}`);
  });
  const names = key(groups, { x: 24, y: bottom + 44, width: WIDTH - 48 });
  const nothing = textAt({ x: WIDTH / 2, y: TOP + 12, anchor: "middle" }, "No data");
  const drawn = [...grid, ...rows, textAt({ x: left, y: bottom + 32 }, unit), names.drawing].join("");
  return chart({
    title,
    description: `${unit}. ${bars.map(({ name, value }) => `${name}: ${formatNumber(value)}`).join("; ") || "No data"}.`,
    width: Math.max(WIDTH, left + plotWidth + VALUE_WIDTH),
    height: bottom + 42 + names.height,
    content: bars.length === 0 ? nothing : drawn,
  });
}
