/**
 * Bans over all sales: who is banned, cools down or is exempt, why and until when; banning, exempting and lifting.
 *
 * What a rule made and an operator lifts does not come back for a day.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type AdminApi, textOf } from "./admin-api.ts";
import { BanForm } from "./ban-form.tsx";
import { maySteer } from "./console-state.ts";
import type { Ban } from "./documents.ts";
import { formatMoment } from "./words.ts";

const EFFECTS: Readonly<Record<Ban["effect"], string>> = {
  refuse: "banned",
  cool_down: "cools down",
  exempt: "exempt",
};

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
      {maySteer.value && <BanForm api={api} onBanned={() => void load()} />}
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
                <span class="chip">{EFFECTS[ban.effect]}</span> <span class="chip">{ban.kind}</span>{" "}
                <span class="mono">{ban.subject}</span>
              </p>
              <p class="small soft">
                {ban.reason} · {ban.origin === "automatic" ? "by rule" : "by an operator"} · since{" "}
                {formatMoment(ban.createdAt)} ·{" "}
                {ban.expiresAt === null ? "until lifted" : `until ${formatMoment(ban.expiresAt)}`}
              </p>
            </div>
            {maySteer.value && (
              <button type="button" class="button small" onClick={() => void lift(ban.id)}>
                {ban.effect === "exempt" ? "End" : "Lift"}
                <span class="hidden"> what concerns {ban.subject}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}
