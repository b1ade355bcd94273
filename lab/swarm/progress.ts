/**
 * Live progress: one line that is redrawn on a terminal, a line every two seconds anywhere else.
 */
import type { Clock } from "../../src/ports/clock.ts";

const REDRAW_INTERVAL_MS = 250;
const PLAIN_INTERVAL_MS = 2_000;
const CLEAR_LINE = "\r\u001b[2K";

/** Where lines go; a terminal or anything else. */
export interface ProgressOutput {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** Shows what `describe` says until stopped. */
export class Progress {
  private readonly clock: Clock;
  private readonly output: ProgressOutput;
  private cancel: (() => void) | null = null;

  constructor(clock: Clock, output: ProgressOutput) {
    this.clock = clock;
    this.output = output;
  }

  start(describe: () => string): void {
    this.stop();
    const show = (): void => {
      const isTerminal = this.output.isTTY === true;
      const text = describe();
      this.output.write(isTerminal ? `${CLEAR_LINE}${text.slice(0, (this.output.columns ?? 80) - 1)}` : `${text}\n`);
      this.cancel = this.clock.setTimer(isTerminal ? REDRAW_INTERVAL_MS : PLAIN_INTERVAL_MS, show);
    };
    show();
  }

  stop(): void {
    if (this.cancel === null) return;
    this.cancel();
    this.cancel = null;
    if (this.output.isTTY === true) this.output.write(CLEAR_LINE);
  }

  /** A line that stays. */
  say(line: string): void {
    this.output.write(this.output.isTTY === true ? `${CLEAR_LINE}${line}\n` : `${line}\n`);
  }
}
