/**
 * The strokes of digits and signs, as lines through points of a field six wide and ten high.
 *
 * Strokes and not a font, because each glyph is bent, turned and drawn with a pen of its own every time. The one has a
 * foot and the seven none, so that a bent one is not a seven.
 */

/** Points of a line: x, y, x, y, … */
export type Stroke = readonly number[];

export const GLYPH_WIDTH = 6;
export const GLYPH_HEIGHT = 10;

const SIX: Stroke = [
  5.2, 0.8, 3.4, 0, 1.4, 1.2, 0.3, 4, 0.2, 7, 1.2, 9.2, 3, 10, 5, 9.2, 5.8, 7, 5, 5, 3, 4.2, 1.2, 5, 0.2, 7,
];
const BAR: Stroke = [0.4, 5, 5.6, 5];

/** A glyph turned by half a circle. */
function turned(stroke: Stroke): Stroke {
  return stroke.map((value, index) => (index % 2 === 0 ? GLYPH_WIDTH - value : GLYPH_HEIGHT - value));
}

const GLYPHS: Readonly<Record<string, readonly Stroke[]>> = {
  "0": [[3, 0, 5, 1, 6, 3, 6, 7, 5, 9, 3, 10, 1, 9, 0, 7, 0, 3, 1, 1, 3, 0]],
  "1": [
    [1, 2, 3.2, 0, 3.2, 10],
    [1, 10, 5.4, 10],
  ],
  "2": [[0.3, 2.4, 1, 0.8, 3, 0, 5, 0.8, 5.7, 2.6, 5, 4.6, 0, 10, 6, 10]],
  "3": [[0.4, 0.9, 2.6, 0, 4.8, 0.6, 5.4, 2.4, 4.6, 4.2, 2.6, 4.8, 4.9, 5.5, 5.8, 7.4, 5, 9.2, 2.8, 10, 0.2, 9]],
  "4": [[4.4, 10, 4.4, 0, 0, 6.8, 6, 6.8]],
  "5": [[5.4, 0, 0.9, 0, 0.5, 4.6, 2.8, 3.9, 4.9, 4.6, 5.8, 6.8, 5, 9.1, 2.8, 10, 0.2, 9]],
  "6": [SIX],
  "7": [[0, 0, 6, 0, 2.2, 10]],
  "8": [
    [3, 4.7, 1, 3.8, 0.6, 2.2, 1.4, 0.6, 3, 0, 4.6, 0.6, 5.4, 2.2, 5, 3.8, 3, 4.7],
    [3, 4.7, 5.2, 5.7, 6, 7.5, 5.1, 9.3, 3, 10, 0.9, 9.3, 0, 7.5, 0.8, 5.7, 3, 4.7],
  ],
  "9": [turned(SIX)],
  "+": [[3, 2.4, 3, 7.6], BAR],
  "-": [BAR],
  "=": [
    [0.4, 3.6, 5.6, 3.6],
    [0.4, 6.4, 5.6, 6.4],
  ],
  "?": [
    [0.6, 2.2, 1.6, 0.5, 3.2, 0, 5, 0.7, 5.6, 2.4, 4.8, 4, 3.2, 5.2, 3.1, 7],
    [3.1, 9.4, 3.1, 9.8],
  ],
};

/** The strokes of a digit or sign; none for anything else. */
export function strokesOf(character: string): readonly Stroke[] {
  return GLYPHS[character] ?? [];
}
