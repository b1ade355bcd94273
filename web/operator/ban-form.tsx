/**
 * Banning or exempting a buyer, a device or an address. What the server finds wrong with a field stands at that field.
 */
import { type Signal, useSignal } from "@preact/signals";
import { type AdminApi, AdminError, textOf } from "./admin-api.ts";
import { bound, Field } from "./field.tsx";

const WHOM = [
  { kind: "buyer", text: "a buyer", label: "Buyer id", hint: "As the orders show it." },
  { kind: "ip", text: "an IP address", label: "Address", hint: "An IPv6 address stands for its /64." },
  { kind: "device", text: "a device", label: "Device key", hint: "As the page of risk shows it." },
] as const;

const DURATIONS = [
  { label: "until lifted", ms: null },
  { label: "for an hour", ms: 3_600_000 },
  { label: "for a day", ms: 86_400_000 },
  { label: "for a week", ms: 604_800_000 },
] as const;

/** Calls back when somebody was banned. */
export function BanForm({ api, onBanned }: { api: AdminApi; onBanned: () => void }) {
  const kind = useSignal(0);
  const subject = useSignal("");
  const reason = useSignal("");
  const duration = useSignal(0);
  const isExempt = useSignal(0);
  const whom = WHOM[kind.value] ?? WHOM[0];
  const errors = useSignal<ReadonlyMap<string, string>>(new Map());
  const problem = useSignal("");
  const ban = async () => {
    const durationMs = DURATIONS[duration.value]?.ms ?? null;
    const effect = isExempt.value === 1 ? "exempt" : "refuse";
    const body = { kind: whom.kind, effect, subject: subject.value.trim(), reason: reason.value.trim() };
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
        <Choice id="effect" label="What" options={["ban", "exempt from suspicion"]} chosen={isExempt} />
        <Choice id="kind" label="Whom" options={WHOM.map(({ text }) => text)} chosen={kind} />
        <Field
          id="subject"
          label={whom.label}
          hint={whom.hint}
          {...bound(subject)}
          error={errors.value.get("subject")}
        />
        <Field id="reason" label="Reason" {...bound(reason)} error={errors.value.get("reason")} />
        <Choice id="duration" label="How long" options={DURATIONS.map(({ label }) => label)} chosen={duration} />
      </div>
      <div class="row">
        <button type="submit" class="button danger">
          {isExempt.value === 1 ? "Exempt" : "Ban"}
        </button>
        <p class="bad" role="alert">
          {problem}
        </p>
      </div>
    </form>
  );
}

interface ChoiceProps {
  readonly id: string;
  readonly label: string;
  readonly options: readonly string[];
  /** The index of the chosen option. */
  readonly chosen: Signal<number>;
}

function Choice({ id, label, options, chosen }: ChoiceProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        class="input"
        value={chosen.value}
        onChange={(event) => {
          chosen.value = Number(event.currentTarget.value);
        }}
      >
        {options.map((text, index) => (
          <option key={text} value={index}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}
