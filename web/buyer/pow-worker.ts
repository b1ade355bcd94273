/**
 * The worker that does proof of work, so that the page's own thread keeps counting down while it runs.
 *
 * It is told one challenge and answers with fractions and at last with the solution, or null for a kind that is no work.
 * Ending it early is the page's: it terminates the worker.
 */
import { workOf } from "../../client/challenge.ts";
import type { Challenge } from "../../client/contract.ts";

/** What the worker says. */
export type WorkerWord = { readonly fraction: number } | { readonly solution: string | null };

/** Long enough that telling costs nothing, short enough that the bar moves. */
const TRIES_PER_WORD = 16_384;

function tell(word: WorkerWord): void {
  self.postMessage(word);
}

self.onmessage = ({ data }: MessageEvent<Challenge>) => {
  const work = workOf(data);
  while (work !== null && !work.work(TRIES_PER_WORD)) tell({ fraction: work.fraction });
  tell({ solution: work?.solution ?? null });
};
