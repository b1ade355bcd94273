/**
 * The hot path's request as bytes with holes: everything that all attempts of a population share is written once.
 *
 * What differs (identity, address, code of the token, timestamp, key, nonce, signature) has a fixed length, so that an
 * attempt is a few dozen stores into a buffer that lies ready, and the text under the signature lies ready in the same way
 * between the pads of its HMAC. Written from the contract (docs: API, "canonical"); a test holds the bytes equal to those of
 * signed-request.ts. One request is written at a time: the bytes are good until the next.
 */
import { hash } from "node:crypto";
import { contentDigest } from "../signed-request.ts";
import {
  ADDRESS_LENGTH,
  MAC_LENGTH,
  NUMBER_LENGTH,
  numberText,
  type SessionMaker,
  writeAddress,
  writeDecimal,
  writeNumber,
} from "./identities.ts";

const STAMP_LENGTH = 13;
/** Base-36 digits that tell the attempts of one identity apart. */
const SERIAL_LENGTH = 4;
export const SERIAL_MAX = 36 ** SERIAL_LENGTH - 1;
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;

/** What makes one attempt differ from the others. */
export interface AttemptMarks {
  readonly number: number;
  /** Whose address it comes from; the identity's own number unless it hides. */
  readonly addressNumber: number;
  readonly timestampMs: number;
  /** Attempts with the same serial have the same Idempotency-Key. */
  readonly keySerial: number;
  readonly nonceSerial: number;
}

export interface TemplateOptions {
  readonly maker: SessionMaker;
  readonly host: string;
  readonly saleId: string;
  readonly sku: string;
  readonly quantity: number;
}

/** Text with holes while it is being put together. */
class Draft {
  text = "";

  add(text: string): this {
    this.text += text;
    return this;
  }

  /** A hole; answers where it is. */
  leave(length: number): number {
    const at = this.text.length;
    this.text += "0".repeat(length);
    return at;
  }
}

/** Where one key or nonce is. */
interface NamePlace {
  readonly number: number;
  readonly serial: number;
}

function leaveName(draft: Draft, run: string): NamePlace {
  draft.add(run);
  return { number: draft.leave(NUMBER_LENGTH), serial: draft.leave(SERIAL_LENGTH) };
}

/** The attempts of one population. */
export class AttemptTemplate {
  /** The request that was written last. */
  bytes: Buffer;
  readonly #maker: SessionMaker;
  readonly #identities: readonly number[];
  readonly #address: number;
  readonly #mac: number;
  readonly #stamp: number;
  readonly #key: NamePlace;
  readonly #nonce: NamePlace;
  readonly #signature: number;
  readonly #signed: SignedText;

