/**
 * Changing what was promised to buyers, stock or price: one figure and always a reason, which the log keeps.
 *
 * In a running sale the server keeps the change until a second person approved it; the form says so, and asks for a fresh
 * code where the server wants one.
 */
import { useSignal } from "@preact/signals";
import { textOf } from "./admin-api.ts";
import { type Answered, isWaiting } from "./documents.ts";
import { bound, Field } from "./field.tsx";
import { ProofForm, type Wanted, withProof } from "./proof.tsx";
import type { SaleWatch } from "./sale-watch.ts";

export interface ChangeFormProps {
  readonly watch: SaleWatch;
  /** Unique on the page. */
  readonly id: string;
  readonly label: string;
  readonly hint: string;
  readonly verb: string;
  readonly method: "POST" | "PUT";
  readonly path: string;
  /** The figure's member of the body, or what is wrong with what was typed. */
  readonly read: (typed: string) => Readonly<Record<string, number>> | string;
  readonly onDone: () => void;
}

export function ChangeForm({ watch, id, label, hint, verb, method, path, read, onDone }: ChangeFormProps) {
  const figure = useSignal("");
  const reason = useSignal("");
  const problem = useSignal("");
  const isBusy = useSignal(false);
  const wanted: Wanted = useSignal(null);
  const send = async (body: unknown) => {
    const answer = await watch.api.call<Answered>(method, path, body);
    if (isWaiting(answer)) {
      watch.outcome.value = { tone: "good", text: "Somebody else has to approve this: it is among the approvals." };
    }
    await watch.reload();
    onDone();
  };
  const submit = async () => {
    if (isBusy.value) return;
    const parts = read(figure.value);
    problem.value = typeof parts === "string" ? parts : reason.value.trim() === "" ? NO_REASON : "";
    if (typeof parts === "string" || problem.value !== "") return;
    isBusy.value = true;
    try {
      await withProof(wanted, () => send({ ...parts, reason: reason.value.trim() }));
    } catch (error) {
      problem.value = textOf(error);
    }
    isBusy.value = false;
  };
  return (
    <>
      <form
        class="adjust"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Field id={`figure-${id}`} label={label} hint={hint} {...bound(figure)} />
        <Field id={`reason-${id}`} label="Reason" {...bound(reason)} />
        <button type="submit" class="button small primary" aria-disabled={isBusy.value}>
          {isBusy.value ? "One moment…" : verb}
        </button>
        <p class="small bad" role="alert">
          {problem}
        </p>
      </form>
      <ProofForm
        api={watch.api}
        wanted={wanted}
        onProblem={(text) => {
          problem.value = text;
        }}
      />
    </>
  );
}

const NO_REASON = "Please say why; the log keeps it.";
