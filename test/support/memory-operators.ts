/**
 * People, log and approvals in memory, for tests of what stands in front of them. The suites of test/conformance say what
 * the real ones promise.
 */
import { FIRST_PREVIOUS, hashOfEntry, type LogEntry } from "../../src/domain/operator-log.ts";
import type { OperatorsParts } from "../../src/http/operator/dependencies.ts";
import type { Approval, ApprovalStore } from "../../src/ports/approval-store.ts";
import type { OperatorLog } from "../../src/ports/operator-log.ts";
import type { Invitation, OperatorStore, Person } from "../../src/ports/operator-store.ts";
import type { ManualClock } from "./manual-clock.ts";

interface KeptPerson {
  person: Person;
  passwordHash: string | null;
  totpSealed: string | null;
  totpStep: number;
  invitation: Invitation | null;
}

interface KeptSession {
  personId: string;
  seenAt: number;
  provenAt: number;
  readonly expiresAt: number;
}

export interface MemoryOperators extends OperatorsParts {
  readonly kept: Map<string, KeptPerson>;
  readonly sessions: Map<string, KeptSession>;
  readonly entries: LogEntry[];
  readonly requests: Map<string, Approval>;
  /** Thrown by the next appends to the log. */
  logFault: Error | null;
}

const SEAL_KEY = new Uint8Array(32).fill(7);

export function memoryOperators(clock: ManualClock): MemoryOperators {
  const kept = new Map<string, KeptPerson>();
  const sessions = new Map<string, KeptSession>();
  const entries: LogEntry[] = [];
  const requests = new Map<string, Approval>();
  const operators: MemoryOperators = {
    kept,
    sessions,
    entries,
    requests,
    logFault: null,
    people: peopleOf(kept, sessions, clock),
    operatorLog: logOf(entries, clock, () => operators.logFault),
    approvals: approvalsOf(requests, kept),
    sealKeys: { current: SEAL_KEY, previous: null },
    provider: null,
    ownOrigin: null,
  };
  return operators;
}

