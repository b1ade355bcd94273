import { describe, expect, test } from "bun:test";
import { decodePng } from "../../../test/support/png-decoder.ts";
import type { DrawingLevel } from "../../ports/puzzle-drawings.ts";
import { drawArithmetic } from "./arithmetic-drawing.ts";
import { makeCalculation, numberInWords } from "./calculation.ts";
import { Chance } from "./chance.ts";
import { strokesOf } from "./glyphs.ts";
import { encodePng } from "./png.ts";
import { drawSlide } from "./slide-drawing.ts";

const LEVELS: readonly DrawingLevel[] = ["plain", "hard"];
const DRAWS = 600;
/** What fits into an answer without making it heavy. */
const BASE64_LENGTH_MAX = 40_000;

const chance = new Chance();

/** Sums and differences from left to right. */
function resultOf(signs: string): number {
  const terms = signs.replace("=?", "").match(/[+-]?\d+/g) ?? [];
  return terms.reduce((sum, term) => sum + Number(term), 0);
}

const NUMBERS = new Map(Array.from({ length: 1_000 }, (_, number) => [numberInWords(number), number]));

/** The same, from words. */
function resultOfWords(words: string): number {
  const parts = words.replace(/^What is |\?$/g, "").split(/ (plus|minus) /);
  return parts.reduce((sum, part, index) => {
    if (index % 2 === 1) return sum;
    const number = NUMBERS.get(part) ?? Number.NaN;
    return parts[index - 1] === "minus" ? sum - number : sum + number;
  }, 0);
}

/** Relative luminance by WCAG 2.2. */
function luminance(colour: readonly number[] | undefined): number {
  const [red = 0, green = 0, blue = 0] = (colour ?? []).map((part) =>
    part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

describe("a calculation", () => {
  test("comes to its answer, in signs and in words", () => {
    expect(NUMBERS.size).toBe(1_000);
    expect(numberInWords(342)).toBe("three hundred and forty-two");
    for (const level of LEVELS) {
      for (let drawn = 0; drawn < DRAWS; drawn += 1) {
        const { signs, words, answer } = makeCalculation(level, chance);
        expect([signs, resultOf(signs), resultOfWords(words)]).toEqual([signs, answer, answer]);
        expect([...signs].filter((sign) => strokesOf(sign).length === 0)).toEqual([]);
      }
    }
  });

  test("has no favourite result that a guess could be", () => {
    const counts = new Map<number, number>();
    for (let drawn = 0; drawn < 20_000; drawn += 1) {
      const { answer } = makeCalculation("plain", chance);
      counts.set(answer, (counts.get(answer) ?? 0) + 1);
    }
    expect(counts.size).toBeGreaterThan(85);
    expect(Math.max(...counts.values()) / 20_000).toBeLessThan(0.02);
  });
});

describe("a drawn calculation", () => {
  test("is a picture of dark ink on light paper that is not too heavy to send", () => {
    for (const level of LEVELS) {
      const drawing = drawArithmetic(level, chance);
      const picture = decodePng(drawing.image);
      expect([picture.widthPx, picture.heightPx]).toEqual([drawing.widthPx, drawing.heightPx]);
      const [paper, ink] = [luminance(picture.palette[0]), luminance(picture.palette.at(-1))];
      expect((paper + 0.05) / (ink + 0.05)).toBeGreaterThan(7);
      const inked = picture.pixels.filter((entry) => entry > picture.palette.length / 2).length;
      expect(inked / picture.pixels.length).toBeGreaterThan(0.04);
      expect(inked / picture.pixels.length).toBeLessThan(0.4);
      expect(drawing.image.length).toBeLessThan(BASE64_LENGTH_MAX);
    }
  });

  test("never looks the same twice", () => {
    expect(new Set(Array.from({ length: 50 }, () => drawArithmetic("plain", chance).image)).size).toBe(50);
  });
});

describe("a drawn slide", () => {
  test("has a gap of the piece's outline where the answer is, and the piece carries what the picture lost there", () => {
    for (const level of LEVELS) {
      for (let drawn = 0; drawn < 20; drawn += 1) {
        const drawing = drawSlide(level, chance);
        const picture = decodePng(drawing.image);
        const piece = decodePng(drawing.piece);
        expect([piece.widthPx, piece.heightPx]).toEqual([drawing.piecePx, drawing.piecePx]);
        let inside = 0;
        piece.pixels.forEach((entry, index) => {
          if (piece.opacity[entry] === 0) return;
          const x = drawing.answerPx + (index % drawing.piecePx);
          const y = drawing.pieceTopPx + Math.floor(index / drawing.piecePx);
          const under = luminance(picture.palette[picture.pixels[y * drawing.widthPx + x] ?? 0]);
          inside += 1;
          // The gap is darker than the piece everywhere.
          expect(under).toBeLessThan(luminance(piece.palette[entry]));
        });
        expect(inside).toBeGreaterThan(1_000);
        expect(inside).toBeLessThan(2_000);
        expect(drawing.image.length + drawing.piece.length).toBeLessThan(BASE64_LENGTH_MAX);
      }
    }
  });

  test("has its gap anywhere, evenly, with all of the piece in the picture", () => {
    const tenths = new Array<number>(10).fill(0);
    for (let drawn = 0; drawn < 300; drawn += 1) {
      const { answerPx, pieceTopPx, piecePx, widthPx, heightPx } = drawSlide("plain", chance);
      expect(answerPx).toBeGreaterThan(piecePx);
      expect(answerPx + piecePx).toBeLessThanOrEqual(widthPx);
      expect(pieceTopPx + piecePx).toBeLessThanOrEqual(heightPx);
      const tenth = Math.min(9, Math.floor(((answerPx - 70) / (widthPx - piecePx - 72)) * 10));
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    expect(Math.min(...tenths)).toBeGreaterThan(8);
    expect(Math.max(...tenths)).toBeLessThan(65);
  });
});

describe("PNG", () => {
  test("keeps every pixel, colour and see-through entry", () => {
    const pixels = Uint8Array.from({ length: 7 * 5 }, (_, index) => index % 4);
    const palette = Uint8Array.from([1, 2, 3, 250, 251, 252, 0, 0, 0, 9, 8, 7]);
    const file = encodePng({ widthPx: 7, heightPx: 5, pixels, palette, transparentEntry: 2 });
    const picture = decodePng(file.toString("base64"));
    expect(picture.pixels).toEqual(pixels);
    expect(picture.palette[1]).toEqual([250, 251, 252]);
    expect(picture.opacity).toEqual([255, 255, 0]);
  });
});
