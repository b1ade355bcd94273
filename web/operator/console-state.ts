/**
 * What the whole console shares: who is signed in and which page is shown.
 *
 * A person's session is a cookie that no script sees; whose it is, the server says at the start. The machine's token lives in
 * sessionStorage: it survives a reload, ends with the tab and is never in an address. Pages are fragments of one
 * address, because the server knows only `/`.
 */
import { computed, signal } from "@preact/signals";
import { includesRole, type OperatorRole } from "../../src/domain/operator-role.ts";
import { AdminApi, AdminError } from "./admin-api.ts";

const TOKEN = "doorbuster.admin-token";

/** Who asks: a person, or whoever has the machine's token. */
export type Actor =
  | { readonly kind: "machine"; readonly role: "owner" }
  | { readonly kind: "person"; readonly id: string; readonly name: string; readonly role: OperatorRole };

/** How one can sign in here; null until the server has said. */
export interface SignInWays {
  readonly people: boolean;
  readonly provider: boolean;
}

const MACHINE: Actor = { kind: "machine", role: "owner" };

const token = signal(sessionStorage.getItem(TOKEN));
const fragment = signal(location.hash);

/** Null while nobody is signed in. */
export const actor = signal<Actor | null>(token.value === null ? null : MACHINE);

/** Whether who is signed in may steer; a viewer is shown nothing that the server would refuse him. */
export const maySteer = computed(() => actor.value !== null && includesRole(actor.value.role, "operator"));

export const ways = signal<SignInWays | null>(null);

/** Why the operator has to sign in again; empty at the first visit. */
export const farewell = signal("");

/** Null while nobody is signed in. */
export const api = computed(() => {
  if (actor.value === null) return null;
  const text =
    token.value === null
      ? "Your session is over."
      : "The token was refused. It changes when a solo node without ADMIN_TOKEN restarts.";
  return new AdminApi({ token: token.value, onUnauthorized: () => leave(text) });
});

/** Where in the console we are. */
export type Route =
  | { readonly page: "sales" | "new" | "bans" | "risk" | "approvals" | "webhooks" | "people" | "log" }
  | { readonly page: "join"; readonly invitation: string }
  | { readonly page: "sale"; readonly saleId: string };

const PLAIN_PAGES = ["new", "bans", "risk", "approvals", "webhooks", "people", "log"] as const;

export const route = computed<Route>(() => {
  const [page, id] = fragment.value.slice(1).split("/").filter(Boolean);
  if (page === "sales" && id !== undefined && /^[\w-]+$/.test(id)) return { page: "sale", saleId: id };
  if (page === "join" && id !== undefined) return { page, invitation: id };
  return { page: PLAIN_PAGES.find((plain) => plain === page) ?? "sales" };
});

/** Follows the address, and asks who we are; called once. */
export function startConsole(): void {
  window.addEventListener("hashchange", () => {
    fragment.value = location.hash;
  });
  if (location.hash === "#/sign-in-failed") farewell.value = "The identity provider's answer did not sign you in.";
  void askWho();
}

async function askWho(): Promise<void> {
  try {
    const anybody = new AdminApi({ token: null, onUnauthorized: () => undefined });
    const { me, ...rest } = await anybody.call<SignInWays & { me: Actor | null }>("GET", "/sign-in");
    if (actor.value === null && me !== null) actor.value = me;
    ways.value = rest;
  } catch {
    // The forms say what is wrong when they are sent; until then the simplest one is shown.
    ways.value = { people: false, provider: false };
  }
}

/** With the machine's token. */
export function signIn(newToken: string): void {
  sessionStorage.setItem(TOKEN, newToken);
  farewell.value = "";
  token.value = newToken;
  actor.value = MACHINE;
}

/** As a person, whose cookie is there already. */
export function signInAs(person: Actor): void {
  sessionStorage.removeItem(TOKEN);
  farewell.value = "";
  token.value = null;
  actor.value = person;
}

/** Ends the session on the server and here; says so when the server could not be told. */
export async function signOut(): Promise<void> {
  const isPerson = actor.value?.kind === "person";
  const failure = isPerson ? await api.value?.signOut().then(() => null, whyNotSignedOut) : null;
  leave(failure ?? "You are signed out.");
}

/** Whoever has no session any more needs no end of it. */
function whyNotSignedOut(error: unknown): string | null {
  if (error instanceof AdminError && error.reason === "unauthorized") return null;
  return "Your session could not be ended on the server. Reload this page and sign out again.";
}

function leave(why: string): void {
  sessionStorage.removeItem(TOKEN);
  farewell.value = why;
  token.value = null;
  actor.value = null;
}
