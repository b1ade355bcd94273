/**
 * The shop's addresses that are told about reservations: named and taken away by owners, seen by operators.
 *
 * A secret is shown once, when its address is named; the page forgets it with the next change. Where messages may go is
 * the server's judgement, which stands at the field.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type AdminApi, AdminError, textOf } from "./admin-api.ts";
import { bound, Field } from "./field.tsx";
import { formatMoment } from "./words.ts";

interface Webhook {
  readonly id: string;
  readonly url: string;
  readonly createdAt: number;
  readonly failuresInRow: number;
  readonly lastFailure: string | null;
  readonly deliveredAt: number | null;
}

interface NamedWebhook extends Webhook {
  readonly signingSecret: string;
}

/** `canChange`: whether the person may name and remove addresses. */
export function WebhooksPage({ api, canChange }: { api: AdminApi; canChange: boolean }) {
  const webhooks = useSignal<readonly Webhook[] | null>(null);
  const named = useSignal<NamedWebhook | null>(null);
  const problem = useSignal("");
  const load = async () => {
    try {
      webhooks.value = (await api.call<{ webhooks: readonly Webhook[] }>("GET", "/webhooks")).webhooks;
      problem.value = "";
    } catch (error) {
      problem.value = textOf(error);
    }
  };
  const remove = async (id: string) => {
    try {
      await api.call("DELETE", `/webhooks/${id}`);
    } catch (error) {
      problem.value = textOf(error);
      return;
    }
    named.value = null;
    await load();
  };
  useEffect(() => void load(), [api]);
  return (
    <div class="stack">
      <h1 tabIndex={-1}>Webhooks</h1>
      {canChange && (
        <WebhookForm
          api={api}
          onNamed={(made) => {
            named.value = made;
            void load();
          }}
        />
      )}
      <div role="status">
        {named.value !== null && (
          <p class="card">
            The secret of {named.value.url}, shown this once: <span class="mono">{named.value.signingSecret}</span>
          </p>
        )}
      </div>
      <p class="bad" role="alert">
        {problem}
      </p>
      {webhooks.value === null && problem.value === "" && <p class="soft">Loading…</p>}
      {webhooks.value?.length === 0 && <p class="soft">Nobody is told about reservations.</p>}
      <ul class="list">
        {webhooks.value?.map((webhook) => (
          <li key={webhook.id} class="card row spread">
            <div>
              <p class="mono">{webhook.url}</p>
              <p class="small soft">
                since {formatMoment(webhook.createdAt)} · {stateOf(webhook)}
              </p>
            </div>
            {canChange && (
              <button type="button" class="button small" onClick={() => void remove(webhook.id)}>
                Remove<span class="hidden"> {webhook.url}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}

function WebhookForm({ api, onNamed }: { api: AdminApi; onNamed: (made: NamedWebhook) => void }) {
  const url = useSignal("");
  const error = useSignal("");
  const name = async () => {
    try {
      const made = await api.call<NamedWebhook>("POST", "/webhooks", { url: url.value.trim() });
      url.value = "";
      error.value = "";
      onNamed(made);
    } catch (cause) {
      const [field] = cause instanceof AdminError ? cause.errors : [];
      error.value = field?.text ?? textOf(cause);
    }
  };
  return (
    <form
      class="card stack"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void name();
      }}
    >
      <Field id="url" label="Address" hint="Of the shop, https." {...bound(url)} error={error.value || undefined} />
      <div class="row">
        <button type="submit" class="button">
          Tell this address
        </button>
      </div>
    </form>
  );
}

function stateOf({ failuresInRow, lastFailure, deliveredAt }: Webhook): string {
  if (failuresInRow > 0) return `failed ${failuresInRow} times in a row: ${lastFailure ?? "no reason is known"}`;
  return deliveredAt === null ? "nothing was told yet" : `last told ${formatMoment(deliveredAt)}`;
}
