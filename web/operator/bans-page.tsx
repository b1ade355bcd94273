/**
 * Bans over all sales: who is banned, why and until when; banning and lifting.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type AdminApi, textOf } from "./admin-api.ts";
import { BanForm } from "./ban-form.tsx";
import type { Ban } from "./documents.ts";
import { formatMoment } from "./words.ts";

export function BansPage({ api }: { api: AdminApi }) {
  const bans = useSignal<readonly Ban[] | null>(null);
  const problem = useSignal("");
  const load = async () => {
    try {
      bans.value = (await api.call<{ bans: readonly Ban[] }>("GET", "/bans")).bans;
      problem.value = "";
    } catch (error) {
      problem.value = textOf(error);
    }
  };
  const lift = async (id: string) => {
    try {
      await api.call("DELETE", `/bans/${id}`);
    } catch (error) {
      problem.value = textOf(error);
      return;
    }
    await load();
  };
  useEffect(() => void load(), [api]);
  return (
    <div class="stack">
      <h1 tabIndex={-1}>Bans</h1>
      <BanForm api={api} onBanned={() => void load()} />
      <p class="bad" role="alert">
        {problem}
      </p>
      {bans.value === null && problem.value === "" && <p class="soft">Loading…</p>}
      {bans.value?.length === 0 && <p class="soft">Nobody is banned.</p>}
      <ul class="list">
        {bans.value?.map((ban) => (
          <li key={ban.id} class="card row spread">
            <div>
              <p>
                <span class="chip">{ban.kind}</span> <span class="mono">{ban.subject}</span>
              </p>
              <p class="small soft">
                {ban.reason} · since {formatMoment(ban.createdAt)} ·{" "}
                {ban.expiresAt === null ? "until lifted" : `until ${formatMoment(ban.expiresAt)}`}
              </p>
            </div>
            <button type="button" class="button small" onClick={() => void lift(ban.id)}>
              Lift<span class="hidden"> the ban of {ban.subject}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
