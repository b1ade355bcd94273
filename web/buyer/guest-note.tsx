/**
 * What a guest must know about what is his: this tab alone shows it. And a copy to keep, with number and receipt.
 *
 * The receipt is signed by the server: it proves what was promised and opens nothing, so a copy of it can lie anywhere. Why
 * there is no link that brings the tab back stands in tab-memory.ts.
 */
import { useState } from "preact/hooks";

export interface GuestNoteProps {
  /** True while something waits for payment. */
  readonly isUnpaid: boolean;
  /** What is copied. */
  readonly text: string;
}

type Copying = "not yet" | "copied" | "refused";

export function GuestNote({ isUnpaid, text }: GuestNoteProps) {
  const [copying, setCopying] = useState<Copying>("not yet");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopying("copied");
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      setCopying("refused");
    }
  };
  return (
    <div class="notice stack keep">
      <p class="small">
        <strong>{isUnpaid ? "Keep this tab open." : "Keep a copy."}</strong> You are here as a guest: only this tab
        shows what is yours. {isUnpaid ? "If it gets closed, reopen it from your browser's list of closed tabs." : ""}
      </p>
      <p class="row">
        <button type="button" class="button small" onClick={() => void copy()}>
          Copy number and receipt
        </button>
        <span class="small soft" role="status">
          {copying === "copied" && "Copied ✓ It proves what you have and opens nothing."}
          {copying === "refused" && "Your browser does not let us. Please copy it from here:"}
        </span>
      </p>
      {copying === "refused" && <pre class="mono">{text}</pre>}
    </div>
  );
}
