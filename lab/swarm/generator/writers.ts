/**
 * What each population writes: attempts of buyers, and what forgers, replayers, rotators, early openers and scrapers send.
 *
 * The hostile are those of lab/swarm/hostile/ as far as they can be had at tens of thousands a second: the same mischief,
 * without the browser around it. Attempts come from templates; what is rare (paying, giving back) is built by
 * signed-request.ts. First attempts of buyers can be signed ahead, because their instants are known.
 */
import { buildPlainRequest, buildSignedRequest } from "../signed-request.ts";
import { type AttemptMarks, AttemptTemplate, SERIAL_MAX } from "./attempt-template.ts";
import { ADDRESS_LENGTH, MAC_LENGTH, numberAt, type SessionMaker, writeAddress } from "./identities.ts";
import type { Errand, Stream } from "./stream.ts";

/** Signatures are good for 30 s; beyond this they are made anew. */
const FRESH_MS = 20_000;
const STALE_MS = 90_000;
/** Addresses of those who hide: far from any identity's own. */
const HIDING_PLACES = 50_000_000;
const FORGERIES = 4;
const FORM = "application/x-www-form-urlencoded";

export interface WriterContext {
  readonly maker: SessionMaker;
  readonly host: string;
  readonly saleId: string;
  readonly sku: string;
}

/** Writes a population's requests; each is good until the next of the same writer. */
export interface Writer {
  /** `openedAtMs`: the opening by the server's clock; `nowMs`: after it. */
  write(errand: Errand, time: { openedAtMs: number; nowMs: number }): Buffer;
  /** The last request is still being sent. */
  letGo(): void;
}

/** The writer of a population. */
export function createWriter(stream: Stream, context: WriterContext): Writer {
  const { population } = stream.plan;
  if (population.kind === "scraper") return new LookWriter(stream, context);
  const quantity = population.kind === "buyer" ? population.quantity : 1;
  const template = new AttemptTemplate({ ...context, quantity });
  switch (population.kind) {
    case "buyer":
      return new BuyerWriter(stream, context, template);
    case "forger":
      return new HostileWriter(stream, template, forge);
    case "replayer":
      return new HostileWriter(stream, template, replay);
    case "ip_rotator":
      return new HostileWriter(stream, template, rotate);
    case "early_opener":
      return new HostileWriter(stream, template, attemptEarly);
  }
}

/** GETs of the sale, each from the address of whoever looks. */
class LookWriter implements Writer {
  readonly #stream: Stream;
  readonly #address: number;
  #bytes: Buffer;

  constructor(stream: Stream, { host, saleId }: WriterContext) {
    this.#stream = stream;
    const head = `GET /v1/sales/${saleId} HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-For: `;
    this.#address = head.length;
    this.#bytes = Buffer.from(`${head}${"0".repeat(ADDRESS_LENGTH)}\r\n\r\n`, "latin1");
  }

  write(errand: Errand): Buffer {
    const { identities } = this.#stream;
    writeAddress(this.#bytes, this.#address, numberAt(identities.block, this.#stream.slotOf(errand.arrival)));
    return this.#bytes;
  }

  letGo(): void {
    this.#bytes = Buffer.from(this.#bytes);
  }
}

/** Looks, attempts, pays and gives back. */
export class BuyerWriter implements Writer {
  readonly #stream: Stream;
  readonly #context: WriterContext;
  readonly #template: AttemptTemplate;
  readonly #looks: LookWriter;
  #signatures: Buffer | null = null;
  #signedForMs = 0;

  constructor(stream: Stream, context: WriterContext, template: AttemptTemplate) {
    this.#stream = stream;
    this.#context = context;
    this.#template = template;
    this.#looks = new LookWriter(stream, context);
  }

  /** Signs the first attempts of the slots for an opening at that instant. */
  signAhead(openedAtMs: number, { from, until }: { from: number; until: number }): void {
    const { instants, identities } = this.#stream;
    this.#signatures ??= Buffer.alloc(identities.block.count * MAC_LENGTH);
    this.#signedForMs = openedAtMs;
    for (let slot = from; slot < until; slot += 1) {
      const marks = this.#marksOf(slot, 0, Math.floor(openedAtMs + (instants[slot] ?? 0)));
      this.#signatures.write(this.#template.signatureOf(marks), slot * MAC_LENGTH, MAC_LENGTH, "latin1");
    }
  }

