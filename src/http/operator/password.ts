/**
 * Operators' passwords: argon2id by node:crypto, off the event loop, in the PHC form that names its own parameters.
 *
 * 19 MiB and two passes are OWASP's recommendation; one check takes about 30 ms of one core, so only a few may run at once
 * and the rest are told to come back. Raising the parameters leaves older hashes good.
 */
import { argon2, hash, timingSafeEqual } from "node:crypto";
import type { Random } from "../../ports/random.ts";

export const PASSWORD_LENGTH_MIN = 12;
export const PASSWORD_LENGTH_MAX = 256;

const MEMORY_KIB = 19_456;
const PASSES = 2;
const LANES = 1;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const RUNNING_MAX = 4;
const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43})$/;

interface Cost {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** Too many are being checked now. */
export class PasswordsBusy extends Error {}

/** Hashes and checks. One per process, because it counts what runs. */
export class Passwords {
  readonly #random: Random;
  #running = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The hash to keep. Throws {@link PasswordsBusy}. */
  async hash(password: string): Promise<string> {
    const salt = hash("sha256", this.#random.id(), "buffer").subarray(0, SALT_BYTES);
    const cost = { memory: MEMORY_KIB, passes: PASSES, parallelism: LANES };
    const digest = await this.#derive(password, salt, cost);
    return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${toPhc(salt)}$${toPhc(digest)}`;
  }

  /**
   * Whether it is the password of the hash. With null, for somebody there is not, it takes the same time and is false.
   * Throws {@link PasswordsBusy}.
   */
  async verify(password: string, stored: string | null): Promise<boolean> {
    const parts = PHC.exec(stored ?? NOBODY);
    if (parts === null) return false;
    const [, memory, passes, parallelism, salt = "", expected = ""] = parts;
    const cost = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
    const digest = await this.#derive(password, Buffer.from(salt, "base64"), cost);
    return timingSafeEqual(digest, Buffer.from(expected, "base64")) && stored !== null;
  }

  async #derive(password: string, nonce: Uint8Array, cost: Cost): Promise<Buffer> {
    if (this.#running >= RUNNING_MAX) throw new PasswordsBusy("too many passwords are being checked");
    this.#running += 1;
    try {
      return await new Promise<Buffer>((resolve, reject) => {
        const parameters = { message: password.normalize("NFKC"), nonce, tagLength: HASH_BYTES, ...cost };
        argon2("argon2id", parameters, (error, digest) => {
          if (error === null) resolve(Buffer.from(digest));
          else reject(error);
        });
      });
    } finally {
      this.#running -= 1;
    }
  }
}

/** Of a password nobody has: what is checked for people who do not exist. */
const NOBODY = `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${"A".repeat(22)}$${"A".repeat(43)}`;

/** Why a password is not good enough, in words for its owner; null when it is. */
export function weaknessOf(password: string, name: string): string | null {
  const plain = password.normalize("NFKC").toLowerCase();
  if (plain.length < PASSWORD_LENGTH_MIN) return `must have at least ${PASSWORD_LENGTH_MIN} characters`;
  if (plain.length > PASSWORD_LENGTH_MAX) return `must have at most ${PASSWORD_LENGTH_MAX} characters`;
  if (plain.includes(name.toLowerCase())) return "must not contain your name";
  if (new Set(plain).size < 5) return "must not repeat so few characters";
  if (isSequence(plain) || COMMON.some((word) => plain.includes(word))) return "is among the first that are tried";
  return null;
}

/** What most of the long passwords in published leaks are made of. */
const COMMON = [
  "password",
  "passw0rd",
  "qwertyuiop",
  "123456789",
  "iloveyou",
  "letmein",
  "administrator",
  "doorbuster",
];

function isSequence(text: string): boolean {
  const steps = new Set<number>();
  for (let index = 1; index < text.length; index += 1) steps.add(text.charCodeAt(index) - text.charCodeAt(index - 1));
  return steps.size === 1;
}

function toPhc(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "");
}
