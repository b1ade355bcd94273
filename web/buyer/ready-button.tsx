/**
 * "Get ready": the small button beside the big one, there only before the opening.
 *
 * When everything is checked the focus goes to the big button, so that whoever came here by keyboard waits where the press
 * will be. What a refusal says stands below, in the server's words.
 */
import type { Readiness } from "./arming.ts";

interface ReadyButtonProps {
  readonly readiness: Readiness | null;
  /** Resolves to true when everything is checked. */
  readonly onArm: () => Promise<boolean>;
  /** The big button's id. */
  readonly buyId: string;
}

export function ReadyButton({ readiness, onArm, buyId }: ReadyButtonProps) {
  const arm = async () => {
    const isReady = await onArm();
    // This button is gone by now, and took the focus with it unless the buyer went elsewhere meanwhile.
    const isFocusLost = document.activeElement === null || document.activeElement === document.body;
    if (isReady && isFocusLost) document.getElementById(buyId)?.focus();
  };
  if (readiness?.kind === "ready") {
    return <p class="ready small">Ready ✓ Everything is checked. One press at the opening is enough.</p>;
  }
  const isChecking = readiness?.kind === "checking";
  return (
    <div class="row">
      <button
        type="button"
        class="button small"
        aria-disabled={isChecking}
        onClick={() => {
          if (!isChecking) void arm();
        }}
      >
        {isChecking ? "Checking…" : "Get ready"}
      </button>
      <p class="small soft grow">
        {readiness?.kind === "refused"
          ? readiness.title
          : "We check everything now; at the opening one press is enough."}
      </p>
    </div>
  );
}