  constructor(options: TemplateOptions) {
    const { maker, host, saleId, sku, quantity } = options;
    const path = `/v1/sales/${saleId}/items/${sku}/reservations`;
    const body = JSON.stringify({ quantity });
    const draft = new Draft().add(`POST ${path} HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-For: `);
    this.#maker = maker;
    this.#address = draft.leave(ADDRESS_LENGTH);
    draft.add("\r\nAuthorization: Bearer ");
    const token = maker.tokenOf(0);
    const [first = "", ...rest] = token.slice(0, -MAC_LENGTH).split(`${maker.run}${numberText(0)}`);
    draft.add(first);
    this.#identities = rest.map((piece) => {
      const at = draft.add(maker.run).leave(NUMBER_LENGTH);
      draft.add(piece);
      return at;
    });
    this.#mac = draft.leave(MAC_LENGTH);
    draft.add("\r\nX-Timestamp: ");
    this.#stamp = draft.leave(STAMP_LENGTH);
    draft.add("\r\nX-Nonce: ");
    this.#nonce = leaveName(draft, maker.run);
    draft.add("\r\nX-Signature: ");
    this.#signature = draft.leave(MAC_LENGTH);
    draft.add("\r\nIdempotency-Key: ");
    this.#key = leaveName(draft, maker.run);
    const head = `\r\nContent-Digest: ${contentDigest(body)}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
    draft.add(`${head}\r\n\r\n${body}`);
    this.bytes = Buffer.from(draft.text, "latin1");
    this.#signed = new SignedText({ run: maker.run, path, digest: contentDigest(body) });
  }

  /** Writes everything but the signature. */
  write(marks: AttemptMarks, macs: Buffer, slot: number): void {
    const { bytes } = this;
    const { number } = marks;
    for (const at of this.#identities) writeNumber(bytes, { at, length: NUMBER_LENGTH }, number);
    writeAddress(bytes, this.#address, marks.addressNumber);
    macs.copy(bytes, this.#mac, slot * MAC_LENGTH, slot * MAC_LENGTH + MAC_LENGTH);
    writeDecimal(bytes, { at: this.#stamp, length: STAMP_LENGTH }, marks.timestampMs);
    writeName(bytes, this.#key, number, marks.keySerial);
    writeName(bytes, this.#nonce, number, marks.nonceSerial);
  }

  /** Writes a signature that was made ahead; it lies at `slot` among others. */
  putSignature(signatures: Buffer, slot: number): void {
    signatures.copy(this.bytes, this.#signature, slot * MAC_LENGTH, slot * MAC_LENGTH + MAC_LENGTH);
  }

  /** Signs what {@link write} wrote of these marks. */
  sign(marks: AttemptMarks): void {
    this.bytes.write(this.signatureOf(marks), this.#signature, MAC_LENGTH, "latin1");
  }

  /** The signature of an attempt, without touching {@link bytes}. */
  signatureOf(marks: AttemptMarks): string {
    return this.#signed.sign(marks, this.#maker.rawSigningKeyOf(marks.number));
  }

  /** Makes the signature, or the token's code, somebody else's. */
  spoil(what: "signature" | "token"): void {
    const at = what === "signature" ? this.#signature : this.#mac;
    // Two characters in the middle: the last one's low bits mean nothing, and the others are text of the alphabet.
    this.bytes[at + 20] = this.bytes[at + 20] === 65 ? 66 : 65;
    this.bytes[at + 21] = this.bytes[at + 21] === 65 ? 66 : 65;
  }

  /** The last request is still needed by whoever sends it; the next one gets bytes of its own. */
  letGo(): void {
    this.bytes = Buffer.from(this.bytes);
  }
}

function writeName(bytes: Uint8Array, { number: at, serial }: NamePlace, number: number, serialNumber: number): void {
  writeNumber(bytes, { at, length: NUMBER_LENGTH }, number);
  writeNumber(bytes, { at: serial, length: SERIAL_LENGTH }, serialNumber);
}

/** The canonical text of an attempt, behind the inner pad of the HMAC that signs it. */
class SignedText {
  readonly #inner: Buffer;
  readonly #outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES, OUTER_PAD);
  readonly #stamp: number;
  readonly #key: NamePlace;
  readonly #nonce: NamePlace;

  constructor({ run, path, digest }: { run: string; path: string; digest: string }) {
    const draft = new Draft().add(`${" ".repeat(BLOCK_BYTES)}v1\nPOST\n${path}\n`);
    this.#stamp = draft.leave(STAMP_LENGTH);
    draft.add("\n");
    this.#nonce = leaveName(draft, run);
    draft.add("\n");
    this.#key = leaveName(draft, run);
    this.#inner = Buffer.from(draft.add(`\n${digest}`).text, "latin1").fill(INNER_PAD, 0, BLOCK_BYTES);
  }

  sign(marks: AttemptMarks, rawKey: string): string {
    const [inner, outer] = [this.#inner, this.#outer];
    writeDecimal(inner, { at: this.#stamp, length: STAMP_LENGTH }, marks.timestampMs);
    writeName(inner, this.#nonce, marks.number, marks.nonceSerial);
    writeName(inner, this.#key, marks.number, marks.keySerial);
    for (let index = 0; index < DIGEST_BYTES; index += 1) {
      const byte = rawKey.charCodeAt(index);
      inner[index] = byte ^ INNER_PAD;
      outer[index] = byte ^ OUTER_PAD;
    }
    outer.write(hash("sha256", inner, "binary"), BLOCK_BYTES, DIGEST_BYTES, "latin1");
    return hash("sha256", outer, "base64url");
  }
}
