/**
 * Reading a body of unknown length without ever holding more than its bound.
 */

/** The bytes, or "too_large" as soon as one more arrives. Throws what the stream throws when its sender goes away. */
export async function readStreamBounded(
  stream: ReadableStream<Uint8Array> | null,
  bytesMax: number,
): Promise<Uint8Array | "too_large"> {
  if (stream === null) return new Uint8Array(0);
  const reader = stream.getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const piece = await reader.read();
    if (piece.done) break;
    length += piece.value.length;
    if (length > bytesMax) {
      await reader.cancel();
      return "too_large";
    }
    pieces.push(piece.value);
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
