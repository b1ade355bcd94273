/**
 * The questions themselves: a script of its own, loaded when the first one is asked, because most pages never ask one.
 *
 * Draws into an element of the page and knows nothing else of it. Every question can be answered with the keyboard alone,
 * says itself to a screen reader, and has a way round for whoever cannot see it, solve it or be bothered.
 */
import { type ComponentChildren, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { WORK_KIND } from "../../client/challenge.ts";
import { ArithmeticPuzzle } from "./puzzle-arithmetic.tsx";
import { CaptchaWidget } from "./puzzle-captcha.tsx";
import { SlidePuzzle } from "./puzzle-slide.tsx";
import type { Question } from "./questions.ts";

/** What each kind is called on the button that asks for it. */
const WAYS: Readonly<Record<string, string>> = {
  arithmetic: "A small sum instead, also in words",
  slide: "A sliding puzzle instead",
  pow: "Let my device work instead",
};
const DRAWN: ReadonlySet<string> = new Set(["arithmetic", "slide"]);

/** Shows a question; null takes away what was shown. */
export function showPuzzle(root: Element, shown: { question: Question; now: () => number } | null): void {
  render(shown === null ? null : <Puzzle key={shown.question.challenge.token} {...shown} />, root);
}

function Puzzle({ question, now }: { question: Question; now: () => number }) {
  const { challenge, answer } = question;
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setOver(true), Math.max(0, challenge.expiresAt - now()));
    return () => clearTimeout(timer);
  }, [challenge, now]);
  const ways = challenge.alternatives.filter((kind) => kind in WAYS).toSorted(workLast);
  return (
    <>
      {question.isRepeated && <p class="notice warn small">That was not right. Here is another one.</p>}
      {isOver ? <p class="small">This one has waited too long.</p> : <Kind question={question} />}
      <div class="ways">
        {(isOver || DRAWN.has(challenge.kind)) && (
          <Way onPress={() => answer({ instead: challenge.kind })}>Show me another one</Way>
        )}
        {ways.map((kind) => (
          <Way key={kind} onPress={() => answer({ instead: kind })}>
            {WAYS[kind]}
          </Way>
        ))}
      </div>
    </>
  );
}

function workLast(one: string, other: string): number {
  return Number(one === WORK_KIND) - Number(other === WORK_KIND);
}

function Way({ onPress, children }: { onPress: () => void; children: ComponentChildren }) {
  return (
    <button type="button" class="button small quiet" onClick={onPress}>
      {children}
    </button>
  );
}

function Kind({ question }: { question: Question }) {
  const { challenge, answer } = question;
  switch (challenge.kind) {
    case "slide":
      return <SlidePuzzle challenge={challenge} onSolution={answer} />;
    case "arithmetic":
      return <ArithmeticPuzzle challenge={challenge} onSolution={answer} />;
    default:
      return <CaptchaWidget challenge={challenge} onSolution={answer} />;
  }
}
