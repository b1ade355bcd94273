/**
 * The window opens and closes to the millisecond of the server's clock.
 */
import { describe, expect, test } from "bun:test";
import { saleAt } from "../../../test/support/funnel-fixture.ts";
import { judgeWindow, REPEATS_AFTER_CLOSE_MS } from "./window.ts";

const NOW_MS = 1_800_000_000_000;
const SALE = saleAt(NOW_MS, { opensAt: NOW_MS, closesAt: NOW_MS + 1_000 });

function reasonAt(nowMs: number, sale = SALE) {
  const state = judgeWindow(sale, nowMs);
  return state.kind === "open" ? "open" : `${state.kind} ${state.refusal.reason}`;
}

describe("window", () => {
  test("refuses one millisecond early, with what a countdown needs, and accepts at the instant", () => {
    const early = judgeWindow(SALE, NOW_MS - 1);
    expect(early).toEqual({
      kind: "ended",
      refusal: { reason: "not_open", retryAfterMs: 1, extra: { opensAt: NOW_MS, serverNow: NOW_MS - 1 } },
    });
    expect(reasonAt(NOW_MS)).toBe("open");
    expect(reasonAt(NOW_MS + 1)).toBe("open");
  });

  test("does not tell one sale's opening to early birds of another in the same millisecond", () => {
    const other = saleAt(NOW_MS, { opensAt: NOW_MS + 50 });
    judgeWindow(SALE, NOW_MS - 1);
    expect(judgeWindow(other, NOW_MS - 1)).toMatchObject({ refusal: { extra: { opensAt: NOW_MS + 50 } } });
  });

  test("closes at its end, lets holders repeat for ten minutes, then says closed to everybody", () => {
    expect(reasonAt(NOW_MS + 999)).toBe("open");
    expect(reasonAt(NOW_MS + 1_000)).toBe("pending closed");
    expect(reasonAt(NOW_MS + 1_000 + REPEATS_AFTER_CLOSE_MS - 1)).toBe("pending closed");
    expect(reasonAt(NOW_MS + 1_000 + REPEATS_AFTER_CLOSE_MS)).toBe("ended closed");
  });

  test("counts the ten minutes from the moment the operator closed", () => {
    const closed = saleAt(NOW_MS, { phase: "closed", closedAt: NOW_MS });
    expect(reasonAt(NOW_MS + 5, closed)).toBe("pending closed");
    expect(reasonAt(NOW_MS + REPEATS_AFTER_CLOSE_MS, closed)).toBe("ended closed");
  });

  test("paused is pending at any time before the end", () => {
    const paused = saleAt(NOW_MS, { phase: "paused" });
    expect(reasonAt(NOW_MS, paused)).toBe("pending paused");
  });
});
