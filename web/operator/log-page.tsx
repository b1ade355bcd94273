/**
 * The operators' log in words, the newest first, with what stands in the chain behind each row. That nobody touched it is
 * proved by `doorbuster operator log verify`.
 *
 * Read in pieces towards the past. Filtering looks at what was read so far, and says so.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type AdminApi, textOf } from "./admin-api.ts";
import { type Column, DataTable } from "./data-table.tsx";
import { bound, Field } from "./field.tsx";
import { isAbout, type LogEntry, type LogRow, rowsOfLog, spreadEntry } from "./log-words.ts";
import { formatCount, formatMoment } from "./words.ts";

const PIECE = 200;

interface LogAnswer {
  readonly head: { readonly seq: number; readonly hash: string };
  readonly entries: readonly LogEntry[];
}

const SHOWN = {
  all: { text: "everything", has: () => true },
  change: { text: "changes", has: ({ kind }) => kind === "change" },
  access: { text: "ways in", has: ({ kind }) => kind === "access" },
  failed: { text: "refused or failed", has: ({ outcome }) => outcome?.tone === "bad" },
  second: { text: "taken by two", has: ({ approvedBy }) => approvedBy !== "" },
} as const satisfies Readonly<Record<string, { text: string; has: (row: LogRow) => boolean }>>;
type Shown = keyof typeof SHOWN;

const COLUMNS: readonly Column<LogRow>[] = [
  { heading: "No.", show: ({ seq }) => formatCount(seq), isNumber: true },
  { heading: "When", show: ({ at }) => formatMoment(at) },
  { heading: "Who", show: ({ who }) => who },
  { heading: "What", show: ({ what }) => what, isLong: true },
  { heading: "On what", show: ({ target }) => target, isLong: true },
  { heading: "Reason", show: ({ reason }) => reason, isLong: true },
  { heading: "Approved by", show: ({ approvedBy }) => approvedBy },
  {
    heading: "Outcome",
    show: ({ outcome }) => outcome !== null && <span class={`chip ${outcome.tone}`}>{outcome.text}</span>,
  },
];

export function LogPage({ api }: { api: AdminApi }) {
  const head = useSignal<LogAnswer["head"] | null>(null);
  const entries = useSignal<readonly LogEntry[]>([]);
  const problem = useSignal("");
  const isBusy = useSignal(false);
  const read = async (work: () => Promise<void>) => {
    if (isBusy.value) return;
    isBusy.value = true;
    try {
      await work();
      problem.value = "";
    } catch (error) {
      problem.value = textOf(error);
    }
    isBusy.value = false;
  };
  const pieceBefore = async (seq: number) => {
    const after = Math.max(0, seq - 1 - PIECE);
    return (await api.call<LogAnswer>("GET", `/log?after=${after}&limit=${seq - 1 - after}`)).entries;
  };
  const load = () =>
    read(async () => {
      const answer = await api.call<LogAnswer>("GET", "/log?limit=1");
      entries.value = answer.head.seq === 0 ? [] : await pieceBefore(answer.head.seq + 1);
      head.value = answer.head;
    });
  const loadEarlier = () =>
    read(async () => {
      const first = entries.value[0]?.seq ?? 1;
      if (first > 1) entries.value = [...(await pieceBefore(first)), ...entries.value];
    });
  useEffect(() => void load(), [api]);
  return (
    <div class="stack">
      <div class="row spread">
        <h1 tabIndex={-1}>Log</h1>
        <button type="button" class="button small" aria-disabled={isBusy.value} onClick={() => void load()}>
          {isBusy.value ? "Reading…" : "Refresh"}
        </button>
      </div>
      <p class="bad" role="alert">
        {problem}
      </p>
      {head.value === null && problem.value === "" && <p class="soft">Loading…</p>}
      {head.value !== null && <Rows entries={entries.value} onEarlier={() => void loadEarlier()} />}
      {head.value !== null && (
        <p class="small soft">
          The chain ends at <span class="mono">{`${head.value.seq}:${head.value.hash}`}</span>. Note it where the
          database's owner cannot reach; <code>doorbuster operator log verify</code> proves the rest.
        </p>
      )}
    </div>
  );
}

function Rows({ entries, onEarlier }: { entries: readonly LogEntry[]; onEarlier: () => void }) {
  const sought = useSignal("");
  const shown = useSignal<Shown>("all");
  const rows = rowsOfLog(entries);
  const fitting = rows.filter((row) => SHOWN[shown.value].has(row) && isAbout(row, sought.value));
  const first = entries[0]?.seq ?? 1;
  if (rows.length === 0) return <p class="soft">Nobody has done anything yet.</p>;
  return (
    <section class="card stack" aria-label="Entries">
      <search class="columns">
        <Field id="sought" label="Filter" hint="A name, a sale, a reason: any word of a row." {...bound(sought)} />
        <div class="field">
          <label for="shown">Show</label>
          <select
            id="shown"
            class="input"
            value={shown.value}
            onChange={(event) => {
              shown.value = event.currentTarget.value as Shown;
            }}
          >
            {Object.entries(SHOWN).map(([name, { text }]) => (
              <option key={name} value={name}>
                {text}
              </option>
            ))}
          </select>
        </div>
      </search>
      <p class="small soft" role="status">
        {`${formatCount(fitting.length)} of ${formatCount(rows.length)} rows, back to entry ${formatCount(first)}.`}
      </p>
      {fitting.length > 0 && (
        <DataTable
          label="Log"
          columns={COLUMNS}
          rows={fitting}
          keyOf={({ seq }) => String(seq)}
          details={{ nameOf: ({ seq }) => `entry ${formatCount(seq)}`, show: (row) => <Links row={row} /> }}
        />
      )}
      {first > 1 && (
        <p>
          <button type="button" class="button small" onClick={onEarlier}>
            Read earlier entries
          </button>
        </p>
      )}
    </section>
  );
}

/** What stands in the chain. */
function Links({ row }: { row: LogRow }) {
  return (
    <>
      {row.entries.map(({ seq, at, entry }) => (
        <figure key={seq}>
          <figcaption class="small soft">
            Entry {formatCount(seq)}, {formatMoment(at)}
          </figcaption>
          <pre class="mono">{spreadEntry(entry)}</pre>
        </figure>
      ))}
    </>
  );
}
