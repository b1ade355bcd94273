/**
 * Draws a calculation: bent strokes of uneven width on uneven ground, crossed by lines of the same ink.
 *
 * A person reads it at a glance; a program has to separate glyphs that touch each other and the lines. It is the simple
 * kind: a program made for it will read it. What it costs the rest is why it is there.
 */
import type { ArithmeticDrawing, DrawingLevel } from "../../ports/puzzle-drawings.ts";
import { makeCalculation } from "./calculation.ts";
import type { Chance } from "./chance.ts";
import { GLYPH_HEIGHT, GLYPH_WIDTH, type Stroke, strokesOf } from "./glyphs.ts";
import { encodePng } from "./png.ts";

const WIDTH_PX = 260;
const HEIGHT_PX = 84;
/** Shades from paper to ink. */
const SHADES = 16;
const MARGIN_PX = 14;

const GLYPH_HEIGHT_PX_MIN = 34;
const GLYPH_HEIGHT_PX_MAX = 44;
const TURN_RADIANS_MAX = 0.28;
const SLANT_MAX = 0.25;
const PEN_PX_MIN = 1.5;
const PEN_PX_MAX = 2.3;
const WAVE_PX_MAX = 4;
const WAVE_LENGTH_PX_MIN = 50;
const WAVE_LENGTH_PX_MAX = 110;

const CROSSING_LINES: Readonly<Record<DrawingLevel, number>> = { plain: 3, hard: 6 };
const SPECKS: Readonly<Record<DrawingLevel, number>> = { plain: 60, hard: 160 };
const LINE_STEPS = 12;

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Ink on paper: how dark each pixel is, from 0 to 1. */
class Sheet {
  readonly darkness = new Float32Array(WIDTH_PX * HEIGHT_PX);

  /** A line with round ends and soft edges. */
  line(from: Point, to: Point, penPx: number): void {
    const deltaX = to.x - from.x;
    const deltaY = to.y - from.y;
    const lengthSquared = deltaX * deltaX + deltaY * deltaY || 1;
    const left = Math.max(0, Math.floor(Math.min(from.x, to.x) - penPx - 1));
    const right = Math.min(WIDTH_PX - 1, Math.ceil(Math.max(from.x, to.x) + penPx + 1));
    const top = Math.max(0, Math.floor(Math.min(from.y, to.y) - penPx - 1));
    const bottom = Math.min(HEIGHT_PX - 1, Math.ceil(Math.max(from.y, to.y) + penPx + 1));
    for (let y = top; y <= bottom; y += 1) {
      for (let x = left; x <= right; x += 1) {
        const along = ((x - from.x) * deltaX + (y - from.y) * deltaY) / lengthSquared;
        const nearest = Math.min(Math.max(along, 0), 1);
        const distance = Math.hypot(x - from.x - nearest * deltaX, y - from.y - nearest * deltaY);
        this.#darken(y * WIDTH_PX + x, penPx + 0.5 - distance);
      }
    }
  }

  #darken(index: number, cover: number): void {
    const darkness = Math.min(cover, 1);
    if (darkness > (this.darkness[index] ?? 1)) this.darkness[index] = darkness;
  }
}

/** How the whole sheet is bent: everything on it, calculation and lines alike. */
function makeBend(chance: Chance): (point: Point) => Point {
  const lengthX = chance.between(WAVE_LENGTH_PX_MIN, WAVE_LENGTH_PX_MAX) / (2 * Math.PI);
  const lengthY = chance.between(WAVE_LENGTH_PX_MIN, WAVE_LENGTH_PX_MAX) / (2 * Math.PI);
  const heightX = chance.between(-WAVE_PX_MAX, WAVE_PX_MAX);
  const heightY = chance.between(-WAVE_PX_MAX, WAVE_PX_MAX);
  const phase = chance.between(0, 2 * Math.PI);
  return ({ x, y }) => ({
    x: x + heightX * Math.sin(y / lengthX + phase),
    y: y + heightY * Math.sin(x / lengthY + phase),
  });
}

