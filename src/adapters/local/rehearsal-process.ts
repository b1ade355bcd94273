/**
 * Runs a rehearsal in a process of its own, of this very program: implements RehearsalRunner.
 *
 * The task goes over stdin because it holds secrets, which must not stand in a process list or an environment; what happens comes
 * back as one JSON object a line. The end of stdin tells the process to stop: it cannot outlive this one by accident.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { RehearsalMeasurement, RehearsalProgress, RehearsalRunner } from "../../ports/rehearsal-runner.ts";

/** What the process says. */
export type RehearsalLine =
  | ({ readonly type: "progress" } & RehearsalProgress)
  | ({ readonly type: "measured" } & RehearsalMeasurement)
  | { readonly type: "failed"; readonly message: string };

const TYPES: readonly RehearsalLine["type"][] = ["progress", "measured", "failed"];
const NOT_A_LINE = "The rehearsal's process said what it never should";
const LINE_CHARACTERS_MAX = 65_536;
const SHOWN_CHARACTERS_MAX = 200;
/** Closing the sales and the last audit, on a slow machine. */
const GRACE_MS = 50_000;
const KILL_AFTER_MS = 8_000;

/** `mainPath`: the program's own first file. */
export function createRehearsalProcess({ mainPath }: { mainPath: string }): RehearsalRunner {
  return {
    run: (task, { onProgress, signal }) =>
      new Promise((resolve, reject) => {
        // Nothing of our environment: everything that it needs to know is in the task.
        const child = spawn(process.execPath, [mainPath, "rehearse", "--serve-job"], {
          stdio: ["pipe", "pipe", "ignore"],
          env: {},
        });
        const end = follow(child, (text) => {
          const line = readLine(text);
          if (line?.type === "progress") onProgress(line);
          else if (line?.type === "measured") resolve(line);
          else {
            const said = line === null ? `${NOT_A_LINE}: ${text.slice(0, SHOWN_CHARACTERS_MAX)}` : line.message;
            reject(signal.aborted ? signal.reason : new Error(said));
            if (line === null) stop(child);
          }
        });
        const timer = setTimeout(() => stop(child), task.durationMs + GRACE_MS);
        const abort = (): void => stop(child);
        signal.addEventListener("abort", abort);
        void end.then((why) => {
          clearTimeout(timer);
          signal.removeEventListener("abort", abort);
          // After a result this changes nothing.
          reject(signal.aborted ? signal.reason : new Error(why));
        });
        if (signal.aborted) abort();
        child.stdin?.on("error", () => undefined);
        child.stdin?.write(`${JSON.stringify(task)}\n`);
      }),
  };
}

/** Null for what the process should never say. It is another program's output: nothing in it may throw here. */
function readLine(text: string): RehearsalLine | null {
  try {
    const line = JSON.parse(text) as RehearsalLine | null;
    return TYPES.some((type) => type === line?.type) ? line : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Calls back for each line; resolves with why it ended. */
function follow(child: ChildProcess, onLine: (text: string) => void): Promise<string> {
  let rest = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_CHARACTERS_MAX) stop(child);
    for (const line of lines) onLine(line);
  });
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(`The rehearsal's process could not be started: ${error.message}`));
    child.once("close", (code, signal) => resolve(`The rehearsal's process ended early (${signal ?? code}).`));
  });
}

/** In order first: it has sales to close. Once is enough. */
function stop(child: ChildProcess): void {
  if (child.stdin?.writableEnded === true) return;
  child.stdin?.end();
  const timer = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
  child.once("close", () => clearTimeout(timer));
}
