/**
 * The opaque form of an event-log position, as buyers see it in `id:` and send it back in `Last-Event-ID`.
 *
 * Positions count transactions and rows, so in the open they would tell how fast a sale goes. One AES block hides them:
 * a position is exactly one block (mark, transaction, row), never repeats, and needs no secrecy beyond that, so a mode with
 * an initialisation vector would only make every event longer. The mark tells ours from anything else that is sent
 * back; a forged position could at most replay the buyer's own reservations to the buyer.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import type { EventCursor } from "../ports/event-log.ts";

const BLOCK_BYTES = 16;
const MARK = 0x64620001;
const MARK_BYTES = 4;
/** 48 bits each: enough for 280 billion rows a day over three years. */
const NUMBER_BYTES = 6;
const NUMBER_LIMIT = 2n ** 48n;
const TOKEN_PATTERN = /^[A-Za-z0-9_-]{22}$/;

export interface CursorCodec {
  /** The `id:` of a position. */
  encode(cursor: EventCursor): string;
  /** The position behind a `Last-Event-ID`, or null for anything that we did not make. */
  decode(token: string | null): EventCursor | null;
}

/** A codec with a key derived from the deployment's secret, so that every node reads every other's positions. */
export function createCursorCodec(key: Uint8Array): CursorCodec {
  if (key.length < BLOCK_BYTES) throw new RangeError(`the event cursor key needs ${BLOCK_BYTES} bytes`);
  const blockKey = key.slice(0, BLOCK_BYTES);
  return {
    encode(cursor) {
      const block = Buffer.alloc(BLOCK_BYTES);
      block.writeUInt32BE(MARK, 0);
      block.writeUIntBE(bounded(cursor.transaction), MARK_BYTES, NUMBER_BYTES);
      block.writeUIntBE(bounded(cursor.row), MARK_BYTES + NUMBER_BYTES, NUMBER_BYTES);
      const cipher = createCipheriv("aes-128-ecb", blockKey, null).setAutoPadding(false);
      return Buffer.concat([cipher.update(block), cipher.final()]).toString("base64url");
    },
    decode(token) {
      if (token === null || !TOKEN_PATTERN.test(token)) return null;
      const decipher = createDecipheriv("aes-128-ecb", blockKey, null).setAutoPadding(false);
      const block = Buffer.concat([decipher.update(Buffer.from(token, "base64url")), decipher.final()]);
      if (block.readUInt32BE(0) !== MARK) return null;
      return {
        transaction: String(block.readUIntBE(MARK_BYTES, NUMBER_BYTES)),
        row: String(block.readUIntBE(MARK_BYTES + NUMBER_BYTES, NUMBER_BYTES)),
      };
    },
  };
}

function bounded(digits: string): number {
  const value = BigInt(digits);
  if (value < 0n || value >= NUMBER_LIMIT) throw new RangeError(`event position out of range: ${digits}`);
  return Number(value);
}
