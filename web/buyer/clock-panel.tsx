/**
 * The countdown on the server's time, and how far off it may be: the half of a round trip we could not see.
 *
 * The digits are a timer with `aria-live` off; a screen reader hears only the marks of spokenRemaining, from the page's
 * one live region. Widths are fixed, so a changing digit moves nothing.
 */
import type { SaleDocument } from "../../client/contract.ts";
import { formatRemaining } from "../shared/countdown.ts";
import { saleStateNow } from "./buy-button.ts";
import type { SaleModel } from "./sale-model.ts";

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const DAY_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const TIME_OF_DAY = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

export function ClockPanel({ model, sale }: { model: SaleModel; sale: SaleDocument }) {
  const now = model.now;
  const errorMs = model.clockErrorMs;
  const { opensAt } = model;
  const state = saleStateNow({ ...sale, opensAt }, now);
  const target = state === "scheduled" ? opensAt : sale.closesAt;
  const label = { scheduled: "Opens in", closed: "The sale is over", paused: "Paused, closes in" }[state as string];
  return (
    <section class="card clock" aria-label="Countdown">
      <p class="soft">{label ?? "Open, closes in"}</p>
      {state !== "closed" && (
        <>
          <p class="digits large" role="timer" aria-live="off">
            {formatRemaining(target - now)}
          </p>
          <p class="small soft">
            {state === "scheduled" ? "Opens" : "Closes"} {MOMENT.format(target)}
          </p>
        </>
      )}
      {state === "scheduled" && <EarlierOpenings sale={sale} isInOne={opensAt < sale.opensAt} now={now} />}
      <p class="small soft">
        Server time {TIME_OF_DAY.format(now)}
        {errorMs === null ? " · comparing clocks…" : ` · ± ${Math.max(1, Math.ceil(errorMs))} ms`}
      </p>
    </section>
  );
}

/** Who may come before the others. Whose tier is whose, only the server's answer to "Get ready" tells. */
function EarlierOpenings({ sale, isInOne, now }: { sale: SaleDocument; isInOne: boolean; now: number }) {
  if (isInOne) return <p class="small">Earlier for you than for others.</p>;
  const coming = (sale.tiers ?? []).filter((tier) => tier.opensAt > now);
  if (coming.length === 0) return null;
  const names = coming.map((tier) => `${tier.name} (${DAY_AND_TIME.format(tier.opensAt)})`).join(", ");
  return <p class="small">Opens earlier for {names}. “Get ready” tells whether that is you.</p>;
}
