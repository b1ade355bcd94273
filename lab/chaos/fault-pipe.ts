/**
 * One direction of a proxied connection: an ordered queue of chunks, each of which meets the link's faults when its turn
 * comes.
 *
 * Without faults a chunk is written at once. With latency the chunks overlap in flight as they do on a real wire: each
 * is late by its own delay and never overtakes another. The source is paused while much is queued, so a slow link pushes
 * back instead of filling memory.
 */
import type { Socket } from "node:net";
import type { SeededRandom } from "../swarm/seeded-random.ts";
import type { Direction, FaultCounts, LinkFaults, Tap } from "./link-faults.ts";

const QUEUED_BYTES_MAX = 1_048_576;

export interface FaultPipeOptions {
  readonly from: Socket;
  readonly to: Socket;
  readonly direction: Direction;
  readonly faults: () => LinkFaults;
  readonly counts: FaultCounts;
  readonly random: SeededRandom;
  readonly tap: Tap;
  /** Resets both ends of the connection. */
  readonly reset: () => void;
}

interface Chunk {
  readonly bytes: Uint8Array;
  readonly dueAtMs: number;
}

/** See the file comment. */
export class FaultPipe {
  readonly #options: FaultPipeOptions;
  readonly #queue: Chunk[] = [];
  #queuedBytes = 0;
  #isDraining = false;
  #hasEnded = false;
  #hasSourceEnded = false;
  #hasPassedOnTheEnd = false;
  #isLost = false;
  #wakeUps: (() => void)[] = [];

  constructor(options: FaultPipeOptions) {
    this.#options = options;
  }

  /** Something was swallowed: this direction is dead for good. */
  get isLost(): boolean {
    return this.#isLost;
  }

  start(): void {
    const { from } = this.#options;
    from.on("data", (bytes: Buffer) => this.#take(bytes));
    from.on("end", () => {
      this.#hasSourceEnded = true;
      this.#drain();
    });
    from.resume();
  }

  /** The faults have changed. */
  look(): void {
    const wakeUps = this.#wakeUps;
    this.#wakeUps = [];
    for (const wakeUp of wakeUps) wakeUp();
    this.#drain();
  }

  /** The connection is over. */
  end(): void {
    this.#hasEnded = true;
    this.#queue.length = 0;
    const wakeUps = this.#wakeUps;
    this.#wakeUps = [];
    for (const wakeUp of wakeUps) wakeUp();
  }

  #take(bytes: Uint8Array): void {
    const { latencyMs, jitterMs } = this.#options.faults();
    const delayMs = latencyMs + (jitterMs > 0 ? this.#options.random.fraction() * jitterMs : 0);
    if (delayMs > 0) this.#options.counts.delayedChunks += 1;
    this.#queue.push({ bytes, dueAtMs: performance.now() + delayMs });
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes > QUEUED_BYTES_MAX) this.#options.from.pause();
    this.#drain();
  }

  #drain(): void {
    if (this.#isDraining || this.#hasEnded) return;
    this.#isDraining = true;
    // A rejection here is a bug of the proxy: it must fail the run, so nothing catches it.
    void this.#drainAll().finally(() => {
      this.#isDraining = false;
      if (this.#queue.length > 0) this.#drain();
    });
  }

  async #drainAll(): Promise<void> {
    for (;;) {
      const chunk = this.#queue[0];
      if (chunk === undefined || this.#hasEnded) break;
      const restMs = chunk.dueAtMs - performance.now();
      if (restMs > 0) await this.#sleep(restMs);
      while (this.#options.faults().silence === "stall" && !this.#hasEnded) await this.#untilChange();
      if (this.#hasEnded) break;
      this.#queue.shift();
      this.#queuedBytes -= chunk.bytes.length;
      await this.#deliver(chunk.bytes);
      if (this.#queuedBytes <= QUEUED_BYTES_MAX && this.#options.from.isPaused()) this.#options.from.resume();
    }
    const isSilent = this.#isLost || this.#options.faults().silence !== "none";
    if (!this.#hasSourceEnded || this.#hasPassedOnTheEnd || this.#hasEnded || isSilent) return;
    this.#hasPassedOnTheEnd = true;
    this.#options.to.end();
  }

  async #deliver(bytes: Uint8Array): Promise<void> {
    const { counts, direction, random, reset, tap, to } = this.#options;
    const faults = this.#options.faults();
    if (this.#isLost || faults.silence === "lose") {
      this.#isLost = true;
      counts.swallowedBytes += bytes.length;
      return;
    }
    if (tap(bytes, direction) === "swallow") {
      counts.swallowedBytes += bytes.length;
      reset();
      return;
    }
    if (direction === "toClient" && faults.dropReplyShare > 0 && random.fraction() < faults.dropReplyShare) {
      counts.droppedReplies += 1;
      reset();
      return;
    }
    if (faults.cutShare > 0 && random.fraction() < faults.cutShare) {
      counts.cutFrames += 1;
      to.write(bytes.subarray(0, random.below(bytes.length)), reset);
      await this.#untilChange();
      return;
    }
    await this.#write(bytes, faults);
  }

  async #write(bytes: Uint8Array, faults: LinkFaults): Promise<void> {
    const { counts, to } = this.#options;
    const sliceBytes = faults.sliceBytes ?? bytes.length;
    for (let start = 0; start < bytes.length && !this.#hasEnded; start += sliceBytes) {
      const slice = bytes.subarray(start, start + sliceBytes);
      const isRoomLeft = to.write(slice);
      if (faults.sliceBytes !== null) counts.slices += 1;
      if (faults.bytesPerS !== null) await this.#sleep((slice.length / faults.bytesPerS) * 1_000);
      else if (sliceBytes < bytes.length) await new Promise((resolve) => setImmediate(resolve));
      if (!isRoomLeft && !to.destroyed) await this.#roomLeft();
    }
  }

  async #roomLeft(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#options.to.once("drain", resolve);
      this.#options.to.once("close", resolve);
      this.#wakeUps.push(resolve);
    });
  }

  async #untilChange(): Promise<void> {
    await new Promise<void>((resolve) => this.#wakeUps.push(resolve));
  }

  async #sleep(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => setTimeout(resolve, delayMs));
  }
}
