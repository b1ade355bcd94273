/**
 * Signing in: as a person with name, password and code, at the identity provider, or with the machine's token.
 *
 * Whatever is entered is tried before it is kept, so a typing mistake is told here and now.
 */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { AdminApi, AdminError, textOf } from "./admin-api.ts";
import { type Actor, farewell, signIn, signInAs, ways } from "./console-state.ts";

export function SignInPage() {
  const prefersToken = useSignal<boolean | null>(null);
  const known = ways.value;
  if (known === null) return <p class="soft">Loading…</p>;
  const isToken = prefersToken.value ?? !(known.people || known.provider);
  return (
    <div class="stack sign-in">
      {isToken ? <TokenForm /> : <PersonForm hasPasswords={known.people} hasProvider={known.provider} />}
      {(known.people || known.provider) && (
        <button
          type="button"
          class="button small quiet"
          onClick={() => {
            prefersToken.value = !isToken;
          }}
        >
          {isToken ? "As a person instead" : "With the machine's token instead"}
        </button>
      )}
    </div>
  );
}

interface TryProps {
  readonly attempt: (fields: FormData) => Promise<string>;
  readonly intro: ComponentChildren;
  readonly children: ComponentChildren;
}

/** A form that is tried once at a time; `attempt` answers what is wrong, or nothing. */
function TryForm({ attempt, intro, children }: TryProps) {
  const problem = useSignal(farewell.value);
  const isBusy = useSignal(false);
  const submit = async (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    if (isBusy.value) return;
    isBusy.value = true;
    problem.value = await attempt(new FormData(event.currentTarget));
    isBusy.value = false;
  };
  return (
    <form class="card stack" onSubmit={(event) => void submit(event)}>
      <h1>Operator console</h1>
      {intro}
      {children}
      <p id="sign-in-problem" class="small bad" role="alert">
        {problem}
      </p>
      <button type="submit" class="button primary" aria-disabled={isBusy.value}>
        {isBusy.value ? "Signing in…" : "Sign in"}
      </button>
    </form>
  );
}

interface EntryProps {
  readonly id: string;
  readonly label: string;
  readonly isSecret?: boolean;
  readonly autocomplete: "username" | "current-password" | "one-time-code";
  readonly inputMode?: "numeric";
}

function Entry({ id, label, isSecret, autocomplete, inputMode }: EntryProps) {
  const shared = {
    id,
    name: id,
    class: "input",
    autocomplete,
    spellcheck: false,
    "aria-describedby": "sign-in-problem",
    ...(inputMode === undefined ? {} : { inputMode }),
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {isSecret === true ? <input {...shared} type="password" /> : <input {...shared} type="text" />}
    </div>
  );
}

function TokenForm() {
  const attempt = async (fields: FormData): Promise<string> => {
    const token = String(fields.get("token")).trim();
    if (token === "") return "Please enter the token.";
    try {
      await new AdminApi({ token, onUnauthorized: () => undefined }).call("GET", "/sales");
      signIn(token);
      return "";
    } catch (error) {
      const isWrong = error instanceof AdminError && error.reason === "unauthorized";
      return isWrong ? "That is not this node's token." : textOf(error);
    }
  };
  const intro = (
    <p class="soft">
      Sign in with the operator token: the value of <code>ADMIN_TOKEN</code>, or the one the node printed when it
      started. It stays in this tab and is forgotten when you close it.
    </p>
  );
  return (
    <TryForm attempt={attempt} intro={intro}>
      <Entry id="token" label="Token" isSecret autocomplete="current-password" />
    </TryForm>
  );
}

function PersonForm({ hasPasswords, hasProvider }: { hasPasswords: boolean; hasProvider: boolean }) {
  const attempt = async (fields: FormData): Promise<string> => {
    const text = (name: string): string => String(fields.get(name));
    const claim = { name: text("name").trim(), password: text("password"), code: text("code").replace(/\s/g, "") };
    try {
      signInAs(
        await new AdminApi({ token: null, onUnauthorized: () => undefined }).call<Actor>("POST", "/sign-in", claim),
      );
      return "";
    } catch (error) {
      const isWrong = error instanceof AdminError && error.reason === "sign_in_failed";
      return isWrong ? "Name, password or code is wrong, or the code was used before." : textOf(error);
    }
  };
  const provider = hasProvider && (
    <a class="button" href="/v1/admin/oidc/start">
      Sign in at the identity provider
    </a>
  );
  if (!hasPasswords) {
    return (
      <div class="card stack">
        <h1>Operator console</h1>
        <p class="bad" role="alert">
          {farewell}
        </p>
        {provider}
      </div>
    );
  }
  return (
    <TryForm attempt={attempt} intro={provider}>
      <Entry id="name" label="Name" autocomplete="username" />
      <Entry id="password" label="Password" isSecret autocomplete="current-password" />
      <Entry id="code" label="Code from your app" autocomplete="one-time-code" inputMode="numeric" />
    </TryForm>
  );
}
