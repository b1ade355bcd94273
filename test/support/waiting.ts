/**
 * Waiting on conditions: tests say what must become true, and fail naming it when it does not.
 *
 * There is no `sleep` here on purpose: a fixed pause is either too short on a busy machine or a waste on an idle one.
 */

const WITHIN_MS_DEFAULT = 15_000;
const EVERY_MS_DEFAULT = 15;

/** Resolves with the probe's first truthy answer; a probe that throws counts as "not yet". */
export async function waitUntil<Value>(
  what: string,
  probe: () => Value | Promise<Value>,
  options: { withinMs?: number; everyMs?: number } = {},
): Promise<NonNullable<Value>> {
  const withinMs = options.withinMs ?? WITHIN_MS_DEFAULT;
  const deadline = performance.now() + withinMs;
  let last: unknown = "nothing yet";
  for (;;) {
    try {
      const value = await probe();
      if (value) return value as NonNullable<Value>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${withinMs} ms for ${what}; last seen: ${describe(last)}`, { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? EVERY_MS_DEFAULT));
  }
}

function describe(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  return JSON.stringify(value) ?? String(value);
}

/** Runs the work over all inputs, at most `concurrencyMax` at a time, and keeps the order of the answers. */
export async function mapBounded<Input, Output>(
  inputs: readonly Input[],
  concurrencyMax: number,
  work: (input: Input, index: number) => Promise<Output>,
): Promise<Output[]> {
  const outputs: Output[] = new Array(inputs.length);
  let next = 0;
  async function drain(): Promise<void> {
    while (next < inputs.length) {
      const index = next;
      next += 1;
      outputs[index] = await work(inputs[index] as Input, index);
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrencyMax, inputs.length) }, drain));
  return outputs;
}

/** The numbers from 0 up to, not including, `count`. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
