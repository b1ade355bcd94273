/**
 * The attempt under way on a connection, as the funnel sees it.
 *
 * One object serves all attempts of a connection, since there is one at a time: what it says is true until its answer is
 * given.
 */
import type { HotRequest, ReadBody } from "../../../funnel/request.ts";
import type { RequestHead } from "./request-head.ts";

/** What an attempt needs of its connection. */
export interface HotSource {
  readonly head: RequestHead;
  readonly body: { collect(bytesMax: number): ReadBody | Promise<ReadBody> };
  readonly remoteAddress: string;
}

/** Made with the first attempt of a connection. */
export class HotWireRequest implements HotRequest {
  saleId = "";
  sku = "";
  readonly #source: HotSource;

  constructor(source: HotSource) {
    this.#source = source;
  }

  get method(): string {
    return this.#source.head.method;
  }

  get pathAndQuery(): string {
    return this.#source.head.target;
  }

  get remoteAddress(): string {
    return this.#source.remoteAddress;
  }

  header(name: string): string | null {
    return this.#source.head.header(name);
  }

  readBody(bytesMax: number): ReadBody | Promise<ReadBody> {
    return this.#source.body.collect(bytesMax);
  }
}
