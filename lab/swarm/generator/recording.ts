/**
 * What `--json-lines` writes: a line for each quarter of a second while it runs, one for each second at the end, the result last.
 *
 * The lines of type "second" are a recorded curve: a scenario with `curve: replay` plays them again.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { SwarmResult } from "./result.ts";
import type { SwarmProgress, SwarmTrouble } from "./swarm.ts";

/** A file of JSON lines. Opening it throws when it cannot be written: before the run, not after. */
export class Recording {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "w");
  }

  progress(progress: SwarmProgress | SwarmTrouble): void {
    this.#line({ type: "progress", ...progress });
  }

  result(result: SwarmResult): void {
    const { seconds, ...rest } = result;
    for (const second of seconds) this.#line({ type: "second", ...second });
    this.#line({ type: "result", ...rest });
  }

  close(): void {
    closeSync(this.#file);
  }

  #line(value: unknown): void {
    writeSync(this.#file, `${JSON.stringify(value)}\n`);
  }
}
