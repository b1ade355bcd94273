/**
 * The buyers of one process while they wait for their turn, in as little memory as they need.
 *
 * 50,000 waiting buyers as objects with closures and small buffers cost 200 MB; here a buyer is a number, a token, 32
 * bytes of key and a slice of one slab of prepared requests, because plan and dice follow from the seed and the number.
 * A buyer becomes an object only for as long as its story runs.
 */
import { addressOf } from "./population.ts";
import type { BuyerSession } from "./signed-request.ts";

const KEY_BYTES = 32;
const REQUEST_BYTES_GUESS = 640;

/** Sessions and prepared requests by position; positions are in order of arrival once sorted. */
export class Roster {
  private readonly indices: Uint32Array;
  private readonly arrivalsMs: Float64Array;
  private readonly keys: Uint8Array;
  private readonly tokens: string[] = [];
  private readonly buyerIds: string[] = [];
  /** Position in order of arrival → position of joining. */
  private order: Uint32Array;
  private slab: Buffer = Buffer.alloc(0);
  private slabEnds: Float64Array = new Float64Array(0);
  private preparedCount = 0;

  constructor(membersMax: number) {
    this.indices = new Uint32Array(membersMax);
    this.arrivalsMs = new Float64Array(membersMax);
    this.keys = new Uint8Array(membersMax * KEY_BYTES);
    this.order = new Uint32Array(0);
  }

  get memberCount(): number {
    return this.tokens.length;
  }

  /** A buyer got a session. */
  join(buyer: { index: number; arrivalMs: number; token: string; buyerId: string; signingKey: Uint8Array }): void {
    if (buyer.signingKey.length !== KEY_BYTES) throw new Error(`a signing key of ${buyer.signingKey.length} bytes`);
    const at = this.tokens.length;
    if (at >= this.indices.length) throw new Error("more members than announced");
    this.indices[at] = buyer.index;
    this.arrivalsMs[at] = buyer.arrivalMs;
    this.keys.set(buyer.signingKey, at * KEY_BYTES);
    this.tokens.push(buyer.token);
    this.buyerIds.push(buyer.buyerId);
  }

  /** Puts positions into order of arrival; to be called when everybody has joined. */
  sort(): void {
    const arrival = (at: number): number => this.arrivalsMs[at] ?? 0;
    this.order = Uint32Array.from(this.tokens.keys()).sort((left, right) => arrival(left) - arrival(right));
    this.slabEnds = new Float64Array(this.memberCount);
    this.slab = Buffer.allocUnsafe(this.memberCount * REQUEST_BYTES_GUESS);
    this.preparedCount = 0;
  }

  /** The buyer's number in the crowd. */
  indexAt(position: number): number {
    return this.indices[this.order[position] ?? -1] ?? -1;
  }

  arrivalMsAt(position: number): number {
    return this.arrivalsMs[this.order[position] ?? -1] ?? Number.POSITIVE_INFINITY;
  }

  sessionAt(position: number): BuyerSession {
    const at = this.order[position] ?? -1;
    const token = this.tokens[at];
    const buyerId = this.buyerIds[at];
    if (token === undefined || buyerId === undefined) throw new Error(`nobody at position ${position}`);
    const signingKey = this.keys.subarray(at * KEY_BYTES, (at + 1) * KEY_BYTES);
    return { token, buyerId, signingKey, forwardedFor: addressOf(this.indices[at] ?? 0) };
  }

  /** Keeps the first request of the next position; requests are prepared in order. */
  keepPrepared(request: Uint8Array): void {
    const start = this.preparedCount === 0 ? 0 : (this.slabEnds[this.preparedCount - 1] ?? 0);
    const end = start + request.length;
    if (end > this.slab.length) this.slab = Buffer.concat([this.slab], Math.max(end, this.slab.length * 2));
    this.slab.set(request, start);
    this.slabEnds[this.preparedCount] = end;
    this.preparedCount += 1;
  }

  /** The request kept for the position. The bytes belong to the roster: do not change them. */
  preparedAt(position: number): Uint8Array {
    const start = position === 0 ? 0 : (this.slabEnds[position - 1] ?? 0);
    return this.slab.subarray(start, this.slabEnds[position] ?? start);
  }
}
