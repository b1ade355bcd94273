/**
 * Whether a file can be written, asked before a run that takes minutes and not after it. Writes nothing.
 */
import { closeSync, existsSync, openSync, rmSync } from "node:fs";
import { CommandFailure, EXIT_USAGE } from "./failure.ts";

/** Throws CommandFailure with what to do when it cannot; what the file holds stays as it is. */
export function checkWritable(file: string): void {
  const isNew = !existsSync(file);
  try {
    closeSync(openSync(file, "a"));
  } catch (error) {
    throw new CommandFailure(`Cannot write ${file}: ${(error as Error).message}`, EXIT_USAGE);
  }
  if (isNew) rmSync(file);
}
