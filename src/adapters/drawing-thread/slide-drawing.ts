/**
 * Draws a picture with a gap in it and the piece that fits: waves of colour, blots, and a piece like one of a jigsaw.
 *
 * The gap is darkened and not emptied, one or two false gaps of another outline stand beside it, and the ground is grainy,
 * so that neither the darkest square nor an exact copy of the piece's edge gives the place away. The piece carries its own
 * part of the picture; it moves sideways only.
 */
import type { DrawingLevel, SlideDrawing } from "../../ports/puzzle-drawings.ts";
import type { Chance } from "./chance.ts";
import { encodePng } from "./png.ts";

const WIDTH_PX = 320;
const HEIGHT_PX = 150;
const PIECE_PX = 54;
/** From the piece's edge to its body: room for its knobs. */
const KNOB_ROOM_PX = 9;
const KNOB_RADIUS_PX = 7;
const BODY_PX = PIECE_PX - 2 * KNOB_ROOM_PX;
/** The piece starts at the left edge; nearer than this no gap is, so that the way is always long enough to be watched. */
const GAP_LEFT_PX_MIN = 70;
const EDGE_PX = 2;
const THROWS_MAX = 40;
const FALSE_GAPS: Readonly<Record<DrawingLevel, number>> = { plain: 1, hard: 2 };

/** Colours of the ground, then the same colours darkened for gaps, then light, dark and see-through. */
const SHADES = 48;
const DARKENED = SHADES;
const RIM_LIGHT = 2 * SHADES;
const RIM_DARK = RIM_LIGHT + 1;
const SEE_THROUGH = RIM_LIGHT + 2;
const ENTRIES = RIM_LIGHT + 3;
const COLOUR_STOPS = 4;

const WAVES = 5;
const BLOTS = 9;
/** What one wave of full weight adds to a height. */
const HEIGHT_OF_WEIGHT = 1 / 7;
/** One pixel in so many is a shade off. */
const GRAIN = 12;
const DARKENED_GRAIN = 3;

/** What is at one side of a piece: 1 a knob, -1 a hole, 0 a straight edge. */
type Side = -1 | 0 | 1;

/** The outline of a piece: left, top, right, bottom. */
type Outline = readonly [Side, Side, Side, Side];

const OUTSIDE = 0;
const INSIDE = 1;
const RIM = 2;
/** Centres of knobs, in the order of an outline, and the way inwards from each. */
const KNOBS = [
  { x: KNOB_ROOM_PX, y: PIECE_PX / 2, inX: 1, inY: 0 },
  { x: PIECE_PX / 2, y: KNOB_ROOM_PX, inX: 0, inY: 1 },
  { x: PIECE_PX - KNOB_ROOM_PX, y: PIECE_PX / 2, inX: -1, inY: 0 },
  { x: PIECE_PX / 2, y: PIECE_PX - KNOB_ROOM_PX, inX: 0, inY: -1 },
] as const;
/** A knob's centre is so far outside the body's edge, and a hole's so far inside. */
const KNOB_SHIFT_PX = 2;

/** Of every pixel in the square of a piece whether it belongs to the piece, and whether it is at its rim. */
function maskOf(outline: Outline): Uint8Array {
  const mask = new Uint8Array(PIECE_PX * PIECE_PX);
  for (let y = KNOB_ROOM_PX; y < KNOB_ROOM_PX + BODY_PX; y += 1) {
    mask.fill(INSIDE, y * PIECE_PX + KNOB_ROOM_PX, y * PIECE_PX + KNOB_ROOM_PX + BODY_PX);
  }
  KNOBS.forEach(({ x, y, inX, inY }, index) => {
    const side = outline[index] ?? 0;
    const centre = { x: x - side * KNOB_SHIFT_PX * inX, y: y - side * KNOB_SHIFT_PX * inY };
    if (side !== 0) fillDisc(mask, centre, side === 1 ? INSIDE : OUTSIDE);
  });
  return mask.map((part, index) => (part === INSIDE && isAtRim(mask, index) ? RIM : part));
}

function fillDisc(mask: Uint8Array, centre: { x: number; y: number }, part: number): void {
  for (let index = 0; index < mask.length; index += 1) {
    const x = (index % PIECE_PX) + 0.5;
    const y = Math.floor(index / PIECE_PX) + 0.5;
    if (Math.hypot(x - centre.x, y - centre.y) < KNOB_RADIUS_PX) mask[index] = part;
  }
}

