/**
 * Randomness of the running process: the system's CSPRNG for ids, the cheap generator for jitter.
 */
import { randomBytes } from "node:crypto";
import type { Random } from "../../ports/random.ts";

const ID_BYTES = 16;

/** `implements Random`. */
export function createSystemRandom(): Random {
  return {
    id: () => randomBytes(ID_BYTES).toString("base64url"),
    fraction: () => Math.random(),
  };
}
