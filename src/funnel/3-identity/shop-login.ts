/**
 * The shop's own login: a JWT that the shop signed becomes a stable, opaque buyer id with level and account age.
 *
 * Not on the hot path: a buyer shows the JWT once and gets a session token for it. Algorithms are pinned by the kind of key
 * the operator configured and never chosen by the token's header, so a public key can never be used as an HMAC secret
 * (RFC 8725, 3.1). Who may have a session, and for how long, is the session route's decision.
 */
import { createRemoteJWKSet, customFetch, errors, type FetchImplementation, type JWTPayload, jwtVerify } from "jose";
import { Fault, isFault } from "../../domain/faults.ts";
import { type BuyerId, deriveBuyerId } from "../../domain/ids.ts";
import type { Clock } from "../../ports/clock.ts";

/** Who the shop says this is. */
export interface ShopLogin {
  readonly buyerId: BuyerId;
  /** The claim `level`; 0 when absent. */
  readonly level: number;
  /** The claim `account_created_at`, in milliseconds since the epoch; null when absent. */
  readonly accountCreatedAt: number | null;
}

/** Checks logins. Throws SHOP_LOGIN_UNAVAILABLE when the keys cannot be had. */
export interface ShopLoginVerifier {
  verify(token: string): Promise<ShopLogin | "session_invalid" | "session_expired">;
}

export interface ShopLoginOptions {
  /** The shared secret, or where the shop publishes its public keys. */
  readonly source:
    | { readonly kind: "secret"; readonly secret: string }
    | { readonly kind: "jwks"; readonly url: string };
  readonly clock: Clock;
  /** The only issuer; absent or null = any. */
  readonly issuer?: string | null;
  /** The audience that a token must name; absent or null = it is not looked at. */
  readonly audience?: string | null;
  /** Replaces the network in tests. */
  readonly fetch?: FetchImplementation;
}

const SECRET_ALGORITHMS = ["HS256"];
const JWKS_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];

/** Clocks of shop and node may differ by this much. */
const CLOCK_TOLERANCE_S = 5;
const JWKS_DEADLINE_MS = 5_000;
/** A token with an unknown key id makes us ask again, but not more often than this, whatever a forger sends. */
const JWKS_COOLDOWN_MS = 30_000;
const JWKS_AGE_MS_MAX = 600_000;

const SUBJECT_LENGTH_MAX = 255;
const ISSUER_LENGTH_MAX = 255;
const LEVEL_MAX = 999_999;
/** NumericDate is in seconds; a value beyond this (the year 5138) can only be milliseconds. */
const SECONDS_MAX = 100_000_000_000;

type FindKey = ReturnType<typeof createRemoteJWKSet>;

/** Makes the verifier for the configured kind of key. */
export function createShopLoginVerifier(options: ShopLoginOptions): ShopLoginVerifier {
  const { source, clock } = options;
  const key =
    source.kind === "secret" ? new TextEncoder().encode(source.secret) : findRemoteKey(source.url, options.fetch);
  const algorithms = source.kind === "secret" ? SECRET_ALGORITHMS : JWKS_ALGORITHMS;

  return {
    async verify(token) {
      const checks = {
        algorithms,
        ...(options.issuer == null ? {} : { issuer: options.issuer }),
        ...(options.audience == null ? {} : { audience: options.audience }),
        requiredClaims: ["exp", "iss", "sub"],
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: new Date(clock.nowMs()),
      };
      try {
        const { payload } =
          typeof key === "function" ? await jwtVerify(token, key, checks) : await jwtVerify(token, key, checks);
        return toLogin(payload);
      } catch (error) {
        if (isFault(error)) throw error;
        if (error instanceof errors.JWTExpired) return "session_expired";
        if (error instanceof errors.JOSEError) return "session_invalid";
        // A key of the shop's that no token can be checked with: one of fewer than 2,048 bits, say.
        if (error instanceof TypeError && typeof key === "function") {
          throw new Fault("SHOP_LOGIN_UNAVAILABLE", { cause: error });
        }
        throw error;
      }
    },
  };
}

/** The remote key set, with failures of the network told apart from tokens that name no key of it. */
function findRemoteKey(url: string, fetch: FetchImplementation | undefined): FindKey {
  const remote = createRemoteJWKSet(new URL(url), {
    timeoutDuration: JWKS_DEADLINE_MS,
    cooldownDuration: JWKS_COOLDOWN_MS,
    cacheMaxAge: JWKS_AGE_MS_MAX,
    ...(fetch === undefined ? {} : { [customFetch]: fetch }),
  });
  const findKey = async (...request: Parameters<FindKey>): Promise<Awaited<ReturnType<FindKey>>> => {
    try {
      return await remote(...request);
    } catch (error) {
      const isTokensFault =
        error instanceof errors.JWKSNoMatchingKey ||
        error instanceof errors.JWKSMultipleMatchingKeys ||
        error instanceof errors.JOSENotSupported;
      if (isTokensFault) throw error;
      throw new Fault("SHOP_LOGIN_UNAVAILABLE", { cause: error });
    }
  };
  return Object.assign(findKey, remote);
}

/** Reads the claims. A claim in a form we do not know refuses the login: guessing would admit the wrong accounts. */
function toLogin(payload: JWTPayload): ShopLogin | "session_invalid" {
  const { iss: issuer, sub: subject } = payload;
  const level = payload["level"] ?? 0;
  const accountCreatedAt = toMilliseconds(payload["account_created_at"]);
  // A line feed separates issuer and subject where the buyer id is derived, so an issuer must not contain one.
  const isNamed = isText(issuer, ISSUER_LENGTH_MAX) && !issuer.includes("\n") && isText(subject, SUBJECT_LENGTH_MAX);
  if (!isNamed || !isCount(level) || level > LEVEL_MAX || accountCreatedAt === "bad") return "session_invalid";
  return { buyerId: deriveBuyerId({ issuer, subject }), level, accountCreatedAt };
}

function toMilliseconds(claim: unknown): number | null | "bad" {
  if (claim === undefined || claim === null) return null;
  if (!isCount(claim)) return "bad";
  return claim > SECONDS_MAX ? claim : claim * 1_000;
}

function isText(value: unknown, lengthMax: number): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= lengthMax;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
