/** Every text colour of base.css is readable (WCAG AA, 4.5:1) on every surface it is used on, light and dark. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";

const TEXT_ON_SURFACE: readonly (readonly [text: string, surfaces: readonly string[]])[] = [
  ["ink", ["page", "surface", "sunken", "warn-wash", "bad-wash", "accent-wash"]],
  ["ink-soft", ["page", "surface", "sunken"]],
  ["accent", ["page", "surface"]],
  ["accent-hover", ["page", "surface"]],
  ["accent-ink", ["accent", "accent-hover"]],
  ["good", ["page", "surface", "accent-wash"]],
  ["warn", ["page", "surface", "warn-wash"]],
  ["bad", ["page", "surface", "bad-wash"]],
];
/** Borders of controls and the focus ring need 3:1 (WCAG 1.4.11). */
const SHAPE_ON_SURFACE: typeof TEXT_ON_SURFACE = [
  ["line-strong", ["page", "surface"]],
  ["focus", ["page", "surface", "sunken"]],
];

function readSchemes(): Record<"light" | "dark", Map<string, string>> {
  const css = readFileSync(new URL("./base.css", import.meta.url), "utf8");
  const [light = "", dark = ""] = css.split("@media (prefers-color-scheme: dark)");
  const colours = (text: string) =>
    new Map([...text.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map((match) => [match[1] ?? "", match[2] ?? ""]));
  return { light: colours(light), dark: new Map([...colours(light), ...colours(dark)]) };
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((start) => {
    const channel = Number.parseInt(colour.slice(start, start + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(left: string, right: string): number {
  const [darker = 0, lighter = 0] = [luminance(left), luminance(right)].sort((one, other) => one - other);
  return (lighter + 0.05) / (darker + 0.05);
}

for (const [scheme, colours] of Object.entries(readSchemes())) {
  for (const { pairs, ratioMin } of [
    { pairs: TEXT_ON_SURFACE, ratioMin: 4.5 },
    { pairs: SHAPE_ON_SURFACE, ratioMin: 3 },
  ]) {
    for (const [front, surfaces] of pairs) {
      test(`${scheme}: ${front} has at least ${ratioMin}:1 on ${surfaces.join(", ")}`, () => {
        for (const surface of surfaces) {
          const ratio = contrast(colours.get(front) ?? "", colours.get(surface) ?? "");
          expect(ratio, `${front} on ${surface}`).toBeGreaterThanOrEqual(ratioMin);
        }
      });
    }
  }
}
