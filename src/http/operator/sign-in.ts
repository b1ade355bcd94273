/**
 * What signing in means, apart from HTTP: checking a name, a password and a code, and making sessions and invitations.
 *
 * Whoever is not let in hears the same and waits as long, whether the name, the password or the code was wrong, the person
 * is not active or does not exist. A code counts once. Secrets are handed out once and kept as hashes or sealed.
 */
import { hash } from "node:crypto";
import type { Clock } from "../../ports/clock.ts";
import type { Credentials, Invitation, OperatorStore, Person } from "../../ports/operator-store.ts";
import type { Random } from "../../ports/random.ts";
import { hashOfToken } from "./actor.ts";
import { Passwords, weaknessOf } from "./password.ts";
import { Seal, type SealKeys } from "./seal.ts";
import { codeUri, matchCode, toBase32 } from "./totp.ts";

/** A working day. */
export const SESSION_MS_MAX = 12 * 3_600_000;
const INVITATION_MS_MAX = 24 * 3_600_000;
/** As long as the digest it is used with (RFC 4226, 4). */
const CODE_SECRET_BYTES = 20;

/** An invitation to be handed to its owner, and what is kept of it. */
export interface MadeInvitation {
  readonly token: string;
  readonly kept: Invitation;
}

/** What whoever takes up an invitation enters into his authenticator app. */
export interface EnrolmentOffer {
  readonly name: string;
  readonly role: string;
  readonly secret: string;
  readonly uri: string;
}

export interface SignInParts {
  readonly people: OperatorStore;
  readonly sealKeys: SealKeys;
  readonly clock: Clock;
  readonly random: Random;
}

export class SignIn {
  readonly #people: OperatorStore;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #seal: Seal;
  readonly #passwords: Passwords;

  constructor(parts: SignInParts) {
    this.#people = parts.people;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#seal = new Seal(parts.sealKeys, parts.random);
    this.#passwords = new Passwords(parts.random);
  }

  /**
   * The person, or null; and whose name it was, for the log: what is typed as a name may be a password. Throws PasswordsBusy.
   */
  async check(claim: {
    name: string;
    password: string;
    code: string;
  }): Promise<{ readonly person: Person | null; readonly knownName: string | null }> {
    const credentials = await this.#people.findCredentials(claim.name);
    const isPassword = await this.#passwords.verify(claim.password, credentials?.passwordHash ?? null);
    if (credentials === null) return { person: null, knownName: null };
    const { person } = credentials;
    const isIn = isPassword && person.isActive && (await this.#useCode(credentials, claim.code));
    return { person: isIn ? person : null, knownName: person.name };
  }

  /** Whether this is a fresh code of the person's; it is used up. */
  async checkCode(personId: string, code: string): Promise<boolean> {
    const credentials = await this.#people.findCredentialsOf(personId);
    return credentials !== null && credentials.passwordHash !== null && (await this.#useCode(credentials, code));
  }

  /** Opens a session; answers its token and how long it lasts. */
  async openSession(person: Person): Promise<{ readonly token: string; readonly maxAgeS: number }> {
    const token = this.#newToken();
    const nowMs = this.#clock.nowMs();
    const expiresAt = nowMs + SESSION_MS_MAX;
    await this.#people.openSession({ tokenHash: hashOfToken(token), personId: person.id, nowMs, expiresAt });
    return { token, maxAgeS: SESSION_MS_MAX / 1_000 };
  }

  /** A fresh invitation for a person. */
  newInvitation(personId: string): MadeInvitation {
    const token = this.#newToken();
    const secret = hash("sha256", this.#newToken(), "buffer").subarray(0, CODE_SECRET_BYTES);
    const totpSealed = this.#seal.seal(secret.toString("base64url"), purposeOf(personId));
    const expiresAt = this.#clock.nowMs() + INVITATION_MS_MAX;
    return { token, kept: { hash: hashOfToken(token), expiresAt, totpSealed } };
  }

  /** What an invitation offers, or null when it is none. */
  async readInvitation(token: string): Promise<EnrolmentOffer | null> {
    const invited = await this.#people.findInvitation(hashOfToken(token), this.#clock.nowMs());
    const secret = invited === null ? null : this.#codeSecretOf(invited);
    if (invited === null || secret === null) return null;
    const { name, role } = invited.person;
    return { name, role, secret: toBase32(secret.bytes), uri: codeUri({ name, secret: secret.bytes }) };
  }

  /** Takes an invitation up: the person, or what was wrong. Throws PasswordsBusy. */
  async enrol(enrolment: {
    invitation: string;
    password: string;
    code: string;
  }): Promise<Person | { readonly wrong: "invitation" | "password" | "code"; readonly text: string }> {
    const nowMs = this.#clock.nowMs();
    const invitationHash = hashOfToken(enrolment.invitation);
    const invited = await this.#people.findInvitation(invitationHash, nowMs);
    const secret = invited === null ? null : this.#codeSecretOf(invited);
    if (invited === null || secret === null) return { wrong: "invitation", text: GONE };
    const weakness = weaknessOf(enrolment.password, invited.person.name);
    if (weakness !== null) return { wrong: "password", text: weakness };
    const totpStep = matchCode(secret.bytes, enrolment.code, nowMs);
    if (totpStep === null) return { wrong: "code", text: "is not the one your app shows now" };
    const passwordHash = await this.#passwords.hash(enrolment.password);
    const person = await this.#people.enrol({ invitationHash, passwordHash, totpStep, nowMs });
    return person ?? { wrong: "invitation", text: GONE };
  }

  /** Text for a cookie that only we can read. */
  sealFlow(text: string): string {
    return this.#seal.seal(text, FLOW_PURPOSE);
  }

  openFlow(sealed: string): string | null {
    return this.#seal.open(sealed, FLOW_PURPOSE)?.text ?? null;
  }

  async #useCode(credentials: Credentials, code: string): Promise<boolean> {
    const secret = this.#codeSecretOf(credentials);
    const step = secret === null ? null : matchCode(secret.bytes, code, this.#clock.nowMs());
    if (secret === null || step === null) return false;
    const { id } = credentials.person;
    if (!(await this.#people.claimTotpStep(id, step))) return false;
    if (!secret.isCurrent) await this.#people.resealTotp(id, this.#seal.seal(secret.text, purposeOf(id)));
    return true;
  }

  #codeSecretOf(
    credentials: Credentials,
  ): { readonly bytes: Uint8Array; readonly text: string; readonly isCurrent: boolean } | null {
    const { person, totpSealed } = credentials;
    const opened = totpSealed === null ? null : this.#seal.open(totpSealed, purposeOf(person.id));
    return opened === null ? null : { ...opened, bytes: Buffer.from(opened.text, "base64url") };
  }

  #newToken(): string {
    return `${this.#random.id()}${this.#random.id()}`;
  }
}

const GONE = "is not good any more: it was used, has run out, or was replaced";
const FLOW_PURPOSE = "operator sign-in";

function purposeOf(personId: string): string {
  return `operator code ${personId}`;
}
