/**
 * THE table of process settings: every environment variable Doorbuster reads, with its bounds, default and meaning.
 *
 * It may differ per node; what must be equal for all nodes (stock, limits, window, hold time) belongs to the sale, in the
 * store. docs/configuration.md is generated from this table and a tidy test holds them equal. Rules between two settings
 * are in check.ts.
 */
import { integer, networks, oneOf, origins, pattern, type Setting, secret, url, urls } from "./kinds.ts";

const HOST_PATTERN = /^[A-Za-z0-9.:_-]{1,253}$/;
const HOST_ACCEPTED = "an IP address or a host name";
const DAY_MS = 86_400_000;

export const SETTINGS = {
  PORT: integer({
    min: 0,
    max: 65_535,
    byDefault: 8_080,
    unit: "port",
    text: "Where buyers connect. 0 takes any free port.",
  }),
  HOST: pattern(HOST_PATTERN, HOST_ACCEPTED, {
    byDefault: "0.0.0.0",
    text: "The address the buyers' port listens on.",
  }),
  ADMIN_PORT: integer({
    min: 0,
    max: 65_535,
    byDefault: 8_081,
    unit: "port",
    text: "Where operators connect: console, operator API, health and metrics. 0 takes any free port.",
  }),
  ADMIN_HOST: pattern(HOST_PATTERN, HOST_ACCEPTED, {
    byDefault: "127.0.0.1",
    text: "The address the operators' port listens on. Anything but loopback belongs behind TLS and a private network.",
  }),
  ADMIN_URL: url(["https:", "http:"], {
    secret: "no",
    text: "How operators reach ADMIN_PORT from outside. Without it, the console works under whatever host it is asked for.",
  }),
  OIDC_ISSUER: url(["https:", "http:"], {
    secret: "no",
    text: "The identity provider at which operators sign in. Needs OIDC_CLIENT_ID, OIDC_CLIENT_SECRET and ADMIN_URL; http:// only on this machine.",
  }),
  OIDC_CLIENT_ID: pattern(/^[\x21-\x7e]{1,255}$/, "1 to 255 visible characters", {
    byDefault: null,
    text: "What the identity provider calls this deployment. Its redirect address is ADMIN_URL followed by /v1/admin/oidc/callback.",
  }),
  OIDC_CLIENT_SECRET: secret({
    bytesMin: 8,
    text: "The secret the identity provider gave this deployment.",
  }),
  PUBLIC_URL: url(["https:", "http:"], {
    secret: "no",
    text: "How buyers reach PORT from outside, for links to the checkout. Without it, links go to the loopback address.",
  }),
  CORS_ORIGINS: origins({
    text: "Whose pages may use the buyer API besides our own: the shops that embed it. Empty: nobody's.",
  }),
  ADMIN_TOKEN: secret({
    bytesMin: 16,
    text: "What an operator signs in with. In solo mode it is made at the first start and kept in DATA_DIR; required otherwise.",
  }),
  SECRET: secret({
    bytesMin: 32,
    text: "Root of every key. Equal on all nodes: one that differs does not start. Made in solo mode; required otherwise. How it is changed: docs/operating/operators.md.",
  }),
  SECRET_PREVIOUS: secret({
    bytesMin: 32,
    text: "What SECRET was before, while it is being changed: sessions, passes and receipts it signed stay good. See docs/operating/operators.md.",
  }),
  DATA_DIR: pattern(/^[^\0]{1,1024}$/, "a path", {
    byDefault: ".doorbuster",
    text: "Solo mode: the folder of the embedded database and the secrets. One process at a time.",
  }),
  DATABASE_URL: url(["postgres:", "postgresql:"], {
    secret: "password",
    text: "PostgreSQL 15 or newer. Without it the node runs in solo mode on an embedded database.",
  }),
  DATABASE_POOL_MAX: integer({
    min: 2,
    max: 200,
    byDefault: 10,
    unit: "connections",
    text: "Connections of this node to PostgreSQL. Solo mode always has exactly one.",
  }),
  REDIS_URL: urls(["redis:", "rediss:"], {
    secret: "password",
    text: "The ledger's Redis (7.0 or newer) or Valkey; several nodes of a Cluster comma-separated. Needs DATABASE_URL. Without it PostgreSQL alone decides about stock.",
  }),
  LEDGER_DURABILITY: oneOf(["always", "everysec"], {
    byDefault: "always",
    text: "What the stores must promise: always = on disk before any answer. everysec accepts a Redis with which a power cut loses the last second of 202 answers (never of 201), and a PostgreSQL with fsync or full_page_writes off, with which it may lose orders; the operator's page, /readyz, a metric and each 202 of such a Redis say so.",
  }),
  LEDGER_DWELL_MS: integer({
    min: 0,
    max: 86_400_000,
    byDefault: 60_000,
    unit: "ms",
    text: "How long Redis must have been well before a sale that fell back to PostgreSQL returns to it.",
  }),
  LEDGER_RAMP_MS: integer({
    min: 0,
    max: 600_000,
    byDefault: 30_000,
    unit: "ms",
    text: "Over how long a node goes from 5 to 100 % of its attempts in flight after the ledger came back.",
  }),
  EDGE_REDIS_URL: url(["redis:", "rediss:"], {
    secret: "password",
    text: "A second Redis or Valkey that may evict: limits, replay windows and bans shared between nodes. Without it each node keeps its own.",
  }),
  UNIT: pattern(/^[A-Za-z0-9_-]{1,64}$/, "1 to 64 letters, digits, _ or -", {
    byDefault: null,
    text: "The name of this deployment among several with stock of their own; shown in the public sale document.",
  }),
  TRUSTED_PROXIES: networks({
    text: "Whose X-Forwarded-For is believed. Empty: nobody's, and limits per IP use the socket's address.",
  }),
  SESSION_GUESTS: oneOf(["on", "off"], {
    byDefault: "on",
    text: "Whether buyers without a login of the shop get sessions.",
  }),
  SESSION_TTL_MS: integer({
    min: 60_000,
    max: 7 * DAY_MS,
    byDefault: DAY_MS / 2,
    unit: "ms",
    text: "How long a session lasts.",
  }),
  SESSION_JWKS_URL: url(["https:", "http:"], {
    secret: "no",
    text: "Where the shop publishes the keys that sign its logins. Exclusive with SESSION_JWT_SECRET.",
  }),
  SESSION_JWT_SECRET: secret({
    bytesMin: 32,
    text: "The secret the shop signs its logins with (HS256). Exclusive with SESSION_JWKS_URL.",
  }),
  SESSION_JWT_ISSUER: pattern(/^[\x21-\x7e]{1,255}$/, "1 to 255 visible ASCII characters", {
    byDefault: null,
    text: "The only `iss` that the shop's logins may name. Without it any, each with buyers of its own.",
  }),
  SESSION_JWT_AUDIENCE: pattern(/^[\x21-\x7e]{1,255}$/, "1 to 255 visible ASCII characters", {
    byDefault: null,
    text: "The `aud` that the shop's logins must name. Set it wherever the same key signs tokens for other services too.",
  }),
  RATE_BUYER_PER_S: integer({
    min: 0,
    max: 1_000_000,
    byDefault: 5,
    unit: "requests per second",
    text: "Attempts of one buyer, one at a time. 0 switches the limit off, and several may then be on their way at once.",
  }),
  RATE_BUYER_PER_MIN: integer({
    min: 0,
    max: 1_000_000,
    byDefault: 100,
    unit: "requests per minute",
    text: "Attempts of one buyer. 0 switches the limit off.",
  }),
  RATE_IP_PER_S: integer({
    min: 0,
    max: 1_000_000,
    byDefault: 50,
    unit: "requests per second",
    text: "Attempts from one IPv4 address or IPv6 /64 network. 0 switches the limit off.",
  }),
  RATE_DEVICE_PER_S: integer({
    min: 0,
    max: 1_000_000,
    byDefault: 500,
    unit: "requests per second",
    text: "Attempts of sessions whose pages have one and the same device key. Phones of one model on one network share it: keep it generous. 0 switches the limit off.",
  }),
  RATE_NETWORK_PER_S: integer({
    min: 0,
    max: 1_000_000,
    byDefault: 1_000,
    unit: "requests per second",
    text: "Attempts from one IPv4 /24 or IPv6 /48 network. 0 switches the limit off.",
  }),
  RATE_ASN_PER_S: integer({
    min: 0,
    max: 1_000_000,
    byDefault: 5_000,
    unit: "requests per second",
    text: "Attempts from one autonomous system, where ASN_FILE knows it. 0 switches the limit off.",
  }),
  RATE_SALE_PER_S: integer({
    min: 0,
    max: 1_000_000,
    byDefault: 0,
    unit: "requests per second",
    text: "Attempts of one sale, of all nodes that share an edge. 0 switches the limit off: overload is refused by what a node measures.",
  }),
  RATE_TOTAL_PER_S: integer({
    min: 0,
    max: 1_000_000,
    byDefault: 0,
    unit: "requests per second",
    text: "Attempts of all sales, of all nodes that share an edge. 0 switches the limit off.",
  }),
  ASN_FILE: pattern(/^[^\0]{1,1024}$/, "a path", {
    byDefault: null,
    text: "A list of prefixes and the numbers of their autonomous systems, one pair a line, read at the start. Without it systems are not limited.",
  }),
  COOL_DOWN_MS_MAX: integer({
    min: 0,
    max: DAY_MS,
    byDefault: DAY_MS / 24,
    unit: "ms",
    text: "How long a buyer who leaves holds unpaid waits at most before he may attempt again; the first time as long as he held. 0 = nobody waits.",
  }),
  RISK_WEIGHTS: pattern(/^[^\0]{1,1024}$/, "a path", {
    byDefault: null,
    text: "A JSON file with the risk model's weights, bands and times, as far as they differ from the defaults; see docs/operating/risk.md.",
  }),
  RISK_REFUSE: oneOf(["on", "off"], {
    byDefault: "off",
    text: "Whether a score in the band refuse refuses. Off: it slows down like the band below, because a score is no proof.",
  }),
  RISK_TIME_ZONE_HEADER: pattern(/^[A-Za-z0-9-]{1,64}$/, "a header name", {
    byDefault: null,
    text: "The header in which TRUSTED_PROXIES write the time zone of the client's address, such as cf-timezone. Without it the two are not compared.",
  }),
  CHALLENGE_KIND: oneOf(["pow", "arithmetic", "slide", "turnstile", "hcaptcha"], {
    byDefault: "pow",
    text: "What buyers are asked for where a sale asks: work for the computer, a drawn calculation, a sliding puzzle, or a provider's widget. Proof of work, four times as hard, can be had in the place of every other kind and stands in while one is not to be had. slide offers arithmetic too.",
  }),
  CAPTCHA_SITE_KEY: pattern(/^[A-Za-z0-9_-]{8,128}$/, "8 to 128 letters, digits, _ or -", {
    byDefault: null,
    text: "Your site's public key at the provider. Needed for turnstile and hcaptcha.",
  }),
  CAPTCHA_SECRET: secret({
    bytesMin: 16,
    text: "Your site's secret at the provider. Needed for turnstile and hcaptcha.",
  }),
  CAPTCHA_HOSTNAMES: pattern(
    /^[a-z0-9.-]{1,253}(,[a-z0-9.-]{1,253}){0,31}$/,
    "host names in lower case, comma-separated",
    {
      byDefault: null,
      text: "The hosts on which buyers see the widget; a response from any other counts for nothing. Without it, the host of PUBLIC_URL.",
    },
  ),
  CAPTCHA_VERIFY_URL: url(["https:", "http:"], {
    secret: "no",
    text: "Where responses are checked, if not at the provider's usual address.",
  }),
  CHALLENGE_BITS: integer({
    min: 4,
    max: 22,
    byDefault: 14,
    unit: "bits",
    text: "How hard a challenge is where nothing speaks against the buyer: each of the 16 puzzles of a proof of work takes about 2^bits hashes. 14 is a quarter of a second on a computer and one or two on an old phone.",
  }),
  CHALLENGE_BITS_MAX: integer({
    min: 4,
    max: 24,
    byDefault: 18,
    unit: "bits",
    text: "How hard a challenge gets at most under load and suspicion.",
  }),
  CHALLENGE_TTL_MS: integer({
    min: 10_000,
    max: 300_000,
    byDefault: 120_000,
    unit: "ms",
    text: "How long a challenge can be solved after it was given out.",
  }),
  CHALLENGE_CLEARANCE_MS: integer({
    min: 0,
    max: DAY_MS,
    byDefault: 900_000,
    unit: "ms",
    text: "How long a solved challenge clears the attempts of its session, counted from when it would have expired.",
  }),
  CHALLENGE_LOAD_PER_S: integer({
    min: 1,
    max: 1_000_000,
    byDefault: 500,
    unit: "attempts per second",
    text: "Attempts past the sold-out latch on one node above which adaptive sales ask everybody for a challenge; each doubling makes it twice as hard.",
  }),
  CONNECTIONS_PER_IP: integer({
    min: 0,
    max: 1_000_000,
    byDefault: 1_000,
    unit: "connections",
    text: "What one IPv4 address or IPv6 /64 may hold of a port at once. TRUSTED_PROXIES are not counted. 0 switches the limit off.",
  }),
  ACK_WAIT_MS: integer({
    min: 0,
    max: 10_000,
    byDefault: 250,
    unit: "ms",
    text: "How long an answer of the redis ledger waits for the commit before it is a 202. The postgres ledger always commits first.",
  }),
  WEBHOOK_NETWORKS: networks({
    text: "Networks of your own that the shop's webhooks may lead to, by plain HTTP and any port as well. Empty: public HTTPS addresses only.",
  }),
  MEMORY_MAX_MB: integer({
    min: 0,
    max: 1_000_000,
    byDefault: 0,
    unit: "MiB",
    text: "What this process may use; near it, requests are refused, the least important first. 0 = what the container or the machine allows.",
  }),
  DRAIN_NOTICE_MS: integer({
    min: 0,
    max: 600_000,
    byDefault: 0,
    unit: "ms",
    text: "How long a node that was told to stop still takes attempts while /readyz already says draining, so that whoever balances the load hears of it first.",
  }),
  PORT_SHARED: oneOf(["on", "off"], {
    byDefault: "off",
    text: "Whether processes of one machine may listen on PORT together: for restarts without a gap, the new one is started before the old one is told to stop. Linux only.",
  }),
  DRAIN_MS: integer({
    min: 0,
    max: 600_000,
    byDefault: 10_000,
    unit: "ms",
    text: "How long a node that was told to stop finishes what it has begun.",
  }),
  LOG_LEVEL: oneOf(["debug", "info", "warn", "error", "silent"], {
    byDefault: "info",
    text: "The least important message that is logged.",
  }),
  DOORBUSTER_RUNTIME: oneOf(["bun", "node"], {
    byDefault: "bun",
    text: "Which of the two pinned runtimes the launcher starts.",
  }),
} as const satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;

/** Names of the contract that belong to modes this version does not have: refused, because ignoring them would mislead. */
export const UNAVAILABLE_SETTINGS: readonly string[] = ["KAFKA_BROKERS"];

type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}${Capitalize<Camel<Tail>>}`
  : Lowercase<Name>;

type ValueOf<Name extends SettingName> = (typeof SETTINGS)[Name] extends Setting<infer Value> ? Value : never;

/** The checked values, named after their variables: `RATE_IP_PER_S` is `rateIpPerS`. */
export type SettingValues = { readonly [Name in SettingName as Camel<Name>]: ValueOf<Name> };

/** `RATE_IP_PER_S` → `rateIpPerS`. */
export function fieldOf(name: string): string {
  return name.toLowerCase().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
