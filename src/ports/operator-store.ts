/**
 * Port: people who operate, and their sessions.
 *
 * Promises: each call is one transaction. What may be used once (an invitation, a code's time step) is used by one call
 * only, whoever else tries at the same moment on whatever node. A person who is not active has no session: `findSession`
 * reads role and activity each time, so a change holds from the next request on. Does not hash, seal or judge: callers
 * hand in hashes of secrets, never the secrets. Times are the caller's clock, in milliseconds since the epoch.
 */
import type { OperatorRole } from "../domain/operator-role.ts";

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly role: OperatorRole;
  readonly isActive: boolean;
  /** Who he is at the identity provider; null for those with a password of ours. */
  readonly externalId: string | null;
  /** False until an invitation was taken up. True for those of the identity provider. */
  readonly isEnrolled: boolean;
  readonly createdAt: number;
}

/** A person with what his sign-in is checked against. */
export interface Credentials {
  readonly person: Person;
  readonly passwordHash: string | null;
  /** The sealed secret of his one-time codes. */
  readonly totpSealed: string | null;
}

export interface Invitation {
  readonly hash: string;
  readonly expiresAt: number;
  readonly totpSealed: string;
}

/** A session as its holder's next request finds it. */
export interface OperatorSession {
  readonly person: Person;
  readonly provenAt: number;
  readonly expiresAt: number;
}

export interface OperatorStore {
  /** "taken" when somebody has the name (in whatever case) or the external id. */
  addPerson(person: {
    id: string;
    name: string;
    role: OperatorRole;
    externalId: string | null;
    invitation: Invitation | null;
  }): Promise<Person | "taken">;
  /** By name. */
  listPeople(): Promise<readonly Person[]>;
  findPerson(id: string): Promise<Person | null>;
  /** By name in whatever case. */
  findCredentials(name: string): Promise<Credentials | null>;
  /** By id. */
  findCredentialsOf(id: string): Promise<Credentials | null>;
  findExternal(externalId: string): Promise<Person | null>;
  /** Absent members stay. Taking activity away ends all sessions and the invitation. Null when there is no such person. */
  changePerson(change: {
    id: string;
    role?: OperatorRole | undefined;
    isActive?: boolean | undefined;
  }): Promise<Person | null>;

  /** Whose invitation it is, while it lasts. */
  findInvitation(hash: string, nowMs: number): Promise<Credentials | null>;
  /** Replaces password, codes and sessions by an invitation. False for unknown people and those of the provider. */
  invite(id: string, invitation: Invitation): Promise<boolean>;
  /** Uses the invitation up. Null when it is gone. */
  enrol(enrolment: {
    invitationHash: string;
    passwordHash: string;
    totpStep: number;
    nowMs: number;
  }): Promise<Person | null>;

  /** True for the first to use this step or a later one; false for a code that was used. */
  claimTotpStep(id: string, step: number): Promise<boolean>;
  /** Seals the codes' secret anew, after the key changed. */
  resealTotp(id: string, totpSealed: string): Promise<void>;

  openSession(session: { tokenHash: string; personId: string; nowMs: number; expiresAt: number }): Promise<void>;
  /**
   * Null when there is none, it is over, was idle for longer than `idleMsMax`, or its owner is not active. `isUse`: somebody
   * is using it now, as opposed to a stream that is merely open.
   */
  findSession(request: {
    tokenHash: string;
    nowMs: number;
    idleMsMax: number;
    isUse: boolean;
  }): Promise<OperatorSession | null>;
  /** Its owner has just proven himself again. */
  proveSession(tokenHash: string, nowMs: number): Promise<void>;
  endSession(tokenHash: string): Promise<void>;
}
