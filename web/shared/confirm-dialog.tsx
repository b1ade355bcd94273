/**
 * One question that must be answered before something cannot be undone.
 *
 * The native modal dialog keeps the focus inside, closes with Escape and gives the focus back; the safe answer comes
 * first and so has the focus. Rendered only while the question is open.
 */
import type { ComponentChildren } from "preact";

export interface ConfirmDialogProps {
  readonly title: string;
  readonly children?: ComponentChildren;
  readonly yes: string;
  readonly no: string;
  readonly onAnswer: (isYes: boolean) => void;
}

function open(dialog: HTMLDialogElement | null): void {
  if (dialog !== null && !dialog.open) dialog.showModal();
}

/** Answers exactly once: yes, or no for the button, Escape and anything else that closes it. */
export function ConfirmDialog({ title, children, yes, no, onAnswer }: ConfirmDialogProps) {
  return (
    <dialog
      ref={open}
      aria-labelledby="confirm-title"
      onClose={(event) => onAnswer(event.currentTarget.returnValue === "yes")}
    >
      <form method="dialog" class="stack">
        <h2 id="confirm-title">{title}</h2>
        {children}
        <div class="row">
          <button type="submit" class="button" value="no">
            {no}
          </button>
          <button type="submit" class="button danger" value="yes">
            {yes}
          </button>
        </div>
      </form>
    </dialog>
  );
}
