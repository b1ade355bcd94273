/**
 * Creating a sale. Errors, ours and the server's, stand at their fields, and the first wrong field gets the focus.
 */
import { useSignal } from "@preact/signals";
import type { ChallengeRule } from "../../src/domain/sale.ts";
import { type AdminApi, AdminError, textOf } from "./admin-api.ts";
import type { Sale } from "./documents.ts";
import { Field } from "./field.tsx";
import { ItemFields } from "./item-fields.tsx";
import { checkDraft, type FieldErrors, newDraft, type SaleDraft } from "./sale-draft.ts";
import { TierFields } from "./tier-fields.tsx";
import { CHALLENGE_WORDS } from "./words.ts";

const CURRENCIES = ["EUR", "USD", "GBP", "CHF", "SEK", "PLN", "JPY"];
const CHALLENGE_RULES = Object.keys(CHALLENGE_WORDS) as readonly ChallengeRule[];
const NO_ERRORS: FieldErrors = new Map();

export function SaleFormPage({ api }: { api: AdminApi }) {
  const draft = useSignal(newDraft(Date.now()));
  const errors = useSignal(NO_ERRORS);
  const problem = useSignal("");
  const isBusy = useSignal(false);

  const submit = async () => {
    if (isBusy.value) return;
    const check = checkDraft(draft.value, Date.now());
    errors.value = check.kind === "wrong" ? check.errors : NO_ERRORS;
    problem.value = check.kind === "wrong" ? `${check.errors.size} fields need another look.` : "";
    if (check.kind === "valid") {
      isBusy.value = true;
      try {
        const sale = await api.call<Sale>("POST", "/sales", check.body);
        location.hash = `#/sales/${sale.id}`;
        return;
      } catch (error) {
        problem.value = textOf(error);
        if (error instanceof AdminError) errors.value = new Map(error.errors.map(({ field, text }) => [field, text]));
      }
      isBusy.value = false;
    }
    requestAnimationFrame(() => document.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
  };

  return (
    <form
      class="stack form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <h1 tabIndex={-1}>New sale</h1>
      <SaleFields
        draft={draft.value}
        errors={errors.value}
        change={(changes) => (draft.value = { ...draft.value, ...changes })}
      />
      <ItemFields
        items={draft.value.items}
        currency={draft.value.currency}
        errors={errors.value}
        onItems={(items) => (draft.value = { ...draft.value, items })}
      />
      <div class="row">
        <button type="submit" class="button primary" aria-disabled={isBusy.value}>
          {isBusy.value ? "Creating…" : "Create the sale"}
        </button>
        <a class="button quiet" href="#/">
          Cancel
        </a>
        <p class="bad" role="alert">
          {problem}
        </p>
      </div>
    </form>
  );
}

interface SaleFieldsProps {
  readonly draft: SaleDraft;
  readonly errors: FieldErrors;
  readonly change: (changes: Partial<SaleDraft>) => void;
}

function SaleFields({ draft, errors, change }: SaleFieldsProps) {
  const field = (name: "name" | "id" | "opensAt" | "closesAt" | "perBuyerMax" | "buckets" | "description") => ({
    id: name,
    value: draft[name],
    error: errors.get(name),
    onValue: (value: string) => change({ [name]: value }),
  });
  return (
    <section class="card stack" aria-label="The sale">
      <div class="columns">
        <Field {...field("name")} label="Name" hint="What buyers read above everything." />
        <Field {...field("id")} label="Id (optional)" hint="The last part of the sale's address." />
      </div>
      <Field {...field("description")} label="Description (optional)" isLong />
      <div class="columns">
        <Field
          {...field("opensAt")}
          label="Opens"
          type="datetime-local"
          hint="Your time zone. The server opens it alone."
        />
        <Field {...field("closesAt")} label="Closes" type="datetime-local" />
      </div>
      <div class="columns three">
        <Field
          id="holdMs"
          label="Minutes to pay"
          inputMode="numeric"
          value={draft.holdMinutes}
          error={errors.get("holdMs")}
          hint="Unpaid units then go back on sale."
          onValue={(holdMinutes) => change({ holdMinutes })}
        />
        <Field {...field("perBuyerMax")} label="Units per buyer" inputMode="numeric" hint="Of each item." />
        <Field
          id="currency"
          label="Currency"
          list="currencies"
          value={draft.currency}
          error={errors.get("items[0].price.currency")}
          onValue={(currency) => change({ currency: currency.toUpperCase() })}
        />
        <datalist id="currencies">
          {CURRENCIES.map((code) => (
            <option key={code} value={code} />
          ))}
        </datalist>
      </div>
      <div class="columns">
        <Field
          {...field("buckets")}
          label="Buckets per item"
          inputMode="numeric"
          hint="More than 1 only with a Redis Cluster of which one server cannot carry an item. Final."
        />
      </div>
      <Eligibility draft={draft} errors={errors} change={change} />
    </section>
  );
}

function Eligibility({ draft, errors, change }: SaleFieldsProps) {
  // A wrong field that nobody sees cannot be mended.
  const isOpen = draft.tiers.length > 0 || [...errors.keys()].some((field) => field.startsWith("eligibility."));
  return (
    <details class="more" open={isOpen}>
      <summary>Who may buy and when, challenges and signatures</summary>
      <div class="stack">
        <label class="check">
          <input
            type="checkbox"
            checked={draft.isAllowlisted}
            onChange={(event) => change({ isAllowlisted: event.currentTarget.checked })}
          />
          Only buyers on an allowlist (you load it on the sale's page)
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={draft.signature === "required"}
            onChange={(event) => change({ signature: event.currentTarget.checked ? "required" : "optional" })}
          />
          Requests must be signed (recommended)
        </label>
        <div class="field">
          <label for="challenge">Challenge: a moment of work for each buyer&#39;s device</label>
          <select
            id="challenge"
            class="input"
            value={draft.challenge}
            onChange={(event) => change({ challenge: event.currentTarget.value as ChallengeRule })}
          >
            {CHALLENGE_RULES.map((rule) => (
              <option key={rule} value={rule}>
                {CHALLENGE_WORDS[rule]}
              </option>
            ))}
          </select>
        </div>
        <div class="columns">
          <Field
            id="eligibility.accountAgeMsMin"
            label="Account age in days, at least (optional)"
            inputMode="numeric"
            value={draft.accountAgeDays}
            error={errors.get("eligibility.accountAgeMsMin")}
            hint="Guests have no account and are then refused."
            onValue={(accountAgeDays) => change({ accountAgeDays })}
          />
          <Field
            id="eligibility.levelMin"
            label="Account level, at least (optional)"
            inputMode="numeric"
            value={draft.levelMin}
            error={errors.get("eligibility.levelMin")}
            onValue={(levelMin) => change({ levelMin })}
          />
        </div>
        <TierFields
          tiers={draft.tiers}
          opensAt={draft.opensAt}
          errors={errors}
          onTiers={(tiers) => change({ tiers })}
        />
      </div>
    </details>
  );
}
