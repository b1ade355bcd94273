/**
 * The page of one sale: what it is, how long until it opens, what can be bought, and what this buyer has.
 *
 * One polite live region speaks for the whole page. Reservations stand before the items on a narrow screen, because a
 * hold whose time runs is the most urgent thing there can be.
 */
import type { SaleDocument } from "../../client/contract.ts";
import { saleStateNow } from "./buy-button.ts";
import { ChallengePanel } from "./challenge-panel.tsx";
import { ClockPanel } from "./clock-panel.tsx";
import { ItemCard } from "./item-card.tsx";
import { ReservationCard } from "./reservation-card.tsx";
import type { SaleModel } from "./sale-model.ts";
import { STATE_CHIPS } from "./state-chips.ts";

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
        <ClockPanel model={model} sale={sale} />
        <ChallengePanel clearing={model.clearing} now={model.serverNow} />
        {reservations.length > 0 && (
          <section aria-labelledby="yours" class="stack">
            <h2 id="yours">Yours</h2>
            <ul class="list">
              {reservations.map((reservation) => (
                <ReservationCard key={reservation.rid} model={model} reservation={reservation} />
              ))}
            </ul>
          </section>
        )}
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
