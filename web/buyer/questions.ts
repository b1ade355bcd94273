/**
 * Challenges that a person solves: which one is shown now, and what was answered.
 *
 * One at a time. A newer one takes the place of an older one, because it belongs to what the person did last. Whoever lets
 * his device work instead is not asked again on this page. How a question looks is puzzles.tsx's, which is loaded when the
 * first one comes; that it is spoken and drawn is the model's.
 */
import { type ChallengeSolver, type OtherKind, WORK_KIND } from "../../client/challenge.ts";
import type { Challenge } from "../../client/contract.ts";

/** The solution; another kind, or the same kind anew; null = it cannot be shown. */
export type QuestionAnswer = string | OtherKind | null;

export interface Question {
  readonly challenge: Challenge;
  /** The answer before this one was not right. */
  readonly isRepeated: boolean;
  /** The person is waiting for it: he pressed something. */
  readonly isUrgent: boolean;
  /** Only the first call counts. */
  readonly answer: (answer: QuestionAnswer) => void;
}

export interface QuestionsParts {
  /** Asks for a drawing. */
  readonly changed: () => void;
  /** Puts a sentence into the live region. */
  readonly say: (text: string) => void;
  readonly isUrgent: () => boolean;
}

export class Questions {
  current: Question | null = null;
  readonly #parts: QuestionsParts;
  #giveUp: (reason: Error) => void = () => undefined;
  #wasAnswered = false;
  #prefersWork = false;

  constructor(parts: QuestionsParts) {
    this.#parts = parts;
  }

  /** Null for a challenge that needs no person, or that nobody wants to be shown. */
  readonly ask: ChallengeSolver = async (challenge, { signal }) => {
    const { kind, preferred } = challenge;
    if (kind === WORK_KIND) {
      return typeof preferred === "string" && !this.#prefersWork ? { instead: preferred } : null;
    }
    if (this.#prefersWork) return null;
    this.#giveUp(new Error("Another question has come."));
    return await new Promise<QuestionAnswer>((resolve, reject) => {
      const close = (): void => {
        signal?.removeEventListener("abort", abandon);
        if (this.current?.challenge === challenge) this.#show(null);
      };
      const abandon = (): void => {
        close();
        reject(signal?.reason);
      };
      const answer = (given: QuestionAnswer): void => {
        close();
        this.#note(given);
        resolve(given);
      };
      this.#giveUp = (reason) => {
        close();
        reject(reason);
      };
      signal?.addEventListener("abort", abandon);
      const question = { challenge, answer, isRepeated: this.#wasAnswered, isUrgent: this.#parts.isUrgent() };
      this.#show(question);
    });
  };

  /** The person does something that the open question, if there is one, has to be answered for. */
  hurry(): void {
    if (this.current === null || this.current.isUrgent) return;
    this.current = { ...this.current, isUrgent: true };
    this.#parts.changed();
  }

  /** What was being asked for is over: the next question is a first one. */
  end(): void {
    this.#wasAnswered = false;
  }

  #note(given: QuestionAnswer): void {
    if (typeof given === "string") this.#wasAnswered = true;
    if (given === null || (typeof given === "object" && given.instead === WORK_KIND)) this.#prefersWork = true;
  }

  #show(question: Question | null): void {
    this.current = question;
    if (question !== null) {
      const before = question.isRepeated ? "That was not right. " : "";
      this.#parts.say(`${before}There is a question for you on this page: it keeps machines out.`);
    }
    this.#parts.changed();
  }
}