  write(errand: Errand, time: { openedAtMs: number; nowMs: number }): Buffer {
    if (errand.kind === "look") return this.#looks.write(errand);
    if (errand.kind !== "attempt") return this.#writeRare(errand, Math.floor(time.openedAtMs + time.nowMs));
    const { arrival, tries } = errand;
    const isAhead = this.#signatures !== null && tries === 0 && !this.#stream.looksFirst(arrival);
    const aheadMs = Math.floor(this.#signedForMs + (this.#stream.instants[arrival] ?? 0));
    const nowMs = time.openedAtMs + time.nowMs;
    if (this.#signatures !== null && isAhead && Math.abs(nowMs - aheadMs) < FRESH_MS) {
      this.#template.write(this.#marksOf(arrival, 0, aheadMs), this.#stream.identities.macs, arrival);
      this.#template.putSignature(this.#signatures, arrival);
      return this.#template.bytes;
    }
    const marks = this.#marksOf(arrival, tries, Math.floor(nowMs));
    this.#template.write(marks, this.#stream.identities.macs, arrival);
    this.#template.sign(marks);
    return this.#template.bytes;
  }

  letGo(): void {
    this.#template.letGo();
    this.#looks.letGo();
  }

  #marksOf(slot: number, tries: number, timestampMs: number): AttemptMarks {
    const number = numberAt(this.#stream.identities.block, slot);
    return { number, addressNumber: number, timestampMs, keySerial: 0, nonceSerial: tries };
  }

  #writeRare(errand: Errand, timestampMs: number): Buffer {
    const { maker, host } = this.#context;
    const number = numberAt(this.#stream.identities.block, errand.arrival);
    const session = maker.sessionOf(number);
    const common = { path: errand.path, host, forwardedFor: session.forwardedFor };
    if (errand.kind === "press") {
      return buildPlainRequest({ ...common, method: "POST", body: "action=pay", contentType: FORM });
    }
    const method = errand.kind === "checkout" ? "POST" : "DELETE";
    const nonce = `${maker.run}${errand.kind.replace(" ", "-")}-${number}-${errand.tries}`.padEnd(16, "_");
    return buildSignedRequest(
      session,
      { method, path: errand.path, body: null, idempotencyKey: null, timestampMs, nonce },
      host,
    );
  }
}

/** A hostile attempt before anything is wrong with it. */
interface Occasion {
  readonly marks: AttemptMarks;
  readonly macs: Buffer;
  readonly slot: number;
  /** How often the identity came before. */
  readonly round: number;
  /** Its place among all requests of the population. */
  readonly global: number;
  readonly openedAtMs: number;
}

/** Puts one hostile attempt into the template. */
type Mischief = (template: AttemptTemplate, occasion: Occasion) => void;

/** Sends attempts that are wrong in one way or another; deaf to answers. */
class HostileWriter implements Writer {
  readonly #stream: Stream;
  readonly #template: AttemptTemplate;
  readonly #mischief: Mischief;

  constructor(stream: Stream, template: AttemptTemplate, mischief: Mischief) {
    this.#stream = stream;
    this.#template = template;
    this.#mischief = mischief;
  }

  write(errand: Errand, { openedAtMs, nowMs }: { openedAtMs: number; nowMs: number }): Buffer {
    const { identities } = this.#stream;
    const slot = this.#stream.slotOf(errand.arrival);
    const round = Math.min(SERIAL_MAX, this.#stream.roundOf(errand.arrival));
    const number = numberAt(identities.block, slot);
    const timestampMs = Math.floor(openedAtMs + nowMs);
    const marks = { number, addressNumber: number, timestampMs, keySerial: round, nonceSerial: round };
    const { macs } = identities;
    const global = this.#stream.globalOf(errand.arrival);
    this.#mischief(this.#template, { marks, macs, slot, round, global, openedAtMs: Math.floor(openedAtMs) });
    return this.#template.bytes;
  }

  letGo(): void {
    this.#template.letGo();
  }
}

/** Another code, another signature, an old timestamp, a key that the signature does not cover: in turns. */
const forge: Mischief = (template, { marks, macs, slot, global }) => {
  const turn = global % FORGERIES;
  const own = turn === 2 ? { ...marks, timestampMs: marks.timestampMs - STALE_MS } : marks;
  template.write(own, macs, slot);
  template.sign(own);
  if (turn === 0) template.spoil("token");
  if (turn === 1) template.spoil("signature");
  if (turn === 3) template.write({ ...own, keySerial: (own.keySerial + 1) % SERIAL_MAX }, macs, slot);
};

/** The same bytes again from another address, and the same signature over another key. Captured anew every 20 s. */
const replay: Mischief = (template, { marks, macs, slot, round, global, openedAtMs }) => {
  const capture = Math.floor((marks.timestampMs - openedAtMs) / FRESH_MS);
  const timestampMs = openedAtMs + capture * FRESH_MS;
  const nonceSerial = capture + 4;
  const captured = { ...marks, timestampMs, keySerial: 0, nonceSerial, addressNumber: HIDING_PLACES + global };
  template.write(captured, macs, slot);
  template.sign(captured);
  if (round % 2 === 1) template.write({ ...captured, keySerial: round }, macs, slot);
};

/** Genuine attempts of one account, each under a new key and from a new address. */
const rotate: Mischief = (template, { marks, macs, slot, global }) => {
  const own = { ...marks, addressNumber: HIDING_PLACES + global };
  template.write(own, macs, slot);
  template.sign(own);
};

/** Genuine attempts of one key, as early as the curve says. */
const attemptEarly: Mischief = (template, { marks, macs, slot }) => {
  const own = { ...marks, keySerial: 0 };
  template.write(own, macs, slot);
  template.sign(own);
};
