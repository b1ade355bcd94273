/**
 * An OpenID Connect provider over HTTP, as small as the specification allows: discovery, keys, authorisation, token.
 *
 * Whoever comes to its authorisation address is signed in as `subject` at once. `misbehave` changes what it says about
 * him, the way an attacker between or behind would.
 */
import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;

interface Grant {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly challenge: string;
  readonly nonce: string;
}

/** What an answer claims besides or instead of the truth. */
export interface Misbehaviour {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly isSignedByStranger?: boolean;
  /** The whole token, whatever was asked. */
  readonly token?: string;
}

export class TestIdentityProvider {
  readonly clientId = "doorbuster";
  readonly clientSecret = "a secret of the tests";
  subject = "sub-ann";
  misbehave: Misbehaviour = {};
  readonly #grants = new Map<string, Grant>();
  readonly #server: Server;
  readonly #keys: KeyPair;
  readonly #stranger: KeyPair;

  private constructor(keys: KeyPair, stranger: KeyPair) {
    this.#keys = keys;
    this.#stranger = stranger;
    this.#server = createServer((request, response) => {
      void this.#answer(request, response);
    });
  }

  static async start(): Promise<TestIdentityProvider> {
    const provider = new TestIdentityProvider(await generateKeyPair("RS256"), await generateKeyPair("RS256"));
    await new Promise<void>((resolve) => provider.#server.listen(0, "127.0.0.1", resolve));
    return provider;
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.issuer);
    const send = (status: number, document: unknown): void =>
      void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(document));
    switch (url.pathname) {
      case "/.well-known/openid-configuration":
        return send(200, this.#description());
      case "/keys":
        return send(200, {
          keys: [{ ...(await exportJWK(this.#keys.publicKey)), kid: "k", alg: "RS256", use: "sig" }],
        });
      case "/authorize":
        return void response.writeHead(302, { location: this.#authorize(url.searchParams) }).end();
      case "/token":
        return this.#exchange(new URLSearchParams(await textOf(request)), send);
      default:
        return send(404, {});
    }
  }

  #description(): Readonly<Record<string, unknown>> {
    const { issuer } = this;
    return {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`,
      response_types_supported: ["code"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256"],
      code_challenge_methods_supported: ["S256"],
    };
  }

  #authorize(asked: URLSearchParams): string {
    const code = randomBytes(16).toString("base64url");
    const ask = (name: string): string => asked.get(name) ?? "";
    const redirectUri = ask("redirect_uri");
    this.#grants.set(code, {
      clientId: ask("client_id"),
      redirectUri,
      challenge: ask("code_challenge"),
      nonce: ask("nonce"),
    });
    const back = new URL(redirectUri);
    back.searchParams.set("code", code);
    back.searchParams.set("state", ask("state"));
    return back.href;
  }

  async #exchange(asked: URLSearchParams, send: (status: number, document: unknown) => void): Promise<void> {
    const grant = this.#grants.get(asked.get("code") ?? "");
    this.#grants.delete(asked.get("code") ?? "");
    const challenge = createHash("sha256")
      .update(asked.get("code_verifier") ?? "")
      .digest("base64url");
    const isClient = asked.get("client_id") === this.clientId && asked.get("client_secret") === this.clientSecret;
    if (
      grant === undefined ||
      !isClient ||
      grant.challenge !== challenge ||
      grant.redirectUri !== asked.get("redirect_uri")
    ) {
      return send(400, { error: "invalid_grant" });
    }
    const token = this.misbehave.token ?? (await this.#idToken(grant));
    return send(200, { access_token: "nothing", token_type: "bearer", expires_in: 60, id_token: token });
  }

  #idToken(grant: Grant): Promise<string> {
    const nowS = Math.floor(Date.now() / 1_000);
    const { claims = {}, isSignedByStranger = false } = this.misbehave;
    const told = { iss: this.issuer, aud: grant.clientId, sub: this.subject, nonce: grant.nonce, auth_time: nowS };
    return new SignJWT({ ...told, iat: nowS, exp: nowS + 60, ...claims })
      .setProtectedHeader({ alg: "RS256", kid: "k" })
      .sign(isSignedByStranger ? this.#stranger.privateKey : this.#keys.privateKey);
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString("utf8");
}
