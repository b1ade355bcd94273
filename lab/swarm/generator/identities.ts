/**
 * The buyers of a swarm: numbers that stand for session, buyer and address, and what it takes to prove who they are.
 *
 * A million of them have to fit beside what is measured, so of each only the code of its token is kept (43 bytes) and, while
 * requests are signed ahead, the signature of its first request (43 bytes); everything else follows from the number. Sessions
 * are minted with the deployment's own SECRET by its own code: whoever has the secret may do that, and the report says so.
 */
import { type BuyerId, parseBuyerId, parseSessionId, type SessionId } from "../../../src/domain/ids.ts";
import { deriveKeys, type Keys, rawSigningKeyOf } from "../../../src/funnel/3-identity/keys.ts";
import { mintSessionToken } from "../../../src/funnel/3-identity/session-token.ts";
import type { BuyerSession } from "../signed-request.ts";

/** Base-36 digits of a number: more than the bound of a scenario's requests. */
export const NUMBER_LENGTH = 7;
/** Characters that keep the buyers of two runs apart. */
export const RUN_LENGTH = 6;
/** Base64url characters of an HMAC-SHA-256. */
export const MAC_LENGTH = 43;
export const ADDRESS_LENGTH = 15;

const RADIX = 36;
const ADDRESSES = 100_000_000;
/** Without a factor in common with ADDRESSES: neighbours in number are far apart in address, and no two have the same. */
const ADDRESS_STEP = 48_271;
const OCTET_MIN = 100;
const LOOPBACK = 127;
const INSTEAD_OF_LOOPBACK = 200;

/** The identities of one population in one process. */
export interface Block {
  /** The number of the first. */
  readonly firstNumber: number;
  /** Between the numbers of neighbours: processes share a population in turns. */
  readonly step: number;
  readonly count: number;
}

/** The number of the identity at a place of the block. */
export function numberAt(block: Block, slot: number): number {
  return block.firstNumber + slot * block.step;
}

/** A number in {@link NUMBER_LENGTH} characters. */
export function numberText(number: number): string {
  return number.toString(RADIX).padStart(NUMBER_LENGTH, "0");
}

/** Which sessions a run's numbers stand for. */
export class SessionMaker {
  readonly run: string;
  readonly #keys: Keys;
  readonly #expiresAt: number;

  constructor(options: { secret: string; run: string; expiresAt: number }) {
    if (options.run.length !== RUN_LENGTH) throw new Error(`a run's name has ${RUN_LENGTH} characters`);
    this.run = options.run;
    this.#keys = deriveKeys(options.secret);
    this.#expiresAt = options.expiresAt;
  }

  sessionIdOf(number: number): SessionId {
    const id = parseSessionId(`${this.#keys.kid}${this.run}${numberText(number)}`);
    if (id === null) throw new Error(`not a session id: ${this.run}`);
    return id;
  }

  buyerIdOf(number: number): BuyerId {
    const id = parseBuyerId(`swarm-${this.run}${numberText(number)}`);
    if (id === null) throw new Error(`not a buyer id: ${this.run}`);
    return id;
  }

  /** The token; its last {@link MAC_LENGTH} characters are the code. */
  tokenOf(number: number): string {
    return mintSessionToken(this.#keys.session, {
      sessionId: this.sessionIdOf(number),
      buyerId: this.buyerIdOf(number),
      expiresAt: this.#expiresAt,
      level: 0,
      accountCreatedAt: null,
      device: "",
      suspicion: 0,
    });
  }

  /** One byte per character. */
  rawSigningKeyOf(number: number): string {
    return rawSigningKeyOf(this.#keys, this.sessionIdOf(number));
  }

  /** As the shop would have handed it out, for requests that are few. */
  sessionOf(number: number): BuyerSession {
    return {
      token: this.tokenOf(number),
      signingKey: Buffer.from(this.rawSigningKeyOf(number), "latin1"),
      buyerId: this.buyerIdOf(number),
      forwardedFor: addressText(number),
    };
  }
}

/** What of each identity of a block is kept. */
export class Identities {
  readonly block: Block;
  /** Codes of tokens, one after the other. */
  readonly macs: Buffer;

  constructor(block: Block) {
    this.block = block;
    this.macs = Buffer.alloc(block.count * MAC_LENGTH);
  }

  /** Mints from one slot up to another. */
  mint(maker: SessionMaker, { from, until }: { from: number; until: number }): void {
    for (let slot = from; slot < until; slot += 1) {
      const token = maker.tokenOf(numberAt(this.block, slot));
      this.macs.write(token.slice(-MAC_LENGTH), slot * MAC_LENGTH, MAC_LENGTH, "latin1");
    }
  }
}

/** The address of a number, each octet of three digits so that all are equally long. */
export function addressText(number: number): string {
  const bytes = Buffer.alloc(ADDRESS_LENGTH);
  writeAddress(bytes, 0, number);
  return bytes.toString("latin1");
}

const DOT = 46;
const ZERO = 48;

/** Writes {@link addressText} into a request. */
export function writeAddress(bytes: Uint8Array, at: number, number: number): void {
  let rest = (number * ADDRESS_STEP) % ADDRESSES;
  let place = at + ADDRESS_LENGTH;
  for (let octet = 0; octet < 4; octet += 1) {
    const low = rest % 100;
    rest = (rest - low) / 100;
    const value = octet === 3 && low + OCTET_MIN === LOOPBACK ? INSTEAD_OF_LOOPBACK : low + OCTET_MIN;
    const hundreds = (value / 100) | 0;
    const tens = ((value / 10) | 0) % 10;
    bytes[--place] = ZERO + (value % 10);
    bytes[--place] = ZERO + tens;
    bytes[--place] = ZERO + hundreds;
    if (octet < 3) bytes[--place] = DOT;
  }
}

const BASE_36 = Buffer.from("0123456789abcdefghijklmnopqrstuvwxyz");

/** Writes a number in base 36 with leading zeros. */
export function writeNumber(bytes: Uint8Array, place: { at: number; length: number }, number: number): void {
  let rest = number;
  for (let index = place.at + place.length - 1; index >= place.at; index -= 1) {
    const quotient = Math.floor(rest / RADIX);
    bytes[index] = BASE_36[rest - quotient * RADIX] ?? ZERO;
    rest = quotient;
  }
}

/** Writes a number in decimal with leading zeros. */
export function writeDecimal(bytes: Uint8Array, place: { at: number; length: number }, number: number): void {
  let rest = number;
  for (let index = place.at + place.length - 1; index >= place.at; index -= 1) {
    const quotient = Math.floor(rest / 10);
    bytes[index] = ZERO + (rest - quotient * 10);
    rest = quotient;
  }
}
