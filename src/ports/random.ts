/**
 * Port: randomness. Ids need 128 unguessable bits; jitter only needs to differ.
 */

export interface Random {
  /** 22 base64url characters: 128 bits from the system's CSPRNG. */
  id(): string;
  /** Uniform in [0, 1), for jitter. Not for secrets. */
  fraction(): number;
}
