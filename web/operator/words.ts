/** How the console writes numbers, instants and states; the same everywhere. */
import type { ReservationStatus } from "../../src/domain/reservation.ts";
import type { ChallengeRule, SaleState } from "../../src/domain/sale.ts";

/** What each rule means for a buyer, the recommended one first. */
export const CHALLENGE_WORDS: Readonly<Record<ChallengeRule, string>> = {
  adaptive: "under load or suspicion only (recommended)",
  always: "always",
  none: "never",
};

const COUNT = new Intl.NumberFormat();
const RATE = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const formatCount = (value: number): string => COUNT.format(value);
export const formatRate = (value: number): string => RATE.format(value);
export const formatMoment = (at: number): string => MOMENT.format(at);

/** "12 ms"; below ten with a decimal. A dash where nothing was measured. */
export function formatLatency({ count, ms }: { count: number; ms: number }): string {
  if (count === 0) return "–";
  return `${ms < 10 ? ms.toFixed(1) : COUNT.format(Math.round(ms))} ms`;
}

/** "10 min", "1 min 30 s", "45 s", "2 h". */
export function formatDuration(durationMs: number): string {
  const seconds = Math.round(durationMs / 1_000);
  const parts = [
    [Math.floor(seconds / 3_600), "h"],
    [Math.floor((seconds % 3_600) / 60), "min"],
    [seconds % 60, "s"],
  ] as const;
  return parts
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(" ");
}

/** A sale's state as a chip. */
export const STATES: Record<SaleState, { readonly text: string; readonly tone: string }> = {
  scheduled: { text: "Scheduled", tone: "" },
  open: { text: "Open", tone: "good" },
  paused: { text: "Paused", tone: "warn" },
  empty: { text: "Empty, some unpaid", tone: "warn" },
  sold_out: { text: "Sold out", tone: "good" },
  closed: { text: "Closed", tone: "" },
};

/** An order's status as a chip's tone. */
export const STATUS_TONES: Record<ReservationStatus, string> = {
  queued: "",
  held: "warn",
  expiring: "warn",
  paid: "good",
  expired: "",
  cancelled: "",
  void: "",
  lost: "bad",
  refund_due: "bad",
  refunded: "",
};