function isAtRim(mask: Uint8Array, index: number): boolean {
  const neighbours = [index - 1, index + 1, index - PIECE_PX, index + PIECE_PX];
  return neighbours.some((neighbour) => (mask[neighbour] ?? OUTSIDE) === OUTSIDE);
}

/** At least one knob and one hole, so that no outline is a plain square. */
function makeOutline(chance: Chance): Outline {
  const side = (): Side => (chance.whole(0, 2) - 1) as Side;
  for (;;) {
    const outline: Outline = [side(), side(), side(), side()];
    if (outline.includes(1) && outline.includes(-1)) return outline;
  }
}

/** The ground: a height for every pixel, mostly from 0 to 1. */
function makeGround(chance: Chance): Float32Array {
  const heights = new Float32Array(WIDTH_PX * HEIGHT_PX).fill(0.5);
  for (let drawn = 0; drawn < WAVES; drawn += 1) addWave(heights, chance);
  for (let drawn = 0; drawn < BLOTS; drawn += 1) addBlot(heights, chance);
  return heights;
}

/** A slanted wave. The sine of a sum is taken apart, so that there are two for each line and column and not one a pixel. */
function addWave(heights: Float32Array, chance: Chance): void {
  const [perX, perY] = [chance.between(-0.07, 0.07), chance.between(-0.07, 0.07)];
  const phase = chance.between(0, 2 * Math.PI);
  const weight = chance.between(0.4, 1) * HEIGHT_OF_WEIGHT;
  const sines = Float32Array.from({ length: WIDTH_PX }, (_, x) => Math.sin(x * perX + phase));
  const cosines = Float32Array.from({ length: WIDTH_PX }, (_, x) => Math.cos(x * perX + phase));
  for (let y = 0; y < HEIGHT_PX; y += 1) {
    const [sine, cosine] = [Math.sin(y * perY) * weight, Math.cos(y * perY) * weight];
    for (let x = 0; x < WIDTH_PX; x += 1) {
      const index = y * WIDTH_PX + x;
      heights[index] = (heights[index] ?? 0) + (sines[x] ?? 0) * cosine + (cosines[x] ?? 0) * sine;
    }
  }
}

function addBlot(heights: Float32Array, chance: Chance): void {
  const [centreX, centreY] = [chance.between(0, WIDTH_PX), chance.between(0, HEIGHT_PX)];
  const radius = chance.between(8, 34);
  const weight = chance.between(-1.6, 1.6) * HEIGHT_OF_WEIGHT;
  for (let y = Math.max(0, Math.floor(centreY - radius)); y < Math.min(HEIGHT_PX, centreY + radius); y += 1) {
    for (let x = Math.max(0, Math.floor(centreX - radius)); x < Math.min(WIDTH_PX, centreX + radius); x += 1) {
      const index = y * WIDTH_PX + x;
      if (Math.hypot(x - centreX, y - centreY) < radius) heights[index] = (heights[index] ?? 0) + weight;
    }
  }
}

function paint(chance: Chance): Uint8Array {
  const heights = makeGround(chance);
  const pixels = new Uint8Array(heights.length);
  for (let index = 0; index < pixels.length; index += 1) {
    const grain = chance.fraction() * GRAIN < 1 ? chance.whole(-1, 1) : 0;
    const shade = Math.round((heights[index] ?? 0) * (SHADES - 1)) + grain;
    pixels[index] = Math.min(Math.max(shade, 0), SHADES - 1);
  }
  return pixels;
}

interface Place {
  readonly left: number;
  readonly top: number;
}

/** Calls back for every pixel of a piece that lies there. */
function eachPixel(
  mask: Uint8Array,
  place: Place,
  visit: (pixel: { inPicture: number; inPiece: number; isRim: boolean }) => void,
): void {
  mask.forEach((part, inPiece) => {
    if (part === OUTSIDE) return;
    const y = place.top + Math.floor(inPiece / PIECE_PX);
    const x = place.left + (inPiece % PIECE_PX);
    visit({ inPicture: y * WIDTH_PX + x, inPiece, isRim: part === RIM });
  });
}

