/**
 * Taking up an invitation: a password of one's own, and an app that shows codes from now on.
 *
 * The invitation is in the address's fragment, which browsers send to nobody, and leaves it when it is used.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { AdminApi, AdminError, textOf } from "./admin-api.ts";
import { type Actor, signInAs } from "./console-state.ts";

interface Offer {
  readonly name: string;
  readonly role: string;
  readonly secret: string;
  readonly uri: string;
}

const anybody = new AdminApi({ token: null, onUnauthorized: () => undefined });
const GONE = "This invitation is not good any more: it was used, has run out, or was replaced. Ask for another one.";

export function JoinPage({ invitation }: { invitation: string }) {
  const offer = useSignal<Offer | null>(null);
  const problem = useSignal("");
  const isBusy = useSignal(false);
  useEffect(() => {
    anybody.call<Offer>("POST", "/enrolment", { invitation }).then(
      (answer) => {
        offer.value = answer;
      },
      (error: unknown) => {
        problem.value = wordsOf(error);
      },
    );
  }, [invitation]);
  const submit = async (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    if (isBusy.value) return;
    const fields = new FormData(event.currentTarget);
    const body = { invitation, password: String(fields.get("password")), code: String(fields.get("code")).trim() };
    isBusy.value = true;
    try {
      signInAs(await anybody.call<Actor>("POST", "/enrolment/complete", body));
      location.replace("#/");
    } catch (error) {
      problem.value = wordsOf(error);
    }
    isBusy.value = false;
  };
  return (
    <form class="card stack sign-in" onSubmit={(event) => void submit(event)}>
      <h1 tabIndex={-1}>Welcome</h1>
      {offer.value !== null && (
        <>
          <p>
            You are invited as <strong>{offer.value.name}</strong> with the role <strong>{offer.value.role}</strong>.
          </p>
          <p>
            1. Enter this secret into your authenticator app, or <a href={offer.value.uri}>open it there</a>:
          </p>
          <p class="mono secret">{offer.value.secret.match(/.{1,4}/g)?.join(" ")}</p>
          <div class="field">
            <label for="code">2. The code the app shows now</label>
            <input id="code" name="code" class="input" inputMode="numeric" autocomplete="one-time-code" />
          </div>
          <div class="field">
            <label for="password">3. A password of your own</label>
            <input id="password" name="password" type="password" class="input" autocomplete="new-password" />
            <p class="small soft">At least 12 characters; several words are good.</p>
          </div>
        </>
      )}
      <p class="small bad" role="alert">
        {problem}
      </p>
      {offer.value !== null && (
        <button type="submit" class="button primary" aria-disabled={isBusy.value}>
          {isBusy.value ? "One moment…" : "Join"}
        </button>
      )}
    </form>
  );
}

function wordsOf(error: unknown): string {
  return error instanceof AdminError && error.reason === "sign_in_failed" ? GONE : textOf(error);
}
