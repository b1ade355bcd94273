/**
 * Reads a PNG with a palette back, by the standard and not by our writer: chunks, checksums, one unfiltered stream.
 */
import assert from "node:assert/strict";
import { crc32, inflateSync } from "node:zlib";

export interface DecodedPicture {
  readonly widthPx: number;
  readonly heightPx: number;
  /** Entry numbers, line by line. */
  readonly pixels: Uint8Array;
  readonly palette: readonly (readonly [number, number, number])[];
  /** Opacity of the first entries; those beyond are opaque. */
  readonly opacity: readonly number[];
}

/** Throws when the bytes are no such picture, or a checksum is wrong. */
export function decodePng(base64: string): DecodedPicture {
  const file = Buffer.from(base64, "base64");
  assert.equal(file.subarray(0, 8).toString("latin1"), "\u0089PNG\r\n\u001a\n");
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < file.length; ) {
    const length = file.readUInt32BE(at);
    const framed = file.subarray(at + 4, at + 8 + length);
    assert.equal(file.readUInt32BE(at + 8 + length), crc32(framed), "checksum");
    chunks.set(framed.toString("latin1", 0, 4), framed.subarray(4));
    at += length + 12;
  }
  assert.deepEqual([...chunks.keys()].at(-1), "IEND");
  const header = chunks.get("IHDR") ?? Buffer.alloc(0);
  const [widthPx, heightPx] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  // Eight bits, palette, deflate, adaptive filters, not interlaced.
  assert.deepEqual([...header.subarray(8)], [8, 3, 0, 0, 0]);
  const lines = inflateSync(chunks.get("IDAT") ?? Buffer.alloc(0));
  assert.equal(lines.length, (widthPx + 1) * heightPx);
  const pixels = new Uint8Array(widthPx * heightPx);
  for (let line = 0; line < heightPx; line += 1) {
    const at = line * (widthPx + 1);
    assert.equal(lines[at], 0, "filter");
    pixels.set(lines.subarray(at + 1, at + 1 + widthPx), line * widthPx);
  }
  const colours = chunks.get("PLTE") ?? Buffer.alloc(0);
  const palette = Array.from({ length: colours.length / 3 }, (_, entry) => {
    const [red = 0, green = 0, blue = 0] = colours.subarray(entry * 3, entry * 3 + 3);
    return [red, green, blue] as const;
  });
  assert.ok(pixels.every((entry) => entry < palette.length));
  return { widthPx, heightPx, pixels, palette, opacity: [...(chunks.get("tRNS") ?? [])] };
}
