/**
 * The sale's orders, a page at a time, by status, and all of them as a CSV file.
 *
 * Pages are read on demand and not live: a table that moves under the eyes cannot be read.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { RESERVATION_STATUSES } from "../../src/domain/reservation.ts";
import { formatMoney } from "../shared/money.ts";
import { textOf } from "./admin-api.ts";
import { type Column, DataTable } from "./data-table.tsx";
import type { Order, OrderPage } from "./documents.ts";
import type { SaleWatch } from "./sale-watch.ts";
import { formatCount, formatMoment, STATUS_TONES } from "./words.ts";

const PAGE_ROWS = 25;

export function OrdersPanel({ watch }: { watch: SaleWatch }) {
  const status = useSignal("");
  /** Cursors of the pages before and of this one; the first has none. */
  const trail = useSignal<readonly string[]>([""]);
  const page = useSignal<OrderPage | null>(null);
  const problem = useSignal("");
  const load = async (cursors: readonly string[]) => {
    const query = new URLSearchParams({ limit: String(PAGE_ROWS) });
    const cursor = cursors.at(-1) ?? "";
    if (status.value !== "") query.set("status", status.value);
    if (cursor !== "") query.set("cursor", cursor);
    try {
      page.value = await watch.api.call<OrderPage>("GET", `/sales/${watch.saleId}/orders?${query}`);
      trail.value = cursors;
      problem.value = "";
    } catch (error) {
      problem.value = textOf(error);
    }
  };
  useEffect(() => void load([""]), [watch]);
  const next = page.value?.next ?? null;
  const isFirst = trail.value.length === 1;
  return (
    <section class="card stack" aria-labelledby="orders-title">
      <div class="row spread">
        <h2 id="orders-title">Orders</h2>
        <div class="row">
          <label class="pair small">
            Status
            <select
              class="input"
              value={status.value}
              onChange={(event) => {
                status.value = event.currentTarget.value;
                void load([""]);
              }}
            >
              <option value="">all</option>
              {RESERVATION_STATUSES.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          <button type="button" class="button small" onClick={() => void load([""])}>
            Refresh
          </button>
          <Download watch={watch} />
        </div>
      </div>
      <p class="bad" role="alert">
        {problem}
      </p>
      <OrderTable page={page.value} />
      <div class="row">
        <PageButton label="Earlier page" isOff={isFirst} onPress={() => void load(trail.value.slice(0, -1))} />
        <PageButton label="Next page" isOff={next === null} onPress={() => void load([...trail.value, next ?? ""])} />
        <span class="small soft">Page {trail.value.length}</span>
      </div>
    </section>
  );
}

function PageButton({ label, isOff, onPress }: { label: string; isOff: boolean; onPress: () => void }) {
  return (
    <button type="button" class="button small" aria-disabled={isOff} onClick={() => isOff || onPress()}>
      {label}
    </button>
  );
}

function Download({ watch }: { watch: SaleWatch }) {
  const text = useSignal("");
  const isBusy = useSignal(false);
  const save = async () => {
    if (isBusy.value) return;
    isBusy.value = true;
    text.value = "";
    try {
      const file = URL.createObjectURL(await watch.api.download(`/sales/${watch.saleId}/orders?format=csv`));
      const link = document.createElement("a");
      link.href = file;
      link.download = `orders-${watch.saleId}.csv`;
      link.click();
      URL.revokeObjectURL(file);
    } catch (error) {
      text.value = textOf(error);
    }
    isBusy.value = false;
  };
  return (
    <>
      <button type="button" class="button small" aria-disabled={isBusy.value} onClick={() => void save()}>
        {isBusy.value ? "Preparing…" : "Download CSV"}
      </button>
      <span class="small bad" role="alert">
        {text}
      </span>
    </>
  );
}

function OrderTable({ page }: { page: OrderPage | null }) {
  if (page === null) return <p class="soft">Loading…</p>;
  if (page.orders.length === 0) return <p class="soft">No orders here yet.</p>;
  return <DataTable label="Orders of this page" columns={COLUMNS} rows={page.orders} keyOf={({ rid }) => rid} />;
}

const COLUMNS: readonly Column<Order>[] = [
  { heading: "Created", show: ({ createdAt }) => formatMoment(createdAt) },
  { heading: "Item", show: ({ itemName }) => itemName },
  { heading: "Units", show: ({ quantity }) => formatCount(quantity), isNumber: true },
  { heading: "Amount", show: ({ amount }) => formatMoney(amount), isNumber: true },
  { heading: "Status", show: ({ status }) => <span class={`chip ${STATUS_TONES[status]}`}>{status}</span> },
  { heading: "Buyer", show: ({ buyerId }) => <span class="mono">{buyerId}</span>, isLong: true },
  { heading: "Reservation", show: ({ rid }) => <span class="mono">{rid}</span>, isLong: true },
];
