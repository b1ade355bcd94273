/**
 * Asking for a fresh code where the server wants to be sure again who is sitting here, and then doing what was wanted.
 */
import { type Signal, useSignal } from "@preact/signals";
import { type AdminApi, AdminError, textOf } from "./admin-api.ts";

/** What waits for a code; null while nothing does. */
export type Wanted = Signal<(() => Promise<void>) | null>;

/** Does it; when the server asks for a proof, keeps it until the code was entered. Throws everything else. */
export async function withProof(wanted: Wanted, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof AdminError) || error.reason !== "proof_required") throw error;
    wanted.value = action;
  }
}

/** The form for the code; nothing while none is asked for. `onProblem` hears what became of the action itself. */
export function ProofForm({
  api,
  wanted,
  onProblem,
}: {
  api: AdminApi;
  wanted: Wanted;
  onProblem: (text: string) => void;
}) {
  const code = useSignal("");
  const problem = useSignal("");
  const submit = async () => {
    const action = wanted.value;
    if (action === null) return;
    try {
      await api.call("POST", "/step-up", { code: code.value.replace(/\s/g, "") });
    } catch (error) {
      problem.value = textOf(error);
      return;
    }
    wanted.value = null;
    code.value = "";
    problem.value = "";
    await action().catch((error: unknown) => onProblem(textOf(error)));
  };
  if (wanted.value === null) return null;
  return (
    <form
      class="card stack"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <div class="field">
        <label for="proof">It is a while since you proved who you are: the code your app shows now</label>
        <input
          id="proof"
          class="input"
          inputMode="numeric"
          autocomplete="one-time-code"
          value={code.value}
          onInput={(event) => {
            code.value = event.currentTarget.value;
          }}
        />
        <p class="small bad" role="alert">
          {problem}
        </p>
      </div>
      <button type="submit" class="button small primary">
        Go on
      </button>
    </form>
  );
}
