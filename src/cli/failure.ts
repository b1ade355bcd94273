/**
 * Failures in words for the person at the shell: what happened, and what can be done about it.
 *
 * A CommandFailure is an expected end with a text of its own; a fault brings the text of its table; an operating system's
 * error is translated where we know what it means here. Anything else is a bug and keeps its stack.
 */
import { type Fault, isFault } from "../domain/faults.ts";

/** The exit code of a command that failed. */
export const EXIT_FAILED = 1;
/** The exit code of a command that was called wrongly; nothing was done. */
export const EXIT_USAGE = 2;

/** Ends a command with a text and a non-zero exit code. */
export class CommandFailure extends Error {
  readonly exitCode: number;

  constructor(text: string, exitCode = EXIT_FAILED, options?: ErrorOptions) {
    super(text, options);
    this.name = "CommandFailure";
    this.exitCode = exitCode;
  }
}

/** The text to print for whatever ended a command. */
export function explainFailure(error: unknown): string {
  if (error instanceof CommandFailure) return error.message;
  if (isFault(error)) return explainFault(error);
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === "EADDRINUSE") return explainPortInUse(error as Error);
  if (code === "EACCES" && /listen|port/i.test((error as Error).message)) {
    return `${(error as Error).message}\nPorts below 1024 need privileges; set PORT and ADMIN_PORT to higher ones.`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function explainFault(fault: Fault): string {
  if (fault.code === "CONFIG_INVALID" && fault.internal !== undefined) {
    return `The configuration is not valid:\n  ${fault.internal.split("\n").join("\n  ")}`;
  }
  const cause = fault.cause instanceof Error ? `\n  cause: ${fault.cause.message}` : "";
  return `${fault.message}${fault.message.includes(cause.slice(10)) ? "" : cause}`;
}

function explainPortInUse(error: Error & { port?: number }): string {
  const port = error.port ?? /(?:port\D{0,3}|:)(\d{2,5})\b/i.exec(error.message)?.[1];
  const which = port === undefined ? "The port" : `Port ${port}`;
  return `${which} is in use by another program. Stop that, or choose others with PORT and ADMIN_PORT (0 takes any free port).`;
}
