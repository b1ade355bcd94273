/**
 * How a page solves challenges: proof of work in a worker, everything else by asking the person.
 *
 * Where a worker cannot be started (an old browser, a proxy that breaks scripts) the work is done on the page's thread in
 * slices. The address of the worker's script is in the page's HTML, because its name is its content.
 */
import { type ChallengeSolver, type ChallengeWork, solveInSlices, WORK_KIND } from "../../client/challenge.ts";
import type { Challenge } from "../../client/contract.ts";
import type { WorkerWord } from "./pow-worker.ts";

/**
 * A solver for the whole page. `ask` shows a challenge to the person, or answers null for one that the device shall solve;
 * null = nothing is shown here.
 */
export function createPageSolver(parts: { workerUrl: string | null; ask: ChallengeSolver | null }): ChallengeSolver {
  const { workerUrl, ask } = parts;
  return async (challenge, work) => {
    const answer = (await ask?.(challenge, work)) ?? null;
    if (answer !== null || challenge.kind !== WORK_KIND) return answer;
    if (workerUrl === null) return solveInSlices(challenge, work);
    try {
      return await solveInWorker(workerUrl, challenge, work);
    } catch (error) {
      if (work.signal?.aborted) throw error;
      return solveInSlices(challenge, work);
    }
  };
}

function solveInWorker(workerUrl: string, challenge: Challenge, work: ChallengeWork): Promise<string | null> {
  const { signal, onProgress } = work;
  return new Promise((resolve, reject) => {
    const worker = new Worker(workerUrl, { type: "module" });
    const stop = () => {
      worker.terminate();
      signal?.removeEventListener("abort", abandon);
    };
    const abandon = () => {
      stop();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", abandon);
    worker.onerror = () => {
      stop();
      reject(new Error("The worker could not be started."));
    };
    worker.onmessage = ({ data }: MessageEvent<WorkerWord>) => {
      if ("fraction" in data) {
        onProgress(data.fraction);
        return;
      }
      stop();
      onProgress(1);
      resolve(data.solution);
    };
    worker.postMessage(challenge);
  });
}
