/**
 * An end for a wait. Adapters have deadlines of their own; this is for who must go on whatever an adapter does.
 */
import { Fault } from "../domain/faults.ts";
import type { Clock } from "../ports/clock.ts";

/** The work's own end if it comes in time, else LEDGER_UNAVAILABLE; the work itself is not stopped. */
export function within<Value>(
  wait: { readonly clock: Clock; readonly limitMs: number; readonly what: string },
  work: Promise<Value>,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const cancel = wait.clock.setTimer(wait.limitMs, () =>
      reject(new Fault("LEDGER_UNAVAILABLE", { internal: `${wait.what}: no answer in time` })),
    );
    work.then(resolve, reject).finally(cancel);
  });
}
