/**
 * The operators' log, the newest entries first. That nobody touched it is proved by `doorbuster operator log verify`.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type AdminApi, textOf } from "./admin-api.ts";
import { formatMoment } from "./words.ts";

const ROWS = 100;

interface Entry {
  readonly seq: number;
  readonly at: number;
  readonly entry: string;
}

interface LogAnswer {
  readonly head: { readonly seq: number; readonly hash: string };
  readonly entries: readonly Entry[];
}

export function LogPage({ api }: { api: AdminApi }) {
  const log = useSignal<LogAnswer | null>(null);
  const problem = useSignal("");
  const load = async () => {
    try {
      const { head } = await api.call<LogAnswer>("GET", "/log?limit=1");
      log.value = await api.call<LogAnswer>("GET", `/log?after=${Math.max(0, head.seq - ROWS)}&limit=${ROWS}`);
    } catch (error) {
      problem.value = textOf(error);
    }
  };
  useEffect(() => void load(), [api]);
  const entries = [...(log.value?.entries ?? [])].reverse();
  return (
    <div class="stack">
      <div class="row spread">
        <h1 tabIndex={-1}>Log</h1>
        <button type="button" class="button small" onClick={() => void load()}>
          Refresh
        </button>
      </div>
      <p class="bad" role="alert">
        {problem}
      </p>
      {log.value !== null && (
        <p class="small soft">
          The chain ends at <span class="mono">{`${log.value.head.seq}:${log.value.head.hash}`}</span>
        </p>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section class="scroll" tabIndex={0} aria-label="Log">
        <table class="grid">
          <thead>
            <tr>
              <th scope="col">No.</th>
              <th scope="col">When</th>
              <th scope="col">What</th>
            </tr>
          </thead>
          <tbody>
            {entries.map(({ seq, at, entry }) => (
              <tr key={seq}>
                <td>{seq}</td>
                <td>{formatMoment(at)}</td>
                <td class="mono small">{entry}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </div>
  );
}
