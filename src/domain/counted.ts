/**
 * How many of something, as a person would say it: "1 trial", "2 trials", "12,000 sessions".
 *
 * English only, like every text of the program. Words whose plural is not made with an s bring it.
 */

/** A number and what it counts. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${Math.round(count).toLocaleString("en-US")} ${count === 1 ? one : many}`;
}
