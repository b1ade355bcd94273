/**
 * A small calculation: its signs for the picture, its words for people who cannot see the picture, and what it comes to.
 *
 * The result is drawn first and evenly, and the calculation made to fit: otherwise the commonest sum would be the best
 * guess. One guess is right once in some ninety times (plain) or three hundred (hard).
 */
import type { DrawingLevel } from "../../ports/puzzle-drawings.ts";
import type { Chance } from "./chance.ts";

export interface Calculation {
  /** Such as "38+14=?". */
  readonly signs: string;
  /** Such as "What is thirty-eight plus fourteen?". */
  readonly words: string;
  readonly answer: number;
}

const PLAIN_ANSWER_MIN = 11;
const PLAIN_ANSWER_MAX = 99;
const HARD_ANSWER_MIN = 100;
const HARD_ANSWER_MAX = 399;
const OPERAND_MIN = 3;
const SUBTRAHEND_MAX = 19;

const UNDER_TWENTY =
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(
    " ",
  );
const TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split(" ");

/** A number from 0 to 999 in words. */
export function numberInWords(number: number): string {
  const hundreds = Math.floor(number / 100);
  const rest = number % 100;
  if (hundreds > 0) {
    const head = `${numberInWords(hundreds)} hundred`;
    return rest === 0 ? head : `${head} and ${numberInWords(rest)}`;
  }
  if (rest < UNDER_TWENTY.length) return UNDER_TWENTY[rest] ?? "";
  const ten = TENS[Math.floor(rest / 10)] ?? "";
  return rest % 10 === 0 ? ten : `${ten}-${UNDER_TWENTY[rest % 10] ?? ""}`;
}

/** A fresh calculation of the level. */
export function makeCalculation(level: DrawingLevel, chance: Chance): Calculation {
  if (level === "plain") {
    const answer = chance.whole(PLAIN_ANSWER_MIN, PLAIN_ANSWER_MAX);
    return chance.isHeads() ? sumOf(answer, chance) : differenceOf(answer, chance);
  }
  const answer = chance.whole(HARD_ANSWER_MIN, HARD_ANSWER_MAX);
  const last = chance.whole(OPERAND_MIN, SUBTRAHEND_MAX);
  const { signs, words } = sumOf(answer + last, chance);
  return {
    signs: signs.replace("=", `-${last}=`),
    words: words.replace("?", ` minus ${numberInWords(last)}?`),
    answer,
  };
}

function sumOf(answer: number, chance: Chance): Calculation {
  const first = chance.whole(OPERAND_MIN, answer - OPERAND_MIN);
  const second = answer - first;
  return {
    signs: `${first}+${second}=?`,
    words: `What is ${numberInWords(first)} plus ${numberInWords(second)}?`,
    answer,
  };
}

function differenceOf(answer: number, chance: Chance): Calculation {
  const second = chance.whole(OPERAND_MIN, SUBTRAHEND_MAX);
  const first = answer + second;
  return {
    signs: `${first}-${second}=?`,
    words: `What is ${numberInWords(first)} minus ${numberInWords(second)}?`,
    answer,
  };
}
