/**
 * What every chart has in common: the SVG element with its title and description for those who do not see it, colours for
 * light and dark, and the key to the series.
 *
 * The colours keep apart for the colour-blind, and lines differ in dashes and marks as well. Styles are in the element,
 * below a class of its own, so that a chart looks the same alone and in a page with others.
 */
import { escapeText, shorten } from "./text.ts";

export const COLOURS = 8;
const KEY_ENTRY_HEIGHT = 18;
const KEY_CHARACTERS_MAX = 40;
const CHARACTER_WIDTH = 6.6;

const LIGHT = ["#0072b2", "#d55e00", "#007f5f", "#a8449a", "#8a6d00", "#2a8fbd", "#c23b22", "#555555"];
const DARK = ["#5ab4e8", "#ff9d4d", "#3fcf9f", "#e48fd4", "#e6c33c", "#9bd7f5", "#ff8674", "#bbbbbb"];

const colours = (values: readonly string[]): string =>
  values.map((value, index) => `.chart .c${index}{--c:${value}}`).join("");

const STYLE = `.chart{font:12px system-ui,sans-serif;background:#fff;color:#1b1b1b}
.chart text{fill:currentColor}.chart .name{font-size:15px;font-weight:600}.chart .grid{stroke:currentColor;stroke-opacity:.15}
.chart .axis{stroke:currentColor;stroke-opacity:.6}.chart .line{fill:none;stroke:var(--c);stroke-width:2}
.chart .mark,.chart .bar{fill:var(--c)}${colours(LIGHT)}
@media(prefers-color-scheme:dark){.chart{background:#16181c;color:#e8e8e8}${colours(DARK)}}`;

/** The text of an element with attributes; the text is already escaped or is SVG. */
export function element(name: string, attributes: Readonly<Record<string, string | number>>, content = ""): string {
  const all = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${typeof value === "number" ? round(value) : escapeText(value)}"`,
  );
  return content === "" ? `<${name}${all.join("")}/>` : `<${name}${all.join("")}>${content}</${name}>`;
}

/** Text at a place, escaped. */
export function textAt(
  place: { x: number; y: number; anchor?: "start" | "middle" | "end"; class?: string },
  text: string,
): string {
  const { x, y, anchor = "start" } = place;
  const named = place.class === undefined ? {} : { class: place.class };
  return element("text", { x, y, "text-anchor": anchor, ...named }, escapeText(text));
}

/** How wide a text is about, in units of the drawing. */
export function widthOf(text: string): number {
  return [...text].length * CHARACTER_WIDTH;
}

/** The whole chart around what was drawn. */
export function chart(options: {
  title: string;
  description: string;
  width: number;
  height: number;
  content: string;
}): string {
  const { title, description, width, height, content } = options;
  const id = `chart-${fingerprint(`${title}\n${description}\n${content}`)}`;
  const head = [
    element("title", { id }, escapeText(title)),
    element("desc", { id: `${id}-text` }, escapeText(description)),
    `<style>${STYLE}</style>`,
    textAt({ x: 12, y: 22, class: "name" }, title),
  ];
  const attributes = {
    xmlns: "http://www.w3.org/2000/svg",
    class: "chart",
    viewBox: `0 0 ${width} ${round(height)}`,
    width,
    height,
    role: "img",
    "aria-labelledby": id,
    "aria-describedby": `${id}-text`,
  };
  return element("svg", attributes, head.join("") + content);
}

/** The key: which colour is whose. Answers the drawing and how high it is. */
export function key(
  names: readonly string[],
  place: { x: number; y: number; width: number },
): { drawing: string; height: number } {
  let x = place.x;
  let row = 0;
  const parts: string[] = [];
  for (const [index, name] of names.entries()) {
    const label = shorten(name, KEY_CHARACTERS_MAX);
    const width = widthOf(label) + 40;
    if (x > place.x && x + width > place.x + place.width) {
      x = place.x;
      row += 1;
    }
    const y = place.y + row * KEY_ENTRY_HEIGHT;
    const hint = label === name ? "" : element("title", {}, escapeText(name));
    parts.push(element("g", {}, `${hint}${sample(index, { x, y })}${textAt({ x: x + 20, y: y + 4 }, label)}`));
    x += width;
  }
  return { drawing: parts.join(""), height: names.length === 0 ? 0 : (row + 1) * KEY_ENTRY_HEIGHT };
}

/** The mark of a series at a place: its colour, and one of four shapes. */
export function sample(index: number, { x, y }: { x: number; y: number }): string {
  const colour = `mark c${index % COLOURS}`;
  const shape = index % 4;
  if (shape === 0) return element("circle", { class: colour, cx: x, cy: y, r: 3.5 });
  if (shape === 1) return element("rect", { class: colour, x: x - 3, y: y - 3, width: 6, height: 6 });
  const sign = shape === 2 ? -1 : 1;
  const points = [
    `${round(x)},${round(y + 4 * sign)}`,
    `${round(x - 4)},${round(y - 3 * sign)}`,
    `${round(x + 4)},${round(y - 3 * sign)}`,
  ];
  return element("polygon", { class: colour, points: points.join(" ") });
}

/** Hundredths are finer than a screen. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** FNV-1a, so that ids on one page differ where charts do. */
function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(36);
}
