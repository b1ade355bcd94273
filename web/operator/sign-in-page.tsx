/**
 * Signing in with the operator token: it is tried before it is kept, so a typing mistake is told here and now.
 */
import { useSignal } from "@preact/signals";
import { AdminApi, AdminError, textOf } from "./admin-api.ts";
import { farewell, signIn } from "./console-state.ts";

export function SignInPage() {
  const problem = useSignal(farewell.value);
  const isBusy = useSignal(false);
  const submit = async (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const token = String(new FormData(event.currentTarget).get("token")).trim();
    if (isBusy.value) return;
    if (token === "") {
      problem.value = "Please enter the token.";
      return;
    }
    isBusy.value = true;
    try {
      await new AdminApi({ token, onUnauthorized: () => undefined }).call("GET", "/sales");
      signIn(token);
    } catch (error) {
      const isWrong = error instanceof AdminError && error.reason === "unauthorized";
      problem.value = isWrong ? "That is not this node's token." : textOf(error);
    }
    isBusy.value = false;
  };
  return (
    <form class="card stack sign-in" onSubmit={(event) => void submit(event)}>
      <h1>Operator console</h1>
      <p class="soft">
        Sign in with the operator token: the value of <code>ADMIN_TOKEN</code>, or the one the node printed when it
        started.
      </p>
      <div class="field">
        <label for="token">Token</label>
        <input
          id="token"
          name="token"
          type="password"
          class="input"
          autocomplete="current-password"
          spellcheck={false}
          aria-invalid={problem.value !== ""}
          aria-describedby="token-problem"
        />
        <p id="token-problem" class="small bad" role="alert">
          {problem}
        </p>
      </div>
      <button type="submit" class="button primary" aria-disabled={isBusy.value}>
        {isBusy.value ? "Signing in…" : "Sign in"}
      </button>
      <p class="small soft">The token stays in this tab and is forgotten when you close it.</p>
    </form>
  );
}
