/**
 * Reads the body of a request that is not on the hot path: bounded in bytes and in time, and as UTF-8 or not at all.
 *
 * The bound is enforced while reading, because Content-Length is the sender's claim. A body that was announced as too large
 * is refused before its first byte. What the bytes mean is left to strict-json.ts and the schemas.
 */
import type { RefusalReason } from "../domain/refusals.ts";
import type { Clock } from "../ports/clock.ts";

/** The bound of every body except the hot path's. */
export const BODY_BYTES_MAX = 64 * 1_024;
/** A sender that takes longer than this for 64 KB is not a buyer. */
const BODY_READ_MS_MAX = 10_000;

/** The bytes, or the reason of the refusal and a text for whoever wrote the client. */
export type RequestBody =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | {
      readonly kind: "refused";
      readonly reason: Extract<RefusalReason, "malformed" | "payload_too_large">;
      readonly detail: string;
    };

function tooLarge(bytesMax: number): RequestBody & { kind: "refused" } {
  return { kind: "refused", reason: "payload_too_large", detail: `The body may have at most ${bytesMax} bytes.` };
}

const CUT_OFF = {
  kind: "refused",
  reason: "malformed",
  detail: "The body did not arrive as a whole.",
} as const satisfies RequestBody;

/** What we use of a stream's reader; the runtimes' own types differ in members we do not touch. */
interface ByteReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<unknown>;
}

/** Reads the whole body. Never throws for anything a sender does. */
export async function readRequestBody(
  request: Request,
  clock: Clock,
  bytesMax: number = BODY_BYTES_MAX,
): Promise<RequestBody> {
  const announced = request.headers.get("content-length");
  if (announced !== null && Number(announced) > bytesMax) return tooLarge(bytesMax);
  if (request.body === null) return { kind: "bytes", bytes: new Uint8Array(0) };

  const reader: ByteReader = request.body.getReader();
  let isLate = false;
  const cancelTimer = clock.setTimer(BODY_READ_MS_MAX, () => {
    isLate = true;
    abandon(reader);
  });
  try {
    const body = await collect(reader, bytesMax);
    if (body.kind === "refused") abandon(reader);
    // A reader that the deadline cancelled ends just like one whose body is complete.
    return isLate ? CUT_OFF : body;
  } catch (error) {
    const name = error instanceof Error ? error.name : "unknown";
    return { ...CUT_OFF, detail: `${CUT_OFF.detail} (${name})` };
  } finally {
    cancelTimer();
  }
}

/**
 * Hands a body over piece by piece, as fast as it is taken: for what is too long to be held. Each piece must arrive in time;
 * `take` may wait, and ends the reading by answering false. Null when the body was read to its end or to where it was ended.
 */
export async function streamRequestBody(
  request: Request,
  options: { clock: Clock; bytesMax: number; take: (piece: Uint8Array) => Promise<boolean> },
): Promise<(RequestBody & { kind: "refused" }) | null> {
  const { clock, bytesMax, take } = options;
  const announced = request.headers.get("content-length");
  if (announced !== null && Number(announced) > bytesMax) return tooLarge(bytesMax);
  if (request.body === null) return null;
  const reader: ByteReader = request.body.getReader();
  for (let lengthBytes = 0; ; ) {
    const piece = await readPiece(reader, clock);
    if (piece === "cut_off") return CUT_OFF;
    if (piece === null) return null;
    lengthBytes += piece.length;
    const isTooLong = lengthBytes > bytesMax;
    if (isTooLong || !(await take(piece))) {
      abandon(reader);
      return isTooLong ? tooLarge(bytesMax) : null;
    }
  }
}

/** The next bytes; null at the end. */
async function readPiece(reader: ByteReader, clock: Clock): Promise<Uint8Array | null | "cut_off"> {
  let isLate = false;
  const cancelTimer = clock.setTimer(BODY_READ_MS_MAX, () => {
    isLate = true;
    abandon(reader);
  });
  try {
    const { done, value } = await reader.read();
    if (isLate) return "cut_off";
    return done ? null : (value ?? null);
  } catch (error) {
    if (error instanceof Error) return "cut_off";
    throw error;
  } finally {
    cancelTimer();
  }
}

/** Tells the sender to stop. A stream that is broken already rejects this, and needs no telling. */
function abandon(reader: ByteReader): void {
  reader.cancel().catch(() => undefined);
}

async function collect(reader: ByteReader, bytesMax: number): Promise<RequestBody> {
  const chunks: Uint8Array[] = [];
  let lengthBytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done || value === undefined) break;
    lengthBytes += value.length;
    if (lengthBytes > bytesMax) return tooLarge(bytesMax);
    chunks.push(value);
  }
  const bytes = new Uint8Array(lengthBytes);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return { kind: "bytes", bytes };
}