function drawGlyphs(sheet: Sheet, signs: string, bend: (point: Point) => Point, chance: Chance): void {
  const characters = [...signs];
  const cellPx = (WIDTH_PX - 2 * MARGIN_PX) / characters.length;
  characters.forEach((character, index) => {
    const heightPx = Math.min(chance.between(GLYPH_HEIGHT_PX_MIN, GLYPH_HEIGHT_PX_MAX), cellPx * 1.5);
    const scale = heightPx / GLYPH_HEIGHT;
    const turn = chance.between(-TURN_RADIANS_MAX, TURN_RADIANS_MAX);
    const slant = chance.between(-SLANT_MAX, SLANT_MAX);
    const centre = {
      x: MARGIN_PX + (index + 0.5) * cellPx + chance.between(-0.08, 0.08) * cellPx,
      y: HEIGHT_PX / 2 + chance.between(-6, 6),
    };
    const penPx = chance.between(PEN_PX_MIN, PEN_PX_MAX);
    const place = (x: number, y: number): Point => {
      const upright = (y - GLYPH_HEIGHT / 2) * scale;
      const across = (x - GLYPH_WIDTH / 2) * scale + slant * upright;
      return bend({
        x: centre.x + across * Math.cos(turn) - upright * Math.sin(turn),
        y: centre.y + across * Math.sin(turn) + upright * Math.cos(turn),
      });
    };
    for (const stroke of strokesOf(character)) drawStroke(sheet, stroke, place, penPx);
  });
}

function drawStroke(sheet: Sheet, stroke: Stroke, place: (x: number, y: number) => Point, penPx: number): void {
  let from = place(stroke[0] ?? 0, stroke[1] ?? 0);
  for (let index = 2; index < stroke.length; index += 2) {
    const to = place(stroke[index] ?? 0, stroke[index + 1] ?? 0);
    sheet.line(from, to, penPx);
    from = to;
  }
}

/** Lines from the left to the right edge, waving, as thin as a thin glyph. */
function drawCrossings(sheet: Sheet, count: number, chance: Chance): void {
  for (let drawn = 0; drawn < count; drawn += 1) {
    const startY = chance.between(0.1, 0.9) * HEIGHT_PX;
    const endY = chance.between(0.1, 0.9) * HEIGHT_PX;
    const wave = chance.between(4, 14);
    const phase = chance.between(0, 2 * Math.PI);
    const penPx = chance.between(0.5, 1);
    const at = (step: number): Point => {
      const part = step / LINE_STEPS;
      return { x: part * WIDTH_PX, y: startY + part * (endY - startY) + wave * Math.sin(part * 7 + phase) };
    };
    for (let step = 0; step < LINE_STEPS; step += 1) sheet.line(at(step), at(step + 1), penPx);
  }
}

function drawSpecks(sheet: Sheet, count: number, chance: Chance): void {
  for (let drawn = 0; drawn < count; drawn += 1) {
    const point = { x: chance.between(0, WIDTH_PX), y: chance.between(0, HEIGHT_PX) };
    sheet.line(point, { x: point.x + chance.between(-3, 3), y: point.y + chance.between(-3, 3) }, 0.4);
  }
}

/** Shades between a light paper and a dark ink, of colours that change from picture to picture and stay far apart. */
function makePalette(chance: Chance): Uint8Array {
  const palette = new Uint8Array(SHADES * 3);
  for (let part = 0; part < 3; part += 1) {
    const paper = chance.between(225, 255);
    const ink = chance.between(0, 70);
    for (let shade = 0; shade < SHADES; shade += 1) {
      palette[shade * 3 + part] = Math.round(paper + ((ink - paper) * shade) / (SHADES - 1));
    }
  }
  return palette;
}

/** A fresh calculation, drawn. */
export function drawArithmetic(level: DrawingLevel, chance: Chance): ArithmeticDrawing {
  const { signs, words, answer } = makeCalculation(level, chance);
  const sheet = new Sheet();
  drawCrossings(sheet, CROSSING_LINES[level], chance);
  drawSpecks(sheet, SPECKS[level], chance);
  drawGlyphs(sheet, signs, makeBend(chance), chance);
  const pixels = new Uint8Array(sheet.darkness.length);
  for (let index = 0; index < pixels.length; index += 1) {
    pixels[index] = Math.round((sheet.darkness[index] ?? 0) * (SHADES - 1));
  }
  const png = encodePng({ widthPx: WIDTH_PX, heightPx: HEIGHT_PX, pixels, palette: makePalette(chance) });
  return { image: png.toString("base64"), widthPx: WIDTH_PX, heightPx: HEIGHT_PX, words, answer };
}
