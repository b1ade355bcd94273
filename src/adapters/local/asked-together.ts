/**
 * Gathers what is asked within one turn of the event loop, so that one call answers all of it.
 *
 * Who asks waits for the end of the turn, so that others may join. A call has a bounded number of questions; one that fails
 * fails those it was for, and nobody else.
 */

interface Waiting<Question, Answer> {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export interface AskedTogetherParts<Question, Answer> {
  readonly questionsMax: number;
  /** An answer to each question, in their order. */
  readonly ask: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  /** Whether a call may have failed because of one question, so that each is asked by itself. Default: never. */
  readonly isOfOne?: (error: unknown) => boolean;
}

/** See the head of this file. */
export class AskedTogether<Question, Answer> {
  readonly #parts: AskedTogetherParts<Question, Answer>;
  #waiting: Waiting<Question, Answer>[] = [];

  constructor(parts: AskedTogetherParts<Question, Answer>) {
    this.#parts = parts;
  }

  ask(question: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ question, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => this.#answerAll());
    });
  }

  #answerAll(): void {
    const { questionsMax } = this.#parts;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < waiting.length; from += questionsMax) {
      void this.#answer(waiting.slice(from, from + questionsMax));
    }
  }

  async #answer(waiting: readonly Waiting<Question, Answer>[]): Promise<void> {
    const { ask, isOfOne } = this.#parts;
    try {
      const answers = await ask(waiting.map(({ question }) => question));
      for (const [index, { resolve }] of waiting.entries()) resolve(answers[index] as Answer);
    } catch (error) {
      if (waiting.length > 1 && isOfOne?.(error)) for (const one of waiting) void this.#answer([one]);
      else for (const { reject } of waiting) reject(error);
    }
  }
}
