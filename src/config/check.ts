/**
 * Rules between two settings, all in one place. Rules about a single value are part of its kind.
 *
 * Each problem names the variables, what they are, and what would be accepted. Values of secrets are never repeated.
 */
import type { SettingValues } from "./settings.ts";

const REQUIRED_TEXT = 'is required when DATABASE_URL is set, equal on every node; "doorbuster keys new" makes one';

/** What is wrong between settings; empty when nothing is. */
export function checkTogether(values: SettingValues): readonly string[] {
  const problems: string[] = [];
  if (values.databaseUrl !== null) {
    if (values.secret === null) problems.push(`SECRET ${REQUIRED_TEXT}.`);
    if (values.adminToken === null) problems.push(`ADMIN_TOKEN ${REQUIRED_TEXT}.`);
  }
  if (values.redisUrl !== null && values.databaseUrl === null) {
    problems.push(
      "REDIS_URL is set and DATABASE_URL is not; accepted: both, because Redis only lends what PostgreSQL owns.",
    );
  }
  if (values.edgeRedisUrl !== null && values.redisUrl?.map(serverOf).includes(serverOf(values.edgeRedisUrl))) {
    problems.push("EDGE_REDIS_URL is the same server as REDIS_URL; accepted: another one, because it may evict.");
  }
  if (values.secret !== null && values.secret === values.adminToken) {
    problems.push("ADMIN_TOKEN is the same as SECRET; accepted: two different secrets, since operators see the token.");
  }
  if (values.secretPrevious !== null && values.secretPrevious === values.secret) {
    problems.push("SECRET_PREVIOUS is the same as SECRET; accepted: the secret from before, or not set.");
  }
  if (values.challengeBits > values.challengeBitsMax) {
    problems.push(
      `CHALLENGE_BITS is ${values.challengeBits}, more than CHALLENGE_BITS_MAX; accepted: at most ${values.challengeBitsMax}.`,
    );
  }
  problems.push(...checkIdentityProvider(values));
  if (values.port === values.adminPort && values.port !== 0) {
    problems.push(`ADMIN_PORT is ${values.adminPort}, the same as PORT; accepted: two different ports.`);
  }
  if (values.sessionJwksUrl !== null && values.sessionJwtSecret !== null) {
    problems.push("SESSION_JWKS_URL and SESSION_JWT_SECRET are both set; accepted: one of them.");
  }
  const hasLogin = values.sessionJwksUrl !== null || values.sessionJwtSecret !== null;
  if (!hasLogin && (values.sessionJwtIssuer !== null || values.sessionJwtAudience !== null)) {
    problems.push(
      "SESSION_JWT_ISSUER and SESSION_JWT_AUDIENCE need a login; accepted: SESSION_JWKS_URL or SESSION_JWT_SECRET set as well.",
    );
  }
  if (values.sessionGuests === "off" && !hasLogin) {
    problems.push(
      "SESSION_GUESTS is off and there is no login; accepted: on, or SESSION_JWKS_URL or SESSION_JWT_SECRET set.",
    );
  }
  problems.push(...checkCaptcha(values));
  return problems;
}

/** A provider's widget needs what names us to the provider, and hosts that its responses must come from. */
function checkCaptcha(values: SettingValues): readonly string[] {
  const { challengeKind: kind } = values;
  if (kind !== "turnstile" && kind !== "hcaptcha") return [];
  const problems: string[] = [];
  if (values.captchaSiteKey === null) problems.push(`CAPTCHA_SITE_KEY is required when CHALLENGE_KIND is ${kind}.`);
  if (values.captchaSecret === null) problems.push(`CAPTCHA_SECRET is required when CHALLENGE_KIND is ${kind}.`);
  if (values.captchaHostnames === null && values.publicUrl === null) {
    problems.push(`CAPTCHA_HOSTNAMES or PUBLIC_URL is required when CHALLENGE_KIND is ${kind}.`);
  }
  return problems;
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** All of it or nothing, and no secrets over a network in the clear. */
function checkIdentityProvider(values: SettingValues): readonly string[] {
  const { oidcIssuer, oidcClientId, oidcClientSecret, adminUrl } = values;
  if (oidcIssuer === null) {
    const isAlone = oidcClientId !== null || oidcClientSecret !== null;
    return isAlone ? ["OIDC_CLIENT_ID or OIDC_CLIENT_SECRET is set and OIDC_ISSUER is not; accepted: all three."] : [];
  }
  const problems: string[] = [];
  if (oidcClientId === null || oidcClientSecret === null || adminUrl === null) {
    problems.push("OIDC_ISSUER is set; accepted: with OIDC_CLIENT_ID, OIDC_CLIENT_SECRET and ADMIN_URL.");
  }
  const { protocol, hostname } = new URL(oidcIssuer);
  if (protocol === "http:" && !LOOPBACK.test(hostname)) {
    problems.push("OIDC_ISSUER is http:// on another machine; accepted: https://.");
  }
  return problems;
}

const REDIS_PORT = "6379";

/** Which server a URL leads to: other databases or users of one server share its memory and its policy. */
function serverOf(url: string): string {
  const { hostname, port } = new URL(url);
  return `${hostname}:${port === "" ? REDIS_PORT : port}`;
}
