/**
 * `doorbuster rehearse --serve-job`: the process that a node starts for the load of a rehearsal. Not for people.
 *
 * The task is one line on stdin, what happens is lines of JSON on stdout; the end of stdin ends it in order. The rehearsal itself
 * is lab/rehearsal.
 */
import { rehearse } from "../../lab/rehearsal/rehearsal.ts";
import { createSystemClock } from "../../lab/swarm/system-clock.ts";
import type { RehearsalTask } from "../ports/rehearsal-runner.ts";

/** Serves one task. Answers the exit code. */
export async function serveRehearsalJob(): Promise<number> {
  const controller = new AbortController();
  const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  try {
    const task = await readTask(controller);
    const measured = await rehearse({
      ...{ task, clock: createSystemClock(), signal: controller.signal },
      onProgress: (progress) => say({ type: "progress", ...progress }),
    });
    say({ type: "measured", ...measured });
    return 0;
  } catch (error) {
    say({ type: "failed", message: error instanceof Error ? error.message : String(error) });
    return 1;
  }
}

/** The first line; the end of the stream, now or later, is the order to stop. */
function readTask(controller: AbortController): Promise<RehearsalTask> {
  return new Promise((resolve, reject) => {
    let text = "";
    process.stdin.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end !== -1) resolve(JSON.parse(text.slice(0, end)) as RehearsalTask);
    });
    process.stdin.on("end", () => {
      controller.abort(new Error("The rehearsal was told to stop."));
      reject(new Error("There was no task on stdin."));
    });
  });
}