/** Lifts the piece out of the picture. */
function cutPiece(pixels: Uint8Array, mask: Uint8Array, place: Place): Uint8Array {
  const piece = new Uint8Array(mask.length).fill(SEE_THROUGH);
  eachPixel(mask, place, ({ inPicture, inPiece, isRim }) => {
    piece[inPiece] = isRim ? RIM_LIGHT : (pixels[inPicture] ?? 0);
  });
  return piece;
}

function darken(pixels: Uint8Array, mask: Uint8Array, { place, chance }: { place: Place; chance: Chance }): void {
  eachPixel(mask, place, ({ inPicture, isRim }) => {
    const shade = (pixels[inPicture] ?? 0) + chance.whole(-DARKENED_GRAIN, DARKENED_GRAIN);
    pixels[inPicture] = isRim ? RIM_DARK : DARKENED + Math.min(Math.max(shade, 0), SHADES - 1);
  });
}

/** Some colours and everything between them; darkened ones are the same at a little more than half the light. */
function makePalette(chance: Chance): Uint8Array {
  const palette = new Uint8Array(ENTRIES * 3);
  const darkening = chance.between(0.5, 0.62);
  for (let part = 0; part < 3; part += 1) {
    const stops = Array.from({ length: COLOUR_STOPS }, () => chance.between(60, 250));
    for (let shade = 0; shade < SHADES; shade += 1) {
      const along = (shade / SHADES) * (COLOUR_STOPS - 1);
      const stop = Math.floor(along);
      const from = stops[stop] ?? 0;
      const light = from + ((stops[stop + 1] ?? 0) - from) * (along - stop);
      palette[shade * 3 + part] = Math.round(light);
      palette[(DARKENED + shade) * 3 + part] = Math.round(light * darkening);
    }
    palette[RIM_LIGHT * 3 + part] = 255;
    palette[RIM_DARK * 3 + part] = 40;
  }
  return palette;
}

/** Where the gap is: anywhere, evenly, because the commonest place would be the best guess. */
function placeGap(chance: Chance): Place {
  return {
    left: chance.whole(GAP_LEFT_PX_MIN, WIDTH_PX - PIECE_PX - EDGE_PX),
    top: chance.whole(EDGE_PX, HEIGHT_PX - PIECE_PX - EDGE_PX),
  };
}

/** Places beside the gap and each other. Where chance finds no room in a few throws, there is one fewer. */
function placeFalseGaps(gap: Place, count: number, chance: Chance): readonly Place[] {
  const taken = [gap];
  for (let thrown = 0; thrown < THROWS_MAX && taken.length <= count; thrown += 1) {
    const place = {
      left: chance.whole(PIECE_PX, WIDTH_PX - PIECE_PX - EDGE_PX),
      top: chance.whole(EDGE_PX, HEIGHT_PX - PIECE_PX - EDGE_PX),
    };
    const isFree = taken.every(
      (other) => Math.abs(other.left - place.left) >= PIECE_PX || Math.abs(other.top - place.top) >= PIECE_PX,
    );
    if (isFree) taken.push(place);
  }
  return taken.slice(1);
}

/** A fresh picture with its piece. */
export function drawSlide(level: DrawingLevel, chance: Chance): SlideDrawing {
  const pixels = paint(chance);
  const palette = makePalette(chance);
  const mask = maskOf(makeOutline(chance));
  const gap = placeGap(chance);
  const piece = cutPiece(pixels, mask, gap);
  darken(pixels, mask, { place: gap, chance });
  for (const place of placeFalseGaps(gap, FALSE_GAPS[level], chance)) {
    darken(pixels, maskOf(makeOutline(chance)), { place, chance });
  }
  const transparentEntry = SEE_THROUGH;
  const picture = encodePng({ widthPx: WIDTH_PX, heightPx: HEIGHT_PX, pixels, palette });
  const cut = encodePng({ widthPx: PIECE_PX, heightPx: PIECE_PX, pixels: piece, palette, transparentEntry });
  return {
    image: picture.toString("base64"),
    widthPx: WIDTH_PX,
    heightPx: HEIGHT_PX,
    piece: cut.toString("base64"),
    piecePx: PIECE_PX,
    pieceTopPx: gap.top,
    answerPx: gap.left,
  };
}
