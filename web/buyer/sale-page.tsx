/**
 * The page of one sale: what it is, how long until it opens, what can be bought, and what this buyer has.
 *
 * One polite live region speaks for the whole page. Reservations stand before everything else but the name, because a hold
 * whose time runs is the most urgent thing there can be; the sale's own clock is not, once something is reserved.
 */
import type { SaleDocument } from "../../client/contract.ts";
import { formatMoney } from "../shared/money.ts";
import { saleStateNow } from "./buy-button.ts";
import { ChallengePanel } from "./challenge-panel.tsx";
import { ClockPanel } from "./clock-panel.tsx";
import { GuestNote } from "./guest-note.tsx";
import { ItemCard } from "./item-card.tsx";
import { ReservationCard } from "./reservation-card.tsx";
import { RESERVATION_VIEWS } from "./reservation-view.ts";
import type { SaleModel } from "./sale-model.ts";
import { STATE_CHIPS } from "./state-chips.ts";
import { recallReceipt } from "./tab-memory.ts";

export function SalePage({ model }: { model: SaleModel }) {
  const sale = model.sale;
  return (
    <>
      <div class="notices" role="alert">
        {[model.trouble, model.failure].map((text) => text !== "" && <p class="notice warn">{text}</p>)}
      </div>
      {model.isMissing ? <Missing /> : sale === null ? <Loading /> : <Sale model={model} sale={sale} />}
      <p class="hidden" aria-live="polite">
        {model.spoken}
      </p>
    </>
  );
}

function Sale({ model, sale }: { model: SaleModel; sale: SaleDocument }) {
  const chip = STATE_CHIPS[saleStateNow({ ...sale, opensAt: model.opensAt }, model.now)];
  const reservations = model.reservations;
  return (
    <div class="sale">
      <div class="intro">
        <span class={`chip ${chip.tone}`}>{chip.text}</span>
        <h1>{sale.name}</h1>
        {sale.description !== undefined && <p class="soft">{sale.description}</p>}
        {isOwnHost(sale.imageUrl) && <img src={sale.imageUrl} alt="" />}
      </div>
      <div class="side">
        {reservations.length > 0 && (
          <section aria-labelledby="yours" class="stack">
            <h2 id="yours">Yours</h2>
            <ul class="list">
              {reservations.map((reservation) => (
                <ReservationCard key={reservation.rid} model={model} reservation={reservation} />
              ))}
            </ul>
            <Keeping model={model} />
          </section>
        )}
        <ClockPanel model={model} sale={sale} />
        <ChallengePanel clearing={model.clearing} now={model.serverNow} />
      </div>
      <section class="items stack" aria-label="Items">
        <ul class="list">
          {sale.items.map((item) => (
            <ItemCard key={item.sku} model={model} sale={sale} item={item} />
          ))}
        </ul>
      </section>
    </div>
  );
}

/** Nothing where nothing is the buyer's any more. */
function Keeping({ model }: { model: SaleModel }) {
  const own = model.reservations.filter(({ status }) => RESERVATION_VIEWS[status].isOwned);
  if (own.length === 0) return null;
  const lines = own.flatMap(({ rid, sku, quantity, amount }) => {
    const receipt = recallReceipt(rid);
    return [
      `${quantity} × ${model.item(sku)?.name ?? sku}, ${formatMoney(amount)}`,
      `No. ${rid}`,
      ...(receipt === null ? [] : [`Receipt ${receipt}`]),
    ];
  });
  const text = [model.sale?.name, ...lines, location.origin + location.pathname].join("\n");
  return <GuestNote isUnpaid={own.some(({ status }) => status !== "paid")} text={text} />;
}

/** Pictures of other hosts are not shown: they could watch who comes, and the page's policy blocks them anyway. */
function isOwnHost(imageUrl: string | undefined): imageUrl is string {
  return imageUrl !== undefined && new URL(imageUrl, location.href).origin === location.origin;
}

function Loading() {
  return (
    <div class="sale" aria-busy="true">
      <div class="intro">
        <h1>Loading…</h1>
      </div>
      <div class="side">
        <div class="card clock placeholder" />
      </div>
      <div class="items card placeholder" />
    </div>
  );
}

function Missing() {
  return (
    <div class="intro">
      <h1>There is no such sale</h1>
      <p>The address may be mistyped, or the sale is long over.</p>
      <a class="button" href="/">
        See what is on
      </a>
    </div>
  );
}
