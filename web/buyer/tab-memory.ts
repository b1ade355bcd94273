/**
 * What a tab remembers across a reload and the way to the payment page and back: the session, attempts whose outcome was
 * still open, and the challenges that were solved.
 *
 * All of it is in sessionStorage, the signing key too. Memory alone would lose the buyer's place at the first reload,
 * because the server hands the key out once; localStorage would leave a bearer of money on disk and in every later tab.
 * A script in the page could read either, and against that stands the Content-Security-Policy, not the place.
 *
 * So a guest who closes the tab loses sight of what is his. localStorage would give it to whoever sits at the computer next,
 * and a link with the session in it to whoever sees the history; it would also let a stranger send his own session and have
 * somebody else pay in it. Instead the page says so (guest-note.tsx), offers number and receipt to copy, which prove and
 * open nothing, and asks before it is closed while something is unpaid (leaving.ts).
 */
import type { Clearance, StoredSession } from "../../client/contract.ts";
import type { ArmedAttempt } from "../../client/passes.ts";

const SESSION = "doorbuster.session";
const ATTEMPT = "doorbuster.attempt.";
const CLEARANCE = "doorbuster.clearance.";
const RECEIPT = "doorbuster.receipt.";
const ARMED = "doorbuster.armed.";

/** An attempt that may have been accepted: asked again with the same key after a reload. */
export interface OpenAttempt {
  readonly key: string;
  readonly quantity: number;
}

/** The session of this tab while it lasts at least until `now`. */
export function recallSession(now: number): StoredSession | null {
  const session = read<StoredSession>(SESSION);
  return session !== null && session.expiresAt > now ? session : null;
}

/** Null forgets it. */
export function rememberSession(session: StoredSession | null): void {
  write(SESSION, session);
}

export function recallAttempt(item: string): OpenAttempt | null {
  return read<OpenAttempt>(ATTEMPT + item);
}

/** Null = its outcome is known. */
export function rememberAttempt(item: string, attempt: OpenAttempt | null): void {
  write(ATTEMPT + item, attempt);
}

/** A clearance and the token of the session that earned it. */
export interface EarnedClearance {
  readonly clearance: Clearance;
  readonly session: string;
}

export function recallClearance(saleId: string): EarnedClearance | null {
  return read<EarnedClearance>(CLEARANCE + saleId);
}

export function rememberClearance(saleId: string, earned: EarnedClearance): void {
  write(CLEARANCE + saleId, earned);
}

/** The server's signed statement of an acceptance; null when this tab did not make the attempt. */
export function recallReceipt(rid: string): string | null {
  return read<string>(RECEIPT + rid);
}

export function rememberReceipt(rid: string, receipt: string): void {
  write(RECEIPT + rid, receipt);
}

/** What is ready for the opening, and the token of the session it belongs to. */
export interface ReadyAttempt {
  readonly armed: ArmedAttempt;
  readonly session: string;
}

export function recallArmed(item: string): ReadyAttempt | null {
  return read<ReadyAttempt>(ARMED + item);
}

/** Null = it was used, or is of no use any more. */
export function rememberArmed(item: string, ready: ReadyAttempt | null): void {
  write(ARMED + item, ready);
}

function read<Value>(name: string): Value | null {
  return JSON.parse(sessionStorage.getItem(name) ?? "null");
}

function write(name: string, value: unknown): void {
  if (value === null) sessionStorage.removeItem(name);
  else sessionStorage.setItem(name, JSON.stringify(value));
}
