/**
 * Text and numbers as they may stand in SVG and HTML: escaped, without characters that a parser refuses, and short.
 *
 * Names come from scenario files and servers' answers, so none of them is trusted. Nothing here knows about charts.
 */

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
/** What XML does not allow even when it is escaped: most control characters and two that are no characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/g;
const SUFFIXES: readonly (readonly [number, string])[] = [
  [1e12, " T"],
  [1e9, " G"],
  [1e6, " M"],
  [1e3, " k"],
];
/** From here on, and below its inverse, powers of ten say more than a suffix. */
const PLAIN_MAX = 1e15;
const PLAIN_MIN = 1e-3;
const DIGITS = 3;

/** Safe between tags and inside quoted attributes, whatever the text is. */
export function escapeText(text: string): string {
  const wellFormed = text.toWellFormed().replace(FORBIDDEN, "\ufffd");
  return wellFormed.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

/** At most so many characters, the last an ellipsis when something was cut off. Not escaped. */
export function shorten(text: string, charactersMax: number): string {
  const characters = [...text];
  return characters.length <= charactersMax ? text : `${characters.slice(0, charactersMax - 1).join("")}…`;
}

/** A number in few characters: "0.25", "42 k", "1.05 M", "3e+20". */
export function formatNumber(value: number, digits = DIGITS): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return "–";
  if (size === 0) return "0";
  if (size >= PLAIN_MAX || size < PLAIN_MIN) return value.toExponential(digits - 1).replace(/\.?0+e/, "e");
  // Rounded first: 999,999 in three digits is a million and not a thousand thousands.
  const rounded = Number(value.toPrecision(digits));
  const suffix = SUFFIXES.find(([unit]) => Math.abs(rounded) >= unit);
  return suffix === undefined ? String(rounded) : `${Number((rounded / suffix[0]).toPrecision(digits))}${suffix[1]}`;
}
