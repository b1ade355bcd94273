/**
 * Colours for people only: at a terminal, and not where NO_COLOR says otherwise.
 *
 * The library's own guess also colours logs of build servers, where escape codes hide what a program wants to read.
 */
import pc from "picocolors";
import type { Surroundings } from "./surroundings.ts";

/** The colours of this output; each function gives its text back unchanged where there are none. */
export function colorsFor(surroundings: Pick<Surroundings, "isTerminal" | "env">): ReturnType<typeof pc.createColors> {
  return pc.createColors(surroundings.isTerminal && !surroundings.env["NO_COLOR"]);
}
