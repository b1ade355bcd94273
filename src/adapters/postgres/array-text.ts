/**
 * Arrays as PostgreSQL writes them (manual, 8.15.2), for the two statements that carry hundreds of rows each.
 *
 * The driver looks at each element for what it would have to escape, which cost more than all the rest of sending a batch.
 * Ids have nothing of the kind, so all of them are looked at together; what is not so plain is left to the driver.
 */

/** What means something else between quotes. */
const SPECIAL = /["\\]/;

/** Of ids: text, or the list itself where the driver has to write it. */
export function arrayOfTexts(values: readonly string[]): string | readonly string[] {
  if (values.length === 0 || SPECIAL.test(values.join(""))) return values;
  return `{"${values.join('","')}"}`;
}

/** Of numbers. */
export function arrayOfNumbers(values: readonly number[]): string {
  return `{${values.join(",")}}`;
}
