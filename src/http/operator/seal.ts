/**
 * Text that only this deployment can read again: secrets of one-time codes in the database, a sign-in's state in a cookie.
 *
 * AES-256-GCM with a random nonce; `purpose` is part of what is authenticated, so a text sealed for one place opens in no
 * other. While SECRET is being changed, what the other generation sealed opens too.
 */
import { createCipheriv, createDecipheriv, hash } from "node:crypto";
import type { Random } from "../../ports/random.ts";

const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface SealKeys {
  readonly current: Uint8Array;
  readonly previous: Uint8Array | null;
}

/** What was sealed, and whether the current key did it. */
export interface Opened {
  readonly text: string;
  readonly isCurrent: boolean;
}

export class Seal {
  readonly #keys: SealKeys;
  readonly #random: Random;

  constructor(keys: SealKeys, random: Random) {
    this.#keys = keys;
    this.#random = random;
  }

  /** Base64url. */
  seal(text: string, purpose: string): string {
    const nonce = hash("sha256", this.#random.id(), "buffer").subarray(0, NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#keys.current, nonce).setAAD(Buffer.from(purpose));
    const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
    return Buffer.concat([nonce, body, cipher.getAuthTag()]).toString("base64url");
  }

  /** Null for what we did not seal for this purpose. */
  open(sealed: string, purpose: string): Opened | null {
    const bytes = Buffer.from(sealed, "base64url");
    if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
    const text = openWith(this.#keys.current, bytes, purpose);
    if (text !== null) return { text, isCurrent: true };
    const { previous } = this.#keys;
    const old = previous === null ? null : openWith(previous, bytes, purpose);
    return old === null ? null : { text: old, isCurrent: false };
  }
}

function openWith(key: Uint8Array, bytes: Buffer, purpose: string): string | null {
  const tagStart = bytes.length - TAG_BYTES;
  const opener = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(purpose))
    .setAuthTag(bytes.subarray(tagStart));
  try {
    return Buffer.concat([opener.update(bytes.subarray(NONCE_BYTES, tagStart)), opener.final()]).toString("utf8");
  } catch (error) {
    // A wrong tag is the only way this fails: the lengths were checked.
    if (error instanceof Error) return null;
    throw error;
  }
}
