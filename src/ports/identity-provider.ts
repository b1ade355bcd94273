/**
 * Port: signing in at somebody else's: OpenID Connect, code flow with PKCE.
 *
 * Promises: an answer was made by the configured provider, for this client, for the very sign-in whose `state` is handed
 * in, and lately. Everything else is "refused", with a word for the log. Throws IDENTITY_PROVIDER_UNAVAILABLE when the
 * provider does not answer. Decides nothing about who may do what: that is ours, by `externalId`.
 */

export interface IdentityProvider {
  /** Where to send the browser, and what must be remembered until it comes back. */
  begin(redirectUri: string): Promise<{ readonly url: string; readonly state: string }>;
  /** `callbackUrl`: the address the browser came back to, with its query. */
  finish(callbackUrl: string, state: string): Promise<IdentityAnswer>;
}

export type IdentityAnswer =
  | { readonly kind: "known"; readonly externalId: string }
  | { readonly kind: "refused"; readonly why: string };
