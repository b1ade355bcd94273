/**
 * Runs a task for each value with a bound on how many run at once.
 *
 * Values are taken in order by a fixed number of lanes, so a slow one delays its lane and nothing else. The first
 * rejection is thrown after all lanes have stopped: no task is left running behind the caller's back.
 */

/** Awaits `task` for every value, at most `inFlightMax` at a time. After a rejection no new task is started. */
export async function forEachBounded<Value>(
  values: readonly Value[],
  inFlightMax: number,
  task: (value: Value) => Promise<void>,
): Promise<void> {
  const queue = values.values();
  const failures: unknown[] = [];
  const lane = async (): Promise<void> => {
    for (const value of queue) {
      if (failures.length > 0) return;
      try {
        await task(value);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlightMax, values.length) }, lane));
  if (failures.length > 0) throw failures[0];
}
