/**
 * One sale: its state and commands on top, then live figures, stock, orders and the audit.
 */
import { useEffect, useMemo } from "preact/hooks";
import type { AdminApi } from "./admin-api.ts";
import { AllowlistForm } from "./allowlist-form.tsx";
import { AuditPanel } from "./audit-panel.tsx";
import { CommandBar } from "./command-bar.tsx";
import { maySteer } from "./console-state.ts";
import type { Sale } from "./documents.ts";
import { FunnelPanel } from "./funnel-panel.tsx";
import { LedgerNotice, LedgerPanel } from "./ledger-panel.tsx";
import { LivePanel } from "./live-panel.tsx";
import { OrdersPanel } from "./orders-panel.tsx";
import { RehearsalLine } from "./rehearsal-line.tsx";
import { SaleWatch } from "./sale-watch.ts";
import { StockPanel } from "./stock-panel.tsx";
import { CHALLENGE_WORDS, formatDuration, formatMoment, STATES } from "./words.ts";

export function SalePage({ api, saleId }: { api: AdminApi; saleId: string }) {
  const watch = useMemo(() => new SaleWatch(api, saleId), [api, saleId]);
  useEffect(() => {
    watch.start();
    return () => watch.stop();
  }, [watch]);
  const sale = watch.sale.value;
  return (
    <div class="stack">
      <p class="small">
        <a href="#/">← All sales</a>
      </p>
      <div class="row spread">
        <h1 tabIndex={-1}>{sale?.name ?? (watch.trouble.value === "" ? "Loading…" : "Sale")}</h1>
        {sale !== null && <StateChip watch={watch} sale={sale} />}
      </div>
      {watch.trouble.value !== "" && (
        <p class="notice bad" role="alert">
          {watch.trouble}
          {watch.stats.value !== null && ` The figures are of ${formatMoment(watch.stats.value.at)}.`}
        </p>
      )}
      <LedgerNotice watch={watch} />
      {sale !== null && (
        <>
          <Facts sale={sale} />
          <RehearsalLine watch={watch} />
          {maySteer.value && <CommandBar watch={watch} sale={sale} />}
          <LivePanel watch={watch} />
          <div class="panels">
            <StockPanel watch={watch} sale={sale} />
            <FunnelPanel watch={watch} />
          </div>
          <LedgerPanel watch={watch} />
          <AuditPanel watch={watch} />
          <OrdersPanel watch={watch} />
          {hasList(sale) && maySteer.value && <AllowlistForm watch={watch} />}
        </>
      )}
    </div>
  );
}

function StateChip({ watch, sale }: { watch: SaleWatch; sale: Sale }) {
  const state = STATES[watch.stats.value?.state ?? sale.state];
  return (
    <span class={`chip big ${state.tone}`} role="status">
      {state.text}
    </span>
  );
}

/** The list says who may buy, or who is in which tier. */
function hasList({ eligibility }: Sale): boolean {
  return eligibility.allowlist === true || (eligibility.tiers ?? []).length > 0;
}

function Facts({ sale }: { sale: Sale }) {
  const { eligibility } = sale;
  const rules = [
    eligibility.allowlist === true ? "allowlist only" : "",
    eligibility.accountAgeMsMin === undefined
      ? ""
      : `account at least ${eligibility.accountAgeMsMin / 86_400_000} days old`,
    eligibility.levelMin === undefined ? "" : `level ${eligibility.levelMin} or more`,
    eligibility.blocklist === undefined ? "" : `${eligibility.blocklist.length} buyers blocked`,
  ].filter(Boolean);
  const tiers = (eligibility.tiers ?? []).map((tier): readonly [string, string] => [
    `Opens for ${tier.name}`,
    formatMoment(tier.opensAt),
  ]);
  const facts: readonly (readonly [string, string])[] = [
    ...tiers,
    [tiers.length === 0 ? "Opens" : "Opens for all", formatMoment(sale.opensAt)],
    ["Closes", formatMoment(sale.closesAt)],
    ["Time to pay", formatDuration(sale.holdMs)],
    ["Units per buyer", String(sale.perBuyerMax)],
    ["Challenge", CHALLENGE_WORDS[sale.challenge]],
    ["Signatures", sale.signature],
    ["Who may buy", rules.length === 0 ? "everybody" : rules.join(", ")],
    ["Id", sale.id],
  ];
  return (
    <dl class="facts">
      {facts.map(([term, text]) => (
        <div key={term}>
          <dt class="small soft">{term}</dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  );
}
