/**
 * Bans over all sales: who is banned, why and until when; banning and lifting.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type AdminApi, AdminError, textOf } from "./admin-api.ts";
import type { Ban } from "./documents.ts";
import { bound, Field } from "./field.tsx";
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

const DURATIONS = [
  { label: "until lifted", ms: null },
  { label: "for an hour", ms: 3_600_000 },
  { label: "for a day", ms: 86_400_000 },
  { label: "for a week", ms: 604_800_000 },
] as const;

function BanForm({ api, onBanned }: { api: AdminApi; onBanned: () => void }) {
  const kind = useSignal<"buyer" | "ip">("buyer");
  const subject = useSignal("");
  const reason = useSignal("");
  const duration = useSignal(0);
  const errors = useSignal<ReadonlyMap<string, string>>(new Map());
  const problem = useSignal("");
  const ban = async () => {
    const durationMs = DURATIONS[duration.value]?.ms ?? null;
    const body = { kind: kind.value, subject: subject.value.trim(), reason: reason.value.trim() };
    try {
      await api.call("POST", "/bans", { ...body, ...(durationMs === null ? {} : { durationMs }) });
      subject.value = "";
      reason.value = "";
      errors.value = new Map();
      problem.value = "";
      onBanned();
    } catch (error) {
      const fields = error instanceof AdminError ? error.errors : [];
      errors.value = new Map(fields.map(({ field, text }) => [field, text]));
      problem.value = fields.length > 0 ? "" : textOf(error);
    }
  };
  return (
    <form
      class="card stack"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void ban();
      }}
    >
      <div class="columns four">
        <div class="field">
          <label for="kind">Whom</label>
          <select
            id="kind"
            class="input"
            value={kind.value}
            onChange={(event) => {
              kind.value = event.currentTarget.value === "ip" ? "ip" : "buyer";
            }}
          >
            <option value="buyer">a buyer</option>
            <option value="ip">an IP address</option>
          </select>
        </div>
        <Field
          id="subject"
          label={kind.value === "ip" ? "Address" : "Buyer id"}
          hint={kind.value === "ip" ? "An IPv6 address stands for its /64." : "As the orders show it."}
          {...bound(subject)}
          error={errors.value.get("subject")}
        />
        <Field id="reason" label="Reason" {...bound(reason)} error={errors.value.get("reason")} />
        <div class="field">
          <label for="duration">How long</label>
          <select
            id="duration"
            class="input"
            value={duration.value}
            onChange={(event) => {
              duration.value = Number(event.currentTarget.value);
            }}
          >
            {DURATIONS.map(({ label }, index) => (
              <option key={label} value={index}>
                {label}
              </option>
            ))}
          </select>
        </div>
      </div>
      <div class="row">
        <button type="submit" class="button danger">
          Ban
        </button>
        <p class="bad" role="alert">
          {problem}
        </p>
      </div>
    </form>
  );
}
