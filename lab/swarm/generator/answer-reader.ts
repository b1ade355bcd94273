/**
 * Reads answers with as little work as they allow: on sale day almost all of them are the same few texts.
 *
 * An answer that was read once is remembered by status and length, with where its header ends, its length stands and its
 * reason begins. The next one of that status and length is compared there, some twenty bytes, and is known; anything that
 * differs is read properly and remembered in turn. Content-Length and chunked bodies are understood. One reader serves all
 * connections of a process: what it says holds until the next call.
 */
import { acceptedName, type OutcomeNames } from "./outcomes.ts";

/** Where a known answer can be told from others of its length. */
interface Shape {
  readonly headerEnd: number;
  readonly marks: readonly { readonly at: number; readonly bytes: Buffer }[];
  readonly outcome: number;
}

const HEADER_END = Buffer.from("\r\n\r\n");
const CHUNKS_END = Buffer.from("0\r\n\r\n");
const SHAPES_MAX = 512;
const STATUS_AT = 9;
const LENGTHS_MAX = 65_536;
const STATUSES_MAX = 1_000;
const ZERO = 48;
const REASON = '"reason":"';
const ACCEPTED_STATUSES: ReadonlySet<number> = new Set([201, 202]);

/** What the requests of a kind are called when the status says all there is. */
export type AnswerKind = "attempt" | "look" | "checkout" | "press" | "give back";

/** What is sent by the million; the rest is read properly every time. */
const KINDS_REMEMBERED: ReadonlySet<AnswerKind> = new Set(["attempt", "look"]);

/** Reads one whole answer at a time. */
export class AnswerReader {
  /** The outcome's number. */
  outcome = 0;
  status = 0;
  /** True when the server will say no more on this connection. */
  isLast = false;
  #bytes: Buffer = Buffer.alloc(0);
  #headerEnd = 0;
  readonly #names: OutcomeNames;
  readonly #shapes = new Map<number, Shape>();

  constructor(names: OutcomeNames) {
    this.#names = names;
  }

  /** False when the answer is not complete; the caller brings all bytes again, and more. */
  read(bytes: Buffer, kind: AnswerKind): boolean {
    const status =
      ((bytes[STATUS_AT] ?? 0) - ZERO) * 100 +
      ((bytes[STATUS_AT + 1] ?? 0) - ZERO) * 10 +
      (bytes[STATUS_AT + 2] ?? 0) -
      ZERO;
    const name = (kind === "look" ? status + STATUSES_MAX : status) * LENGTHS_MAX + bytes.length;
    const shape = KINDS_REMEMBERED.has(kind) ? this.#shapes.get(name) : undefined;
    if (shape !== undefined && isShaped(bytes, shape)) {
      this.#bytes = bytes;
      this.status = status;
      this.outcome = shape.outcome;
      this.isLast = false;
      this.#headerEnd = shape.headerEnd;
      return true;
    }
    return this.#readWhole(bytes, { status, kind, name });
  }

  /** What the answer says to wait, or null. */
  retryAfterMs(): number | null {
    const found = /"retryAfterMs":(\d{1,9})/.exec(this.body)?.[1];
    return found === undefined ? null : Number(found);
  }

  get body(): string {
    return this.#bytes.toString("utf8", this.#headerEnd + HEADER_END.length);
  }

  #readWhole(bytes: Buffer, { status, kind, name }: { status: number; kind: AnswerKind; name: number }): boolean {
    const headerEnd = bytes.indexOf(HEADER_END);
    if (headerEnd === -1) return false;
    const head = bytes.toString("latin1", 0, headerEnd);
    const bodyAt = headerEnd + HEADER_END.length;
    const length = /\r\ncontent-length:\s*(\d+)/i.exec(head);
    const isChunked = length === null && /\r\ntransfer-encoding:\s*chunked/i.test(head);
    const isThere = isChunked
      ? bytes.length >= bodyAt + CHUNKS_END.length && bytes.subarray(-CHUNKS_END.length).equals(CHUNKS_END)
      : bytes.length >= bodyAt + Number(length?.[1] ?? 0);
    if (!isThere) return false;
    this.#bytes = bytes;
    this.status = status;
    this.isLast = /\r\nconnection:\s*close/i.test(head);
    this.#headerEnd = headerEnd;
    const body = bytes.toString("latin1", bodyAt);
    const reasonAt = status < 400 ? -1 : body.indexOf(REASON);
    const reason =
      reasonAt === -1 ? "" : body.slice(reasonAt + REASON.length, body.indexOf('"', reasonAt + REASON.length));
    const outcome = this.#names.numberOf(nameOf({ status, kind, reason, head }));
    this.outcome = outcome;
    const isTold = reason !== "" || status < 400;
    const isPlain = KINDS_REMEMBERED.has(kind) && !isChunked && length !== null && isTold && !this.isLast;
    if (isPlain && !ACCEPTED_STATUSES.has(status) && this.#shapes.size < SHAPES_MAX) {
      const lengthEnd = length.index + length[0].length;
      const reasonFrom = bodyAt + reasonAt;
      const places: readonly (readonly [from: number, until: number])[] = [
        [headerEnd, bodyAt],
        [lengthEnd - (length[1] ?? "").length, lengthEnd],
        ...(reason === "" ? [] : [[reasonFrom, reasonFrom + REASON.length + reason.length + 1] as const]),
      ];
      const marks = places.map(([at, until]) => ({ at, bytes: Buffer.from(bytes.subarray(at, until)) }));
      this.#shapes.set(name, { headerEnd, marks, outcome });
    }
    return true;
  }
}

function isShaped(bytes: Buffer, { marks }: Shape): boolean {
  for (const { at, bytes: expected } of marks) {
    for (let index = 0; index < expected.length; index += 1) {
      if (bytes[at + index] !== expected[index]) return false;
    }
  }
  return true;
}

function nameOf(answer: { status: number; kind: AnswerKind; reason: string; head: string }): string {
  const { status, kind, reason, head } = answer;
  if (kind !== "attempt") return `${kind}: ${reason === "" ? (status < 400 ? "done" : `status ${status}`) : reason}`;
  if (ACCEPTED_STATUSES.has(status)) return acceptedName(status, /\r\nidempotent-replayed:\s*true/i.test(head));
  return reason === "" ? `status ${status}` : reason;
}
