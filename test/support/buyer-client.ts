/**
 * A buyer's program written from the contract alone: sessions, signed requests, reservations.
 *
 * It shares no line with client/ or src/, so that a misreading of the contract on either side shows. Every part of a
 * signed request can be overridden, because most tests are about requests that are slightly wrong.
 */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { type Answer, call } from "./answers.ts";
import { waitUntil } from "./waiting.ts";

/** What a session grants. */
export interface Session {
  readonly token: string;
  readonly signingKey: string;
  readonly buyerId: string;
  readonly expiresAt: number;
}

/** The parts of a signed request; what is absent is made as the contract says. */
export interface SignedRequest {
  readonly method?: string;
  readonly path: string;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly idempotencyKey?: string;
  readonly timestamp?: number | string;
  readonly nonce?: string;
  readonly signingKey?: string;
  /** Sent headers, after signing; null takes one away. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly isUnsigned?: boolean;
}

/** A fresh key for one attempt. */
export function freshKey(): string {
  return randomBytes(12).toString("base64url");
}

/** The RFC 9530 digest of a body. */
export function contentDigest(body: string | Uint8Array): string {
  return `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
}

/** The signature of API.md, "Hot path headers". */
export function signRequest(parts: {
  method: string;
  path: string;
  timestamp: string;
  nonce: string;
  idempotencyKey: string;
  digest: string;
  signingKey: string;
}): string {
  const canonical = [
    "v1",
    parts.method,
    parts.path,
    parts.timestamp,
    parts.nonce,
    parts.idempotencyKey,
    parts.digest,
  ].join("\n");
  return createHmac("sha256", Buffer.from(parts.signingKey, "base64url")).update(canonical).digest("base64url");
}

/** The headers of a request of this session. */
export function requestHeaders(session: Session, request: SignedRequest): Record<string, string> {
  const headers: Record<string, string> = { Authorization: `Bearer ${session.token}` };
  const digest = request.body === undefined ? "" : contentDigest(request.body);
  if (request.body !== undefined) headers["Content-Type"] = "application/json";
  if (request.idempotencyKey !== undefined) headers["Idempotency-Key"] = request.idempotencyKey;
  if (request.isUnsigned !== true) {
    const timestamp = String(request.timestamp ?? Date.now());
    const nonce = request.nonce ?? randomBytes(16).toString("base64url");
    if (digest !== "") headers["Content-Digest"] = digest;
    headers["X-Timestamp"] = timestamp;
    headers["X-Nonce"] = nonce;
    headers["X-Signature"] = signRequest({
      method: request.method ?? "POST",
      path: request.path,
      timestamp,
      nonce,
      idempotencyKey: request.idempotencyKey ?? "",
      digest,
      signingKey: request.signingKey ?? session.signingKey,
    });
  }
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    if (value === null) delete headers[name];
    else headers[name] = value;
  }
  return headers;
}

/** Starts a guest's session; throws when refused. */
export async function startGuestSession(baseUrl: string): Promise<Session> {
  const answer = await requestSession(baseUrl, { kind: "guest" });
  if (answer.status !== 201) throw new Error(`no session: ${answer.status} ${answer.text}`);
  return answer.json;
}

/** Asks for a session with any body. */
export async function requestSession(baseUrl: string, body: unknown): Promise<Answer> {
  return await call(`${baseUrl}/v1/sessions`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** A buyer with a session on a node. `via` sends a request through another node of the deployment. */
export class Buyer {
  readonly session: Session;
  readonly baseUrl: string;

  constructor(baseUrl: string, session: Session) {
    this.baseUrl = baseUrl;
    this.session = session;
  }

  static async guest(baseUrl: string): Promise<Buyer> {
    return new Buyer(baseUrl, await startGuestSession(baseUrl));
  }

  /** A buyer of the shop, by a token of the shop's login. */
  static async login(baseUrl: string, token: string): Promise<Buyer> {
    const answer = await requestSession(baseUrl, { kind: "jwt", token });
    if (answer.status !== 201) throw new Error(`no session: ${answer.status} ${answer.text}`);
    return new Buyer(baseUrl, answer.json);
  }

  get buyerId(): string {
    return this.session.buyerId;
  }

  /** The same buyer talking to another node. */
  via(baseUrl: string): Buyer {
    return new Buyer(baseUrl, this.session);
  }

  /** Sends a signed request. */
  async send(request: SignedRequest): Promise<Answer> {
    return await call(`${this.baseUrl}${request.path}`, {
      method: request.method ?? "POST",
      headers: requestHeaders(this.session, request),
      ...(request.body === undefined ? {} : { body: request.body }),
    });
  }

  /** One attempt on the hot path. */
  async reserve(
    item: { saleId: string; sku: string },
    attempt: { quantity?: unknown; key?: string } & Omit<SignedRequest, "path"> = {},
  ): Promise<Answer> {
    const { quantity, key, ...rest } = attempt;
    return await this.send({
      path: reservationsPath(item),
      body: JSON.stringify({ quantity: quantity === undefined ? 1 : quantity }),
      idempotencyKey: key ?? freshKey(),
      ...rest,
    });
  }

  async find(rid: string): Promise<Answer> {
    return await this.send({ method: "GET", path: `/v1/reservations/${rid}` });
  }

  async list(saleId: string): Promise<Answer> {
    return await this.send({ method: "GET", path: `/v1/reservations?saleId=${saleId}` });
  }

  async cancel(rid: string): Promise<Answer> {
    return await this.send({ method: "DELETE", path: `/v1/reservations/${rid}` });
  }

  async checkout(rid: string): Promise<Answer> {
    return await this.send({ path: `/v1/reservations/${rid}/checkout`, idempotencyKey: freshKey() });
  }
}

/** Asks until the answer is final: `empty` may be a moment late when the last unit has just been paid. */
export async function reserveUntilSoldOut(buyer: Buyer, item: { saleId: string; sku: string }): Promise<Answer> {
  return await waitUntil("the sale to say that it is sold out", async () => {
    const answer = await buyer.reserve(item);
    return answer.json?.reason === "empty" ? null : answer;
  });
}

/** The hot path of an item. */
export function reservationsPath(item: { saleId: string; sku: string }): string {
  return `/v1/sales/${item.saleId}/items/${item.sku}/reservations`;
}
