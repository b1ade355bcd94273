/**
 * Everything that a history proves, found on a thread of its own.
 *
 * Searching for a linearization may take seconds, and the laboratory's main thread carries every byte of the deployment's
 * links: busy there would be one more fault, and one that nobody asked for.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import type { Allowances, HistoryViolation } from "./allowances.ts";
import type { History } from "./history.ts";
import { checkHistory, countRecordedLosses } from "./history-checker.ts";
import { type LinearizationVerdict, linearize, operationsOf } from "./linearization.ts";

const WITHIN_MS = 120_000;

/** What was found. */
export interface Verdict {
  readonly violations: readonly HistoryViolation[];
  readonly linearization: LinearizationVerdict;
  readonly recordedLosses: number;
}

interface Question {
  readonly history: History;
  readonly allowances: Allowances;
}

/** Judges the history without keeping this thread from its work. */
export function judgeHistory(history: History, allowances: Allowances): Promise<Verdict> {
  const question: Question = { history, allowances };
  const worker = new Worker(new URL(import.meta.url), { workerData: question });
  return new Promise<Verdict>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no verdict within ${WITHIN_MS} ms`)), WITHIN_MS);
    worker.once("message", (verdict: Verdict) => {
      clearTimeout(timer);
      resolve(verdict);
    });
    worker.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  }).finally(() => worker.terminate());
}

function judge({ history, allowances }: Question): Verdict {
  const violations = checkHistory(history, allowances);
  // The sequential model knows one stock; that of several buckets is one only in the long run.
  const operations = history.terms.buckets > 1 ? null : operationsOf(history, allowances.inDoubtMs);
  const linearization = operations === null ? "undecided" : linearize(operations, history.terms);
  if (linearization === "impossible") {
    violations.push({ check: 8, text: "no sequential order explains the history" });
  }
  return { violations, linearization, recordedLosses: countRecordedLosses(history) };
}

if (!isMainThread && parentPort !== null) parentPort.postMessage(judge(workerData as Question));
