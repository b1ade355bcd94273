/**
 * What a person sees of a challenge that is being solved: that something happens, how far it is, and that he need do
 * nothing. The bar says its own value to a screen reader; beginning and end are spoken by the page's live region.
 */
import type { Clearing } from "./clearing.ts";

const PERCENT = 100;

export function ChallengePanel({ clearing }: { clearing: Clearing }) {
  const { progress } = clearing;
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
