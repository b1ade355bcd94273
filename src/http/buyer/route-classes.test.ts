/**
 * A process that cannot do everything gives up looking around before looking after, and never what says how it is.
 */
import { describe, expect, test } from "bun:test";
import { makeBuyerApp } from "../../../test/support/buyer-app.ts";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { BusyAdvice } from "../../funnel/1-shed/busy-advice.ts";
import { Ladder, STEPS } from "../../funnel/1-shed/ladder.ts";
import { RouteGuard } from "../../funnel/1-shed/route-guard.ts";

function guardedApp() {
  const clock = new ManualClock();
  const loopDelay = { delayMs: 0 };
  const ladder = new Ladder({ loopDelay, memory: null, clock });
  const app = makeBuyerApp({ routeGuard: new RouteGuard({ ladder, advice: new BusyAdvice(clock), clock }) });
  const status = async (method: string, path: string) => {
    const response = await app.fetch(path, { method, headers: app.authorization() });
    return response.status;
  };
  return { loopDelay, app, status };
}

const BROWSING = ["/", "/assets/none.js", "/v1/sales", "/v1/sales/spring-drop", "/v1/openapi.json"];

describe("classes of routes", () => {
  test("a calm process serves them all", async () => {
    const { status } = guardedApp();
    expect(await status("GET", "/v1/sales/spring-drop")).toBe(200);
    expect(await status("GET", "/v1/reservations")).toBe(200);
    expect(await status("DELETE", "/v1/reservations/rid-of-alice")).toBe(200);
  });

  test.each(BROWSING)("GET %s is refused first, as busy and with advice", async (path) => {
    const { loopDelay, app, status } = guardedApp();
    loopDelay.delayMs = STEPS.browse.delayMs.to;
    const response = await app.fetch(path);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toMatch(/^[1-6]$/);
    expect(await response.json()).toMatchObject({ reason: "busy", stage: "shed", retryAfterMs: expect.any(Number) });
    expect(await status("GET", "/v1/time")).toBe(200);
    expect(await status("DELETE", "/v1/reservations/rid-of-alice")).toBe(200);
  });

  test("one's own reservations come next, then what an attempt needs, then giving back, then paying", async () => {
    const { loopDelay, status } = guardedApp();
    const order = [
      ["status", "GET", "/v1/reservations/rid-of-alice"],
      ["reserve", "GET", "/v1/time"],
      ["confirm", "DELETE", "/v1/reservations/rid-of-alice"],
      ["pay", "POST", "/v1/webhooks/payments/sandbox"],
    ] as const;
    for (const [index, [priority, method, path]] of order.entries()) {
      loopDelay.delayMs = STEPS[priority].delayMs.to;
      expect([path, await status(method, path)]).toEqual([path, 503]);
      const next = order[index + 1];
      if (next !== undefined) expect(await status(next[1], next[2])).not.toBe(503);
    }
  });

  test("health and readiness are answered whatever happens", async () => {
    const { loopDelay, status } = guardedApp();
    loopDelay.delayMs = STEPS.pay.delayMs.to * 10;
    expect(await status("GET", "/healthz")).toBe(200);
    expect(await status("GET", "/readyz")).toBe(200);
  });
});
