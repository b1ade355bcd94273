/** The button says what is true, and can be pressed exactly when a press can help. */
import { describe, expect, test } from "bun:test";
import { REFUSALS, type RefusalReason } from "../../src/domain/refusals.ts";
import { type ButtonFacts, buyButtonView, saleStateNow } from "./buy-button.ts";
import { IDLE, type Purchase } from "./purchase.ts";

const OPENS_AT = 1_000_000;
const attempt = { key: "key-number-1", quantity: 1, tries: 1, unknown: false, patient: false };

function view(facts: Partial<ButtonFacts>) {
  return buyButtonView({
    state: "open",
    opensAt: OPENS_AT,
    closesAt: 2_000_000,
    now: OPENS_AT + 1,
    availability: "plenty",
    perBuyerMax: 2,
    purchase: IDLE,
    ownUnits: 0,
    holdsUnpaid: false,
    price: "€49.00",
    ...facts,
  });
}

function refused(reason: RefusalReason, left: number | null = null): Purchase {
  return { kind: "refused", reason, title: REFUSALS[reason].title, left };
}

describe("the window", () => {
  test("stays shut one millisecond before the server's instant and opens at it, without asking the server", () => {
    const scheduled = { state: "scheduled", opensAt: OPENS_AT, closesAt: 2_000_000 } as const;
    expect(saleStateNow(scheduled, OPENS_AT - 1)).toBe("scheduled");
    expect(saleStateNow(scheduled, OPENS_AT)).toBe("open");
    expect(view({ state: "scheduled", now: OPENS_AT - 1 })).toMatchObject({ label: "Opens in 00:01", action: null });
    expect(view({ state: "scheduled", now: OPENS_AT })).toMatchObject({ label: "Buy · €49.00", action: "buy" });
  });

  test("closes by the clock even when the last word of the server was open", () => {
    expect(view({ now: 2_000_000 })).toMatchObject({ label: "Closed", action: null });
  });

  test("a sale opened by hand before its time is open", () => {
    expect(view({ state: "open", now: OPENS_AT - 60_000 }).action).toBe("buy");
  });

  test("a pause can never be pressed away", () => {
    expect(view({ state: "paused" })).toMatchObject({ label: "Paused", action: null });
  });
});

describe("stock", () => {
  test("taken but unpaid units are never called sold out", () => {
    for (const facts of [
      { availability: "none" as const },
      { state: "empty" as const, availability: "none" as const },
      { purchase: refused("empty") },
    ]) {
      const shown = view(facts);
      expect(shown.action).toBe("patient");
      expect(shown.label + shown.note).not.toContain("Sold out");
      expect(shown.note).toContain("may come back");
    }
  });

  test("who asked for more than there are hears how many there are, and can buy", () => {
    const shown = view({ purchase: refused("empty", 2), availability: "none" });
    expect(shown).toMatchObject({ action: "buy", note: "Only 2 are left. Choose fewer." });
    expect(view({ purchase: refused("empty", 1) }).note).toBe("Only 1 is left. Choose 1.");
  });

  test("sold out is said when the sale or the ledger says so, and only then", () => {
    expect(view({ state: "sold_out", availability: "none" })).toMatchObject({ label: "Sold out", action: null });
    expect(view({ purchase: refused("sold_out") })).toMatchObject({ label: "Sold out", action: null });
    for (const reason of Object.keys(REFUSALS) as RefusalReason[]) {
      if (reason !== "sold_out") expect(view({ purchase: refused(reason) }).label).not.toBe("Sold out");
    }
  });
});

describe("a request under way", () => {
  test("cannot be sent twice by pressing", () => {
    expect(view({ purchase: { kind: "sending", attempt } })).toMatchObject({ label: "Sending…", action: null });
  });

  test("an unknown outcome says so, promises no second purchase, and offers to ask at once", () => {
    const purchase: Purchase = {
      kind: "waiting",
      attempt: { ...attempt, unknown: true },
      cause: "unknown",
      askAt: OPENS_AT + 4_001,
    };
    const shown = view({ purchase });
    expect(shown.action).toBe("ask");
    expect(shown.note).toContain("don't know yet");
    expect(shown.note).toContain("will not buy twice");
    expect(shown.note).toContain("Next in 4 s");
    expect(view({ purchase: { kind: "sending", attempt: { ...attempt, unknown: true } } }).note).toContain(
      "don't know yet",
    );
  });

  test("waiting for returned units can be stopped", () => {
    expect(view({ purchase: { kind: "waiting", attempt, cause: "empty", askAt: 0 } })).toMatchObject({
      action: "stop",
    });
  });
});

describe("own units", () => {
  test("an unpaid reservation leads to the reservation, not to another purchase", () => {
    expect(view({ holdsUnpaid: true, ownUnits: 1 })).toMatchObject({ label: "Reserved ✓", action: "show" });
  });

  test("at the limit nothing can be pressed; below it the rest can be bought", () => {
    expect(view({ ownUnits: 2 })).toMatchObject({ label: "Yours ✓", action: null });
    expect(view({ ownUnits: 1 })).toMatchObject({ action: "buy", note: "You have 1 of at most 2." });
  });
});

test("a refusal is shown in the server's own words, and the button is ready again where a press can help", () => {
  expect(view({ purchase: refused("limit_reached") })).toMatchObject({
    action: "buy",
    note: REFUSALS.limit_reached.title,
  });
  expect(view({ purchase: refused("ended") })).toMatchObject({ action: "buy", note: REFUSALS.ended.title });
  expect(view({ purchase: refused("banned") })).toMatchObject({ action: null, note: REFUSALS.banned.title });
  expect(view({ purchase: refused("not_eligible") })).toMatchObject({ action: null });
});
