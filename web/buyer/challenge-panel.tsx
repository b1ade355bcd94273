/**
 * What a person sees of a challenge: that his device works on it, how far it is, and that he need do nothing; or a question
 * that he answers himself.
 *
 * The bar says its own value to a screen reader; beginning and end are spoken by the page's live region. A question takes
 * the focus only from somebody who waits for it. Its script is loaded when the first one comes; where that fails, the
 * device works instead.
 */
import type { Clearing } from "./clearing.ts";
import type { Question } from "./questions.ts";

type Puzzles = typeof import("./puzzles.tsx");

const PERCENT = 100;

export interface ChallengePanelProps {
  readonly clearing: Clearing;
  /** The server's time. */
  readonly now: () => number;
}

export function ChallengePanel({ clearing, now }: ChallengePanelProps) {
  const { progress, questions } = clearing;
  if (questions.current !== null) return <QuestionCard question={questions.current} now={now} />;
  if (progress === null) return null;
  const percent = Math.round(progress.fraction * PERCENT);
  return (
    <section class="card check stack" aria-labelledby="check">
      <h2 id="check">A short check</h2>
      <p class="small soft" id="check-note">
        Your device proves that it is worth a moment, so that machines cannot empty the shop. Nothing to do for you.
      </p>
      <progress max={PERCENT} value={percent} aria-labelledby="check" aria-describedby="check-note">
        {percent} %
      </progress>
    </section>
  );
}

function QuestionCard({ question, now }: { question: Question; now: () => number }) {
  return (
    <section key={question.challenge.token} class="card check stack" aria-labelledby="check">
      <h2 id="check" tabIndex={-1} ref={(heading) => focusOnce(heading, question)}>
        A short check
      </h2>
      <p class="small soft">So that machines cannot empty the shop. Once is enough for a while.</p>
      <div class="stack" ref={(place) => void showOnce(place, question, now)} />
    </section>
  );
}

/** What was shown where, because a drawing of the page calls again. */
const shown = new WeakMap<Element, Question>();

function focusOnce(heading: HTMLElement | null, question: Question): void {
  if (heading === null || !question.isUrgent || shown.get(heading) === question) return;
  shown.set(heading, question);
  heading.focus();
}

async function showOnce(place: HTMLElement | null, question: Question, now: () => number): Promise<void> {
  if (place === null || shown.get(place) === question) return;
  shown.set(place, question);
  try {
    const { showPuzzle } = await loadPuzzles();
    if (place.isConnected) showPuzzle(place, { question, now });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    question.answer(null);
  }
}

/** The script's address is in the page's HTML, because its name is its content. */
async function loadPuzzles(): Promise<Puzzles> {
  const url = document.querySelector<HTMLMetaElement>("meta[name=puzzles]")?.content;
  if (url === undefined) throw new Error("The page does not say where its questions are.");
  return (await import(url)) as Puzzles;
}