function peopleOf(
  kept: Map<string, KeptPerson>,
  sessions: Map<string, KeptSession>,
  clock: ManualClock,
): OperatorStore {
  const find = (test: (one: KeptPerson) => boolean): KeptPerson | null => [...kept.values()].find(test) ?? null;
  const endSessions = (personId: string): void => {
    for (const [key, session] of sessions) if (session.personId === personId) sessions.delete(key);
  };
  const isInvited = (one: KeptPerson, hash: string, nowMs: number): boolean =>
    one.invitation?.hash === hash && one.invitation.expiresAt > nowMs && one.person.isActive;
  return {
    addPerson: async ({ id, name, role, externalId, invitation }) => {
      const isTaken = (one: KeptPerson): boolean =>
        one.person.name.toLowerCase() === name.toLowerCase() ||
        (externalId !== null && one.person.externalId === externalId);
      if (find(isTaken) !== null) return "taken";
      const isEnrolled = externalId !== null;
      const person = { id, name, role, externalId, isActive: true, isEnrolled, createdAt: clock.nowMs() };
      const totpSealed = invitation?.totpSealed ?? null;
      kept.set(id, { person, passwordHash: null, totpSealed, totpStep: 0, invitation });
      return person;
    },
    listPeople: async () => [...kept.values()].map(({ person }) => person),
    findPerson: async (id) => kept.get(id)?.person ?? null,
    findCredentials: async (name) => find(({ person }) => person.name.toLowerCase() === name.toLowerCase()),
    findCredentialsOf: async (id) => kept.get(id) ?? null,
    findExternal: async (externalId) => find(({ person }) => person.externalId === externalId)?.person ?? null,
    changePerson: async ({ id, role, isActive }) => {
      const one = kept.get(id);
      if (one === undefined) return null;
      one.person = { ...one.person, role: role ?? one.person.role, isActive: isActive ?? one.person.isActive };
      if (isActive === false) {
        endSessions(id);
        one.invitation = null;
      }
      return one.person;
    },
    findInvitation: async (hash, nowMs) => find((one) => isInvited(one, hash, nowMs)),
    invite: async (id, invitation) => {
      const one = kept.get(id);
      if (one === undefined || one.person.externalId !== null) return false;
      one.person = { ...one.person, isEnrolled: false };
      kept.set(id, { ...one, passwordHash: null, totpSealed: invitation.totpSealed, totpStep: 0, invitation });
      endSessions(id);
      return true;
    },
    enrol: async ({ invitationHash, passwordHash, totpStep, nowMs }) => {
      const one = find((candidate) => isInvited(candidate, invitationHash, nowMs));
      if (one === null) return null;
      const person = { ...one.person, isEnrolled: true };
      kept.set(person.id, { ...one, person, passwordHash, totpStep, invitation: null });
      return person;
    },
    claimTotpStep: async (id, step) => {
      const one = kept.get(id);
      if (one === undefined || one.totpStep >= step) return false;
      one.totpStep = step;
      return true;
    },
    resealTotp: async (id, totpSealed) => {
      const one = kept.get(id);
      if (one !== undefined) one.totpSealed = totpSealed;
    },
    openSession: async ({ tokenHash, personId, nowMs, expiresAt }) => {
      sessions.set(tokenHash, { personId, seenAt: nowMs, provenAt: nowMs, expiresAt });
    },
    findSession: async ({ tokenHash, nowMs, idleMsMax, isUse }) => {
      const session = sessions.get(tokenHash);
      const person = kept.get(session?.personId ?? "")?.person;
      if (session === undefined || person === undefined || !person.isActive) return null;
      if (session.expiresAt <= nowMs || session.seenAt <= nowMs - idleMsMax) return null;
      if (isUse) session.seenAt = nowMs;
      return { person, provenAt: session.provenAt, expiresAt: session.expiresAt };
    },
    proveSession: async (tokenHash, nowMs) => {
      const session = sessions.get(tokenHash);
      if (session !== undefined) session.provenAt = nowMs;
    },
    endSession: async (tokenHash) => void sessions.delete(tokenHash),
  };
}

function logOf(entries: LogEntry[], clock: ManualClock, fault: () => Error | null): OperatorLog {
  const head = () => ({ seq: entries.length, hash: entries.at(-1)?.hash ?? FIRST_PREVIOUS });
  return {
    append: async (entry) => {
      const error = fault();
      if (error !== null) throw error;
      const { seq, hash: previous } = head();
      const facts = { seq: seq + 1, at: clock.nowMs(), entry, previous };
      entries.push({ ...facts, hash: hashOfEntry(facts) });
      return head();
    },
    read: async ({ afterSeq, rowsMax }) => entries.filter(({ seq }) => seq > afterSeq).slice(0, rowsMax),
    head: async () => head(),
  };
}

function approvalsOf(requests: Map<string, Approval>, kept: Map<string, KeptPerson>): ApprovalStore {
  const named = (id: string) => ({ id, name: kept.get(id)?.person.name ?? "" });
  return {
    request: async ({ nowMs, requestedBy, ...call }) => {
      const open = { state: "waiting" as const, decidedBy: null, decidedAt: null, outcome: null };
      const made: Approval = { ...call, ...open, requestedBy: named(requestedBy), requestedAt: nowMs };
      requests.set(made.id, made);
      return made;
    },
    list: async ({ rowsMax }) => [...requests.values()].reverse().slice(0, rowsMax),
    find: async (id) => requests.get(id) ?? null,
    decide: async ({ id, by, state, nowMs }) => {
      const one = requests.get(id);
      if (one === undefined || one.state !== "waiting") return false;
      if ((one.requestedBy.id === by) !== (state === "withdrawn")) return false;
      if (state !== "withdrawn" && one.expiresAt <= nowMs) return false;
      requests.set(id, { ...one, state, decidedBy: named(by), decidedAt: nowMs });
      return true;
    },
    finish: async (id, outcome) => {
      const one = requests.get(id);
      if (one !== undefined && one.outcome === null) requests.set(id, { ...one, outcome });
    },
  };
}
