/**
 * A drawn calculation with a field for its result; its words on request, after a moment of the device's work.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Challenge } from "../../client/contract.ts";
import { LockedWords, type LockedWordsTask } from "../../client/locked-words.ts";
import { sleep } from "../../client/sleep.ts";
import type { PuzzleProps } from "./puzzle-props.ts";

const TRIES_PER_SLICE = 8_192;
const PERCENT = 100;

export function ArithmeticPuzzle({ challenge, onSolution }: PuzzleProps) {
  const [result, setResult] = useState("");
  const { words, fraction, open } = useWords(challenge);
  const isNumber = /^[1-9][0-9]{0,3}$/.test(result);
  const { image, widthPx, heightPx } = challenge as unknown as { image: string; widthPx: number; heightPx: number };
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (isNumber) onSolution(result);
      }}
    >
      <img
        class="drawing"
        src={`data:image/png;base64,${image}`}
        width={widthPx}
        height={heightPx}
        alt="A small sum, drawn. Its words are behind the button below."
      />
      <p class="small" role="status">
        {words ?? (fraction === null ? "" : `One moment: ${Math.round(fraction * PERCENT)} %`)}
      </p>
      <div class="row answer">
        <label class="grow" for="sum-result">
          Its result
          <input
            id="sum-result"
            class="input"
            inputMode="numeric"
            autocomplete="off"
            value={result}
            onInput={(event) => setResult(event.currentTarget.value.trim())}
          />
        </label>
        <button type="submit" class="button primary" aria-disabled={!isNumber}>
          That is it
        </button>
      </div>
      {fraction === null && (
        <button type="button" class="button" onClick={open}>
          Tell me in words
        </button>
      )}
    </form>
  );
}

/** The words once they are open, how far opening them is (null = nobody asked), and what begins it. */
function useWords({ seed, words: locked }: Challenge): {
  words: string | null;
  fraction: number | null;
  open: () => void;
} {
  const [words, setWords] = useState<string | null>(null);
  const [fraction, setFraction] = useState<number | null>(null);
  const isGone = useRef(false);
  useEffect(
    () => () => {
      isGone.current = true;
    },
    [],
  );
  async function work(): Promise<void> {
    const task = new LockedWords({ seed, ...(locked as object) } as LockedWordsTask);
    for (let found: string | null = null; found === null && !isGone.current; ) {
      found = task.work(TRIES_PER_SLICE);
      setFraction(task.fraction);
      setWords(found);
      await sleep(0);
    }
  }
  return { words, fraction, open: () => void work() };
}
