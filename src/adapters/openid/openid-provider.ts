/**
 * Operators' sign-in at an OpenID Connect provider through openid-client: implements IdentityProvider.
 *
 * The library checks what the specification asks for (issuer, audience, nonce, state, PKCE, times, the signature with the
 * provider's own keys); here it is only told to. The provider's description is fetched at the first sign-in and kept;
 * a failed fetch is tried again by the next one. Plain http is for a provider on this machine alone.
 */
import * as openid from "openid-client";
import { Fault } from "../../domain/faults.ts";
import type { IdentityAnswer, IdentityProvider } from "../../ports/identity-provider.ts";

const ANSWER_S_MAX = 5;
/** Whoever signed in longer ago than this is asked again by the provider. */
const SIGNED_IN_S_MAX = 900;
const SCOPE = "openid";
/** Codes of the library that say the provider did not answer, rather than that its answer was wrong. */
const NO_ANSWER = new Set(["OAUTH_TIMEOUT", "OAUTH_ABORT", "OAUTH_RESPONSE_IS_NOT_CONFORM"]);

export interface OpenidSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

interface Flow {
  readonly verifier: string;
  readonly state: string;
  readonly nonce: string;
}

/** `implements IdentityProvider`. */
export class OpenidProvider implements IdentityProvider {
  readonly #settings: OpenidSettings;
  #discovered: Promise<openid.Configuration> | null = null;

  constructor(settings: OpenidSettings) {
    this.#settings = settings;
  }

  async begin(redirectUri: string): Promise<{ readonly url: string; readonly state: string }> {
    const provider = await this.#discover();
    const flow: Flow = {
      verifier: openid.randomPKCECodeVerifier(),
      state: openid.randomState(),
      nonce: openid.randomNonce(),
    };
    const url = openid.buildAuthorizationUrl(provider, {
      redirect_uri: redirectUri,
      scope: SCOPE,
      code_challenge: await openid.calculatePKCECodeChallenge(flow.verifier),
      code_challenge_method: "S256",
      state: flow.state,
      nonce: flow.nonce,
      max_age: String(SIGNED_IN_S_MAX),
    });
    return { url: url.href, state: JSON.stringify(flow) };
  }

  async finish(callbackUrl: string, state: string): Promise<IdentityAnswer> {
    const provider = await this.#discover();
    const flow = JSON.parse(state) as Flow;
    try {
      const tokens = await openid.authorizationCodeGrant(provider, new URL(callbackUrl), {
        pkceCodeVerifier: flow.verifier,
        expectedState: flow.state,
        expectedNonce: flow.nonce,
        maxAge: SIGNED_IN_S_MAX,
        idTokenExpected: true,
      });
      const subject = tokens.claims()?.sub;
      return subject === undefined ? { kind: "refused", why: "no id token" } : { kind: "known", externalId: subject };
    } catch (error) {
      return refusedOrFault(error);
    }
  }

  #discover(): Promise<openid.Configuration> {
    this.#discovered ??= this.#fetchDescription();
    return this.#discovered;
  }

  async #fetchDescription(): Promise<openid.Configuration> {
    const { issuer, clientId, clientSecret } = this.#settings;
    const url = new URL(issuer);
    // Signatures are checked although the answer came straight from the provider: the channel alone is no proof of who made it.
    const execute = [openid.enableNonRepudiationChecks];
    if (url.protocol === "http:") execute.push(openid.allowInsecureRequests);
    try {
      return await openid.discovery(url, clientId, clientSecret, undefined, { execute, timeout: ANSWER_S_MAX });
    } catch (cause) {
      this.#discovered = null;
      throw new Fault("IDENTITY_PROVIDER_UNAVAILABLE", { cause });
    }
  }
}

function refusedOrFault(error: unknown): IdentityAnswer {
  if (error instanceof openid.AuthorizationResponseError) return { kind: "refused", why: error.error };
  if (error instanceof openid.ResponseBodyError && error.status < 500) return { kind: "refused", why: error.error };
  const code = error instanceof openid.ClientError ? error.code : undefined;
  if (code !== undefined && !NO_ANSWER.has(code)) return { kind: "refused", why: code };
  throw new Fault("IDENTITY_PROVIDER_UNAVAILABLE", { cause: error });
}
