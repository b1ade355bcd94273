/**
 * Who may sign in, as what; taking power away at once, giving it when a second owner agrees.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { OPERATOR_ROLES, type OperatorRole } from "../../src/domain/operator-role.ts";
import { type AdminApi, textOf } from "./admin-api.ts";
import { type Answered, isWaiting, type Person } from "./documents.ts";
import { ProofForm, type Wanted, withProof } from "./proof.tsx";

interface PersonPatch {
  readonly role?: OperatorRole;
  readonly isActive?: boolean;
}

export function PeoplePage({ api }: { api: AdminApi }) {
  const people = useSignal<readonly Person[] | null>(null);
  const problem = useSignal("");
  const said = useSignal("");
  const wanted: Wanted = useSignal(null);
  const load = async () => {
    try {
      people.value = (await api.call<{ people: readonly Person[] }>("GET", "/people")).people;
    } catch (error) {
      problem.value = textOf(error);
    }
  };
  useEffect(() => void load(), [api]);
  const change = async (id: string, patch: PersonPatch) => {
    problem.value = "";
    said.value = "";
    try {
      await withProof(wanted, async () => {
        const answer = await api.call<Answered>("PATCH", `/people/${id}`, patch);
        if (isWaiting(answer)) said.value = "Another owner has to approve this; it is among the approvals.";
        await load();
      });
    } catch (error) {
      problem.value = textOf(error);
    }
  };
  return (
    <div class="stack">
      <h1 tabIndex={-1}>People</h1>
      <p class="soft">
        People are invited on the server: <code>doorbuster operator add NAME --role operator</code>
      </p>
      <ProofForm
        api={api}
        wanted={wanted}
        onProblem={(text) => {
          problem.value = text;
        }}
      />
      <p role="status">{said}</p>
      <p class="bad" role="alert">
        {problem}
      </p>
      {people.value === null && problem.value === "" && <p class="soft">Loading…</p>}
      {people.value?.length === 0 && <p class="soft">Nobody yet.</p>}
      <ul class="list">
        {people.value?.map((person) => (
          <PersonRow key={person.id} person={person} onChange={(patch) => void change(person.id, patch)} />
        ))}
      </ul>
    </div>
  );
}

function PersonRow({ person, onChange }: { person: Person; onChange: (patch: PersonPatch) => void }) {
  return (
    <li class="card row spread">
      <p>
        {person.name} {!person.isActive && <span class="chip warn">shut out</span>}
        {person.isActive && !person.isEnrolled && <span class="chip">invited</span>}
      </p>
      <div class="row">
        <select
          class="input"
          aria-label={`Role of ${person.name}`}
          value={person.role}
          onChange={(event) => {
            const role = OPERATOR_ROLES.find((one) => one === event.currentTarget.value);
            if (role !== undefined) onChange({ role });
          }}
        >
          {OPERATOR_ROLES.map((role) => (
            <option key={role} value={role}>
              {role}
            </option>
          ))}
        </select>
        <button
          type="button"
          class={`button small ${person.isActive ? "danger" : ""}`}
          onClick={() => onChange({ isActive: !person.isActive })}
        >
          {person.isActive ? "Shut out" : "Let in again"}
          <span class="hidden"> {person.name}</span>
        </button>
      </div>
    </li>
  );
}
