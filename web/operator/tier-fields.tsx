/**
 * The earlier openings of a sale that is being created: one row of fields each tier, with adding and removing.
 *
 * Whoever satisfies all rules of a tier is in it, and so is whom the allowlist names for it; a tier without rules is for those
 * alone. The earliest tier of a buyer decides.
 */
import { TIERS_MAX } from "../../src/domain/sale.ts";
import { Field } from "./field.tsx";
import { EMPTY_TIER, type FieldErrors, type TierDraft } from "./sale-draft.ts";

export interface TierFieldsProps {
  readonly tiers: readonly TierDraft[];
  /** Where a new tier's opening begins: the sale's own. */
  readonly opensAt: string;
  readonly errors: FieldErrors;
  readonly onTiers: (tiers: readonly TierDraft[]) => void;
}

export function TierFields({ tiers, opensAt, errors, onTiers }: TierFieldsProps) {
  const change = (index: number, changes: Partial<TierDraft>) =>
    onTiers(tiers.map((tier, at) => (at === index ? { ...tier, ...changes } : tier)));
  const add = () => {
    onTiers([...tiers, { ...EMPTY_TIER, opensAt }]);
    focusSoon(`eligibility.tiers[${tiers.length}].name`);
  };
  const remove = (index: number) => {
    onTiers(tiers.filter((_, at) => at !== index));
    focusSoon(tiers.length === 1 ? "add-tier" : `eligibility.tiers[${Math.max(0, index - 1)}].name`);
  };
  return (
    <section class="stack" aria-labelledby="tiers-title">
      <h3 id="tiers-title">Earlier openings</h3>
      <p class="small soft">
        For members before everybody else. Who is in a tier: whoever fits its rules, and whom the allowlist names for
        it.
      </p>
      {tiers.map((tier, index) => (
        <fieldset class="tier" key={index}>
          <legend class="hidden">Tier {index + 1}</legend>
          <TierRow
            path={`eligibility.tiers[${index}]`}
            tier={tier}
            errors={errors}
            change={(changes) => change(index, changes)}
          />
          <button type="button" class="button small quiet" onClick={() => remove(index)}>
            Remove<span class="hidden"> tier {index + 1}</span>
          </button>
        </fieldset>
      ))}
      <p>
        <button
          id="add-tier"
          type="button"
          class="button small"
          aria-disabled={tiers.length >= TIERS_MAX}
          onClick={() => tiers.length < TIERS_MAX && add()}
        >
          Add an earlier opening
        </button>
      </p>
    </section>
  );
}

interface TierRowProps {
  readonly path: string;
  readonly tier: TierDraft;
  readonly errors: FieldErrors;
  readonly change: (changes: Partial<TierDraft>) => void;
}

function TierRow({ path, tier, errors, change }: TierRowProps) {
  const field = (name: keyof TierDraft, member: string = name) => ({
    id: `${path}.${member}`,
    value: tier[name],
    error: errors.get(`${path}.${member}`),
    onValue: (value: string) => change({ [name]: value }),
  });
  return (
    <>
      <Field {...field("name")} label="Name of the tier" hint="Buyers read it; the allowlist uses it." />
      <Field {...field("opensAt")} label="Opens for them" type="datetime-local" />
      <Field {...field("levelMin")} label="Level, at least (optional)" inputMode="numeric" />
      <Field
        {...field("accountAgeDays", "accountAgeMsMin")}
        label="Account age in days (optional)"
        inputMode="numeric"
      />
    </>
  );
}

function focusSoon(id: string): void {
  requestAnimationFrame(() => document.getElementById(id)?.focus());
}
