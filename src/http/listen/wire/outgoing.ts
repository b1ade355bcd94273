/**
 * What leaves on a connection, and whether the other end takes it.
 *
 * Answers are written at once and wait in the line when they are not taken; what goes on (event streams, exports) waits
 * for the line before it makes more.
 */
import type { Line } from "./line.ts";

/** One per connection. */
export class Outgoing {
  readonly #line: Line;
  readonly #onBlocked: () => void;
  #isBlocked = false;
  #isLost = false;
  #resolve: ((isTaken: boolean) => void) | null = null;

  /** `onBlocked`: the other end has begun to take less than it is sent. */
  constructor(line: Line, onBlocked: () => void) {
    this.#line = line;
    this.#onBlocked = onBlocked;
  }

  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** False: it waits in the line. */
  write(bytes: Uint8Array): boolean {
    if (this.#isLost || this.#line.write(bytes)) return true;
    if (!this.#isBlocked) this.#onBlocked();
    this.#isBlocked = true;
    return false;
  }

  /** True, or a promise that resolves when more can be taken; with false when nothing will be any more. */
  send(bytes: Uint8Array): true | Promise<boolean> {
    if (this.#isLost) return Promise.resolve(false);
    if (this.write(bytes)) return true;
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  drained(): void {
    this.#isBlocked = false;
    this.#resolve?.(true);
    this.#resolve = null;
  }

  /** The connection is gone. */
  lost(): void {
    this.#isLost = true;
    this.#resolve?.(false);
    this.#resolve = null;
  }
}
