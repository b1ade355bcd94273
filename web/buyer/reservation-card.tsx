/**
 * One reservation of this buyer: what it is, how long it is held, and what can be done about it.
 *
 * Deliberately keeps ended reservations in sight with a sentence about the money; tidying them away is left to the
 * closing of the sale.
 */
import type { Reservation } from "../../client/contract.ts";
import { ConfirmDialog } from "../shared/confirm-dialog.tsx";
import { formatRemaining } from "../shared/countdown.ts";
import { formatMoney } from "../shared/money.ts";
import { RESERVATION_VIEWS } from "./reservation-view.ts";
import type { SaleModel } from "./sale-model.ts";

const LAST_MINUTE_MS = 60_000;

interface CardProps {
  readonly model: SaleModel;
  readonly reservation: Reservation;
}

export function ReservationCard({ model, reservation }: CardProps) {
  const { rid, quantity, sku } = reservation;
  const isHeld = reservation.status === "held" && reservation.holdUntil > model.now;
  // Between the end of the hold and the server's word about it, nothing is left to press.
  const view = RESERVATION_VIEWS[reservation.status === "held" && !isHeld ? "expiring" : reservation.status];
  const takeFocus = (heading: HTMLElement | null) => {
    if (heading === null || model.spotlight !== rid) return;
    model.spotlight = null;
    heading.focus();
  };
  return (
    <li class={`card reservation ${view.tone} ${reservation.status}`}>
      <h3 ref={takeFocus} tabIndex={-1}>
        {view.title}
      </h3>
      <p class="row spread">
        <span>
          {quantity} × {model.item(sku)?.name ?? sku}
        </span>
        <strong>{formatMoney(reservation.amount)}</strong>
      </p>
      <p class="small soft">{view.text}</p>
      {isHeld && <Hold model={model} reservation={reservation} />}
      <p class="small soft">
        No. <span class="mono">{rid}</span>
      </p>
    </li>
  );
}

function Hold({ model, reservation }: CardProps) {
  const { rid, holdUntil, amount } = reservation;
  const busy = model.busy?.rid === rid ? model.busy.what : null;
  const remainingMs = holdUntil - model.now;
  const doubt = (doubted: string | null) => {
    model.doubted = doubted;
    model.changed();
  };
  return (
    <>
      <p class={`hold ${remainingMs < LAST_MINUTE_MS ? "last" : ""}`}>
        Pay within
        <strong class="digits" role="timer">
          {formatRemaining(remainingMs)}
        </strong>
      </p>
      <div class="row">
        <button type="button" class="button primary grow" aria-disabled={busy !== null} onClick={() => model.pay(rid)}>
          {busy === "pay" ? "Opening the payment page…" : `Pay ${formatMoney(amount)}`}
        </button>
        <button type="button" class="button quiet" aria-disabled={busy !== null} onClick={() => doubt(rid)}>
          {busy === "give-back" ? "Giving back…" : "Give back"}
        </button>
      </div>
      {model.doubted === rid && (
        <ConfirmDialog
          title="Give it back?"
          yes="Give it back"
          no="Keep it"
          onAnswer={(isYes) => {
            doubt(null);
            if (isYes) model.giveBack(rid);
          }}
        >
          <p>Somebody else can take it at once. You may not get it again.</p>
        </ConfirmDialog>
      )}
    </>
  );
}
