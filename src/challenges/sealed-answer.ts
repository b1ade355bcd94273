/**
 * The answer of a puzzle as the buyer carries it: encrypted, so that he cannot read it, and tied to one challenge.
 *
 * AES-256-GCM with a nonce made of the seed, which is 128 random bits and used for one challenge only. Kind, sale, session
 * and seed are authenticated with it: an answer cut out of one token opens in no other. All answers are equally long.
 */
import { createCipheriv, createDecipheriv, hash } from "node:crypto";
import type { PuzzleRequest } from "../ports/challenge.ts";

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ANSWER_BYTES = 12;
const ANSWER_MAX = 0xffff;
const MINTED_AT_OFFSET = 4;
const MINTED_AT_BYTES = 6;

/** What a kind wants to know again when the solution comes. */
export interface RememberedAnswer {
  /** From 0 to 65535. */
  readonly answer: number;
  /** When the puzzle was given out: the server's wall clock, whole milliseconds. */
  readonly mintedAt: number;
}

/** Keys of 32 bytes, equal on all nodes: the present one, and while the deployment's secret is changed the other one. */
export interface SealKeys {
  readonly current: Uint8Array;
  readonly previous: Uint8Array | null;
}

/** Seals answers of one kind. */
export class AnswerSeal {
  readonly #keys: SealKeys;
  readonly #kind: string;

  constructor(options: { keys: SealKeys; kind: string }) {
    this.#keys = options.keys;
    this.#kind = options.kind;
  }

  /** Base64url, 38 characters. */
  seal(request: Pick<PuzzleRequest, "saleId" | "sessionId" | "seed">, { answer, mintedAt }: RememberedAnswer): string {
    if (!Number.isInteger(answer) || answer < 0 || answer > ANSWER_MAX) throw new RangeError("an answer out of range");
    const plain = Buffer.alloc(ANSWER_BYTES);
    plain.writeUInt16BE(answer, 0);
    plain.writeUIntBE(Math.floor(mintedAt), MINTED_AT_OFFSET, MINTED_AT_BYTES);
    const cipher = createCipheriv(CIPHER, this.#keys.current, nonceOf(request.seed), { authTagLength: TAG_BYTES });
    cipher.setAAD(this.#boundText(request));
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString("base64url");
  }

  /** Null when it was not sealed for this challenge with a key that is known. */
  open(request: Pick<PuzzleRequest, "saleId" | "sessionId" | "seed">, sealed: string): RememberedAnswer | null {
    const bytes = Buffer.from(sealed, "base64url");
    if (bytes.length !== ANSWER_BYTES + TAG_BYTES) return null;
    const { current, previous } = this.#keys;
    const plain = this.#decrypt(current, request, bytes) ?? (previous && this.#decrypt(previous, request, bytes));
    if (plain === null) return null;
    return { answer: plain.readUInt16BE(0), mintedAt: plain.readUIntBE(MINTED_AT_OFFSET, MINTED_AT_BYTES) };
  }

  #decrypt(
    key: Uint8Array,
    request: Pick<PuzzleRequest, "saleId" | "sessionId" | "seed">,
    bytes: Buffer,
  ): Buffer | null {
    const decipher = createDecipheriv(CIPHER, key, nonceOf(request.seed), { authTagLength: TAG_BYTES });
    decipher.setAAD(this.#boundText(request));
    decipher.setAuthTag(bytes.subarray(ANSWER_BYTES));
    const plain = decipher.update(bytes.subarray(0, ANSWER_BYTES));
    try {
      decipher.final();
    } catch {
      return null;
    }
    return plain;
  }

  /** None of the parts can contain a vertical bar. */
  #boundText({ saleId, sessionId, seed }: Pick<PuzzleRequest, "saleId" | "sessionId" | "seed">): Buffer {
    return Buffer.from(`${this.#kind}|${saleId}|${sessionId}|${seed}`);
  }
}

function nonceOf(seed: string): Uint8Array {
  return hash("sha256", seed, "buffer").subarray(0, NONCE_BYTES);
}
