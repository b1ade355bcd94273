/**
 * Changes that wait for a second person: what was asked, by whom, and deciding about it.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type AdminApi, textOf } from "./admin-api.ts";
import { actor, maySteer } from "./console-state.ts";
import type { Approval } from "./documents.ts";
import { ProofForm, type Wanted, withProof } from "./proof.tsx";
import { describeRequest } from "./request-words.ts";
import { formatMoment } from "./words.ts";

const REFRESH_MS = 10_000;

export function ApprovalsPage({ api }: { api: AdminApi }) {
  const approvals = useSignal<readonly Approval[] | null>(null);
  const serverNow = useSignal(0);
  const problem = useSignal("");
  const trouble = useSignal("");
  const wanted: Wanted = useSignal(null);
  const load = async () => {
    try {
      const answer = await api.call<{ approvals: readonly Approval[]; serverNow: number }>("GET", "/approvals");
      approvals.value = answer.approvals;
      serverNow.value = answer.serverNow;
      trouble.value = "";
    } catch (error) {
      trouble.value = textOf(error);
    }
  };
  useEffect(() => {
    void load();
    const timer = setInterval(() => void load(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [api]);
  const decide = async (approval: Approval, command: "approve" | "reject" | "withdraw") => {
    problem.value = "";
    const body = command === "approve" ? { digest: approval.digest } : {};
    try {
      await withProof(wanted, async () => {
        await api.call("POST", `/approvals/${approval.id}/${command}`, body);
        await load();
      });
    } catch (error) {
      problem.value = textOf(error);
      await load();
    }
  };
  return (
    <div class="stack">
      <h1 tabIndex={-1}>Approvals</h1>
      <p class="soft">Stock and prices of a running sale, and power over it, change when two people say so.</p>
      <ProofForm
        api={api}
        wanted={wanted}
        onProblem={(text) => {
          problem.value = text;
        }}
      />
      <p class="bad" role="alert">
        {problem} {trouble}
      </p>
      {approvals.value === null && trouble.value === "" && <p class="soft">Loading…</p>}
      {approvals.value?.length === 0 && <p class="soft">Nothing was asked for.</p>}
      <ul class="list">
        {approvals.value?.map((approval) => (
          <Request key={approval.id} approval={approval} now={serverNow.value} onDecide={decide} />
        ))}
      </ul>
    </div>
  );
}

interface RequestProps {
  readonly approval: Approval;
  readonly now: number;
  readonly onDecide: (approval: Approval, command: "approve" | "reject" | "withdraw") => Promise<void>;
}

function Request({ approval, now, onDecide }: RequestProps) {
  const me = actor.value;
  const isMine = me?.kind === "person" && me.id === approval.requestedBy.id;
  const isOpen = approval.state === "waiting" && approval.expiresAt > now;
  const button = (command: "approve" | "reject" | "withdraw", text: string, tone: string) => (
    <button type="button" class={`button small ${tone}`} onClick={() => void onDecide(approval, command)}>
      {text}
    </button>
  );
  return (
    <li class="card row spread">
      <div>
        <p>{describeRequest(approval)}</p>
        <p class="small soft">
          {approval.requestedBy.name}, {formatMoment(approval.requestedAt)} · {standingOf(approval, isOpen)}
        </p>
      </div>
      {isOpen && me?.kind === "person" && maySteer.value && (
        <div class="row">
          {isMine ? button("withdraw", "Withdraw", "quiet") : button("approve", "Approve", "primary")}
          {!isMine && button("reject", "Reject", "danger")}
        </div>
      )}
    </li>
  );
}

function standingOf({ state, decidedBy, outcome, expiresAt }: Approval, isOpen: boolean): string {
  if (state === "waiting") return isOpen ? `waits until ${formatMoment(expiresAt)}` : "ran out";
  const by = `${state} by ${decidedBy?.name ?? "somebody"}`;
  if (state !== "approved") return by;
  if (outcome === null) return `${by}; whether it was done is not known, see the log`;
  return outcome < 300 ? `${by} and done` : `${by}, but it could not be done (${outcome})`;
}
