/**
 * The flags of the measuring programs: a value that is not accepted ends the program before anything is measured, and its
 * message names the flag, the value and what is accepted.
 *
 * A flag that silently means something else is worse than none: the figures of an hour would be of another thing.
 */

/** A flag with a value that is not accepted. */
export class FlagError extends Error {}

/** The name that was asked for. */
export function oneOf<Name extends string>(flag: string, text: string, names: readonly Name[]): Name {
  const name = names.find((one) => one === text);
  if (name === undefined) throw new FlagError(`${flag} ${text}: accepted are ${names.join(", ")}`);
  return name;
}

/** Several names with commas between them, each once. */
export function severalOf<Name extends string>(flag: string, text: string, names: readonly Name[]): readonly Name[] {
  return [...new Set(text.split(",").map((one) => oneOf(flag, one, names)))];
}

/** A number in plain notation within bounds. */
export function numberOf(flag: string, text: string, bounds: { readonly min: number; readonly max: number }): number {
  const { min, max } = bounds;
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new FlagError(`${flag} ${text}: accepted is a number from ${min} to ${max}`);
}

/** The same without a fraction. */
export function wholeNumberOf(
  flag: string,
  text: string,
  bounds: { readonly min: number; readonly max: number },
): number {
  const { min, max } = bounds;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new FlagError(`${flag} ${text}: accepted is a whole number from ${min} to ${max}`);
}

/** What `read` answers; a flag that is not accepted, or not known, is told in one line and ends the program with 2. */
export function readFlags<Flags>(read: () => Flags): Flags {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const isUnknown = "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS_");
    if (!isUnknown && !(error instanceof FlagError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return process.exit(2);
  }
}
