/**
 * What the whole console shares: who is signed in and which page is shown.
 *
 * The token lives in sessionStorage: it survives a reload, ends with the tab and is never in an address. Pages are
 * fragments of one address, because the server knows only `/`.
 */
import { computed, signal } from "@preact/signals";
import { AdminApi } from "./admin-api.ts";

const TOKEN = "doorbuster.admin-token";

const token = signal(sessionStorage.getItem(TOKEN));
const fragment = signal(location.hash);

/** Why the operator has to sign in again; empty at the first visit. */
export const farewell = signal("");

/** Null while nobody is signed in. */
export const api = computed(() =>
  token.value === null
    ? null
    : new AdminApi({
        token: token.value,
        onUnauthorized: () =>
          signOut("The token was refused. It changes when a solo node without ADMIN_TOKEN restarts."),
      }),
);

/** Where in the console we are. */
export type Route =
  | { readonly page: "sales" }
  | { readonly page: "new" }
  | { readonly page: "bans" }
  | { readonly page: "sale"; readonly saleId: string };

export const route = computed<Route>(() => {
  const [page, id] = fragment.value.slice(1).split("/").filter(Boolean);
  if (page === "sales" && id !== undefined && /^[\w-]+$/.test(id)) return { page: "sale", saleId: id };
  return page === "new" || page === "bans" ? { page } : { page: "sales" };
});

/** Follows the address; called once. */
export function followAddress(): void {
  window.addEventListener("hashchange", () => {
    fragment.value = location.hash;
  });
}

export function signIn(newToken: string): void {
  sessionStorage.setItem(TOKEN, newToken);
  farewell.value = "";
  token.value = newToken;
}

export function signOut(why: string): void {
  sessionStorage.removeItem(TOKEN);
  farewell.value = why;
  token.value = null;
}
