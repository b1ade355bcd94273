/**
 * PNG (ISO/IEC 15948) of pictures whose pixels are entries of a palette: header, palette, transparency, one stream of lines.
 */
import { crc32, deflateSync } from "node:zlib";

/** A picture of at most 256 colours. */
export interface PalettePicture {
  readonly widthPx: number;
  readonly heightPx: number;
  /** One entry number a pixel, line by line. */
  readonly pixels: Uint8Array;
  /** Red, green, blue of each entry. */
  readonly palette: Uint8Array;
  /** The entry that is see-through; absent = none. */
  readonly transparentEntry?: number;
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const BIT_DEPTH = 8;
const COLOUR_TYPE_PALETTE = 3;
const HEADER_BYTES = 13;
const CHUNK_FRAME_BYTES = 12;
const OPAQUE = 255;
const DEFLATE_LEVEL = 6;

/** The file's bytes. */
export function encodePng(picture: PalettePicture): Buffer {
  const { widthPx, heightPx, palette, transparentEntry } = picture;
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(widthPx, 0);
  header.writeUInt32BE(heightPx, 4);
  header[8] = BIT_DEPTH;
  header[9] = COLOUR_TYPE_PALETTE;
  const chunks = [chunk("IHDR", header), chunk("PLTE", palette)];
  if (transparentEntry !== undefined) chunks.push(chunk("tRNS", opacityOf(transparentEntry)));
  chunks.push(chunk("IDAT", deflateSync(linesOf(picture), { level: DEFLATE_LEVEL })), chunk("IEND", new Uint8Array()));
  return Buffer.concat([SIGNATURE, ...chunks]);
}

/** Each line behind the number of its filter: 0, none, because neighbouring entry numbers are not neighbouring colours. */
function linesOf({ widthPx, heightPx, pixels }: PalettePicture): Uint8Array {
  const lines = new Uint8Array((widthPx + 1) * heightPx);
  for (let line = 0; line < heightPx; line += 1) {
    lines.set(pixels.subarray(line * widthPx, (line + 1) * widthPx), line * (widthPx + 1) + 1);
  }
  return lines;
}

function opacityOf(transparentEntry: number): Uint8Array {
  const opacity = new Uint8Array(transparentEntry + 1).fill(OPAQUE);
  opacity[transparentEntry] = 0;
  return opacity;
}

/** Length, name, content, and the checksum of name and content. */
function chunk(name: string, content: Uint8Array): Buffer {
  const framed = Buffer.alloc(CHUNK_FRAME_BYTES + content.length);
  framed.writeUInt32BE(content.length, 0);
  framed.write(name, 4, "latin1");
  framed.set(content, 8);
  framed.writeUInt32BE(crc32(framed.subarray(4, 8 + content.length)), 8 + content.length);
  return framed;
}
