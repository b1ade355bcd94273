/**
 * What the one button of an item says and does, as a function of everything we know: the honest states.
 *
 * A press is either possible or its reason for being impossible is written beside it. The server decides; this only
 * words what it said, or what the corrected clock says about the window. Drawing is item-card.tsx's work.
 */
import type { Availability, SaleState } from "../../client/contract.ts";
import { formatRemaining } from "../shared/countdown.ts";
import type { Purchase, WaitCause } from "./purchase.ts";

export interface ButtonFacts {
  readonly state: SaleState;
  readonly opensAt: number;
  readonly closesAt: number;
  /** The server's time as we know it, milliseconds since the epoch. */
  readonly now: number;
  readonly availability: Availability;
  readonly perBuyerMax: number;
  readonly purchase: Purchase;
  /** Units this buyer holds or has paid. */
  readonly ownUnits: number;
  /** True while one of this buyer's reservations of the item waits for payment. */
  readonly holdsUnpaid: boolean;
  /** What the chosen quantity costs, as text. */
  readonly price: string;
}

export interface ButtonView {
  readonly label: string;
  /** Said below the button; empty when the label says it all. */
  readonly note: string;
  /** What a press does; null = nothing (the button says why). `patient` = keep asking until units come back. */
  readonly action: "buy" | "patient" | "ask" | "stop" | "show" | null;
  readonly tone: "primary" | "plain" | "done";
}

const PROMISE = "One press reserves it, then you pay. Pressing twice is harmless.";
const UNKNOWN_NOTE = "We don't know yet whether it worked. We keep asking; you will not buy twice.";

const WAIT_VIEWS: Record<WaitCause, { label: string; note: string; action: "ask" | "stop" | null }> = {
  unknown: { label: "Ask again now", note: UNKNOWN_NOTE, action: "ask" },
  empty: { label: "Stop asking", note: "All taken for now. We ask again by ourselves.", action: "stop" },
  "too-fast": { label: "Too fast", note: "We send it again for you.", action: null },
  cooling: {
    label: "Stop waiting",
    note: "You left units unpaid. We ask for you when your wait is over.",
    action: "stop",
  },
  busy: { label: "Very busy", note: "Very many people are here. We send it again for you.", action: null },
  offline: { label: "No connection", note: "Not sent yet. We send it as soon as we can.", action: null },
  early: { label: "Opening…", note: "The gate is about to open. Your request is ready.", action: null },
};

const SOLD_OUT: ButtonView = { label: "Sold out", note: "Every unit is paid for.", action: null, tone: "plain" };
const EMPTY: ButtonView = {
  label: "Keep asking for me",
  note: "All taken for now. Unpaid ones may come back.",
  action: "patient",
  tone: "plain",
};

/** Reasons that another press cannot change. Every other refusal leaves the button ready. */
const FINAL: readonly string[] = [
  "banned",
  "not_eligible",
  "pass_required",
  "challenge_required",
  "challenge_failed",
  "no_such_sale",
  "no_such_item",
];

/** The window as the server's clock sees it: the last state we were told, moved on by time alone. */
export function saleStateNow(sale: { state: SaleState; opensAt: number; closesAt: number }, now: number): SaleState {
  if (sale.state === "closed" || now >= sale.closesAt) return "closed";
  return sale.state === "scheduled" && now >= sale.opensAt ? "open" : sale.state;
}

/** The button for these facts. */
export function buyButtonView(facts: ButtonFacts): ButtonView {
  const { purchase } = facts;
  if (purchase.kind === "sending") return sendingView(purchase.attempt.unknown);
  if (purchase.kind === "waiting") return waitingView(purchase, facts.now);
  if (facts.holdsUnpaid)
    return { label: "Reserved ✓", note: "Pay before its time runs out.", action: "show", tone: "done" };
  if (facts.ownUnits >= facts.perBuyerMax) {
    return {
      label: "Yours ✓",
      note: `You have ${facts.ownUnits}, the most one person may buy.`,
      action: null,
      tone: "done",
    };
  }
  return (
    windowView(facts) ??
    refusedView(facts) ?? { label: `Buy · ${facts.price}`, note: ownNote(facts), action: "buy", tone: "primary" }
  );
}

function sendingView(isUnknown: boolean): ButtonView {
  return { label: "Sending…", note: isUnknown ? UNKNOWN_NOTE : PROMISE, action: null, tone: "primary" };
}

function waitingView(purchase: Purchase & { kind: "waiting" }, now: number): ButtonView {
  const { label, note, action } = WAIT_VIEWS[purchase.cause];
  const seconds = Math.max(0, Math.ceil((purchase.askAt - now) / 1_000));
  return { label, note: seconds > 0 ? `${note} Next in ${seconds} s.` : note, action, tone: "plain" };
}

function windowView(facts: ButtonFacts): ButtonView | null {
  const inactive = { action: null, tone: "plain" } as const;
  switch (saleStateNow(facts, facts.now)) {
    case "scheduled":
      return { ...inactive, label: `Opens in ${formatRemaining(facts.opensAt - facts.now)}`, note: PROMISE };
    case "paused":
      return {
        ...inactive,
        label: "Paused",
        note: "Nothing is lost. This page goes on by itself.",
      };
    case "closed":
      return { ...inactive, label: "Closed", note: "The sale is over." };
    case "sold_out":
      return SOLD_OUT;
    default:
      return null;
  }
}

function refusedView({ purchase, availability, price }: ButtonFacts): ButtonView | null {
  const reason = purchase.kind === "refused" ? purchase.reason : null;
  if (reason === "sold_out") return SOLD_OUT;
  if (purchase.kind === "refused" && purchase.left !== null) {
    const fewer = purchase.left === 1 ? "Only 1 is left. Choose 1." : `Only ${purchase.left} are left. Choose fewer.`;
    return { label: `Buy · ${price}`, note: fewer, action: "buy", tone: "primary" };
  }
  // The band lags behind the ledger by a second or two, so the ledger's own "empty" counts as well.
  if (reason === "empty" || availability === "none") return EMPTY;
  if (purchase.kind !== "refused" || purchase.reason === "paused" || purchase.reason === "closed") return null;
  if (FINAL.includes(purchase.reason))
    return { label: "Not possible", note: purchase.title, action: null, tone: "plain" };
  return { label: `Buy · ${price}`, note: purchase.title, action: "buy", tone: "primary" };
}

function ownNote(facts: ButtonFacts): string {
  return facts.ownUnits > 0 ? `You have ${facts.ownUnits} of at most ${facts.perBuyerMax}.` : PROMISE;
}
