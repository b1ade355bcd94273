/**
 * The commands that make sense in the sale's present state. Opening early and closing ask first: buyers see both at once,
 * and closing cannot be taken back.
 */
import { useSignal } from "@preact/signals";
import { ConfirmDialog } from "../shared/confirm-dialog.tsx";
import type { Sale } from "./documents.ts";
import type { Command, SaleWatch } from "./sale-watch.ts";

interface Offer {
  readonly command: Command;
  readonly label: string;
  readonly look: "primary" | "danger" | "";
  readonly question?: { readonly title: string; readonly text: string; readonly yes: string };
}

const WARM_UP: Offer = { command: "warm-up", label: "Warm up this node", look: "" };
const OPEN: Offer = {
  command: "open",
  label: "Open now",
  look: "primary",
  question: {
    title: "Open the sale now?",
    text: "It opens for everybody at once, before its announced time. That cannot be taken back, only paused.",
    yes: "Open it now",
  },
};
const PAUSE: Offer = { command: "pause", label: "Pause", look: "" };
const RESUME: Offer = { command: "resume", label: "Resume", look: "primary" };
const CLOSE: Offer = {
  command: "close",
  label: "Close for good",
  look: "danger",
  question: {
    title: "Close the sale for good?",
    text: "Nobody can reserve any more. Buyers who hold units can still pay until their time is up.",
    yes: "Close it for good",
  },
};

function offersOf(sale: Sale): readonly Offer[] {
  if (sale.state === "closed") return [];
  if (sale.state === "paused") return [RESUME, CLOSE];
  return sale.state === "scheduled" ? [OPEN, WARM_UP, PAUSE, CLOSE] : [PAUSE, CLOSE];
}

export function CommandBar({ watch, sale }: { watch: SaleWatch; sale: Sale }) {
  const asked = useSignal<Offer | null>(null);
  const busy = watch.busy.value;
  const outcome = watch.outcome.value;
  const press = (offer: Offer) => {
    if (busy !== null) return;
    if (offer.question === undefined) void watch.command(offer.command);
    else asked.value = offer;
  };
  const answer = (isYes: boolean) => {
    const offer = asked.value;
    asked.value = null;
    if (isYes && offer !== null) void watch.command(offer.command);
  };
  return (
    <div class="row commands">
      {offersOf(sale).map((offer) => (
        <button
          key={offer.command}
          type="button"
          class={`button ${offer.look}`}
          aria-disabled={busy !== null}
          onClick={() => press(offer)}
        >
          {busy === offer.command ? "One moment…" : offer.label}
        </button>
      ))}
      <p class={outcome?.tone ?? ""} role="status">
        {outcome?.text}
      </p>
      {asked.value?.question !== undefined && (
        <ConfirmDialog title={asked.value.question.title} yes={asked.value.question.yes} no="Not now" onAnswer={answer}>
          <p>{asked.value.question.text}</p>
        </ConfirmDialog>
      )}
    </div>
  );
}
