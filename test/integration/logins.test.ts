/**
 * A deployment that only lets the shop's own customers in, whose keys it reads from the shop's JWKS address.
 */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createServer, type Server } from "node:http";
import { expectAccepted, expectRefusal } from "../support/answers.ts";
import { Buyer, freshKey, requestSession } from "../support/buyer-client.ts";
import { type NodeProcess, type Runtime, startNodes } from "../support/node-process.ts";
import { Operator } from "../support/operator-client.ts";

setDefaultTimeout(60_000);

const RUNTIMES: readonly Runtime[] = ["bun", "node"];
const shop = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const stranger = generateKeyPairSync("rsa", { modulusLength: 2_048 });

let server: Server;
let nodes: NodeProcess[];

beforeAll(async () => {
  const keys = [{ ...shop.publicKey.export({ format: "jwk" }), kid: "shop-1", alg: "RS256", use: "sig" }];
  server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const env = { SESSION_GUESTS: "off", SESSION_JWKS_URL: `http://127.0.0.1:${port}/keys` };
  nodes = await startNodes(RUNTIMES.map((runtime) => ({ runtime, databaseUrl: null, env })));
});

afterAll(async () => {
  await Promise.all((nodes ?? []).map((node) => node.kill()));
  server?.close();
});

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

interface TokenParts {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly key?: KeyObject;
}

function claimsToken({ header = {}, claims = {} }: TokenParts): string {
  const nowS = Math.floor(Date.now() / 1_000);
  const payload = { iss: "https://shop.example", sub: `customer-${freshKey()}`, iat: nowS, exp: nowS + 600, ...claims };
  return `${encode({ alg: "RS256", typ: "JWT", kid: "shop-1", ...header })}.${encode(payload)}`;
}

function signedToken(parts: TokenParts = {}): string {
  const text = claimsToken(parts);
  return `${text}.${sign("sha256", Buffer.from(text), parts.key ?? shop.privateKey).toString("base64url")}`;
}

for (const [index, runtime] of RUNTIMES.entries()) {
  const node = (): NodeProcess => nodes[index] as NodeProcess;

  test(`lets a customer with a token of the shop's key buy, on ${runtime}`, async () => {
    const sale = await new Operator(node()).createSale({}, [node().buyerUrl]);
    expectAccepted(await (await Buyer.login(node().buyerUrl, signedToken())).reserve(sale));
  });

  test(`lets no guest in where guests are switched off, and names the rule, on ${runtime}`, async () => {
    const problem = expectRefusal(await requestSession(node().buyerUrl, { kind: "guest" }), "not_eligible");
    expect(problem.rule).toBe("login_required");
  });

  test(`lets nobody in by a token that the shop's key did not sign, on ${runtime}`, async () => {
    const publicPem = shop.publicKey.export({ format: "pem", type: "spki" });
    const confused = claimsToken({ header: { alg: "HS256" } });
    const nowS = Math.floor(Date.now() / 1_000);
    const forged: Readonly<Record<string, string>> = {
      "signed with the public key as a shared secret": `${confused}.${createHmac("sha256", publicPem).update(confused).digest("base64url")}`,
      "another key": signedToken({ key: stranger.privateKey }),
      "another key that brings itself along": signedToken({
        key: stranger.privateKey,
        header: { jwk: stranger.publicKey.export({ format: "jwk" }) },
      }),
      "a key at another address": signedToken({ key: stranger.privateKey, header: { jku: "http://127.0.0.1:1/keys" } }),
      "an unknown key": signedToken({ header: { kid: "../../etc/passwd" } }),
      "no signature": `${claimsToken({ header: { alg: "none" } })}.`,
      "not valid yet": signedToken({ claims: { nbf: nowS + 600 } }),
      "no subject": signedToken({ claims: { sub: undefined } }),
    };
    for (const [name, token] of Object.entries(forged)) {
      const answer = await requestSession(node().buyerUrl, { kind: "jwt", token });
      expect([name, answer.status, answer.json?.reason]).toEqual([name, 401, "session_invalid"]);
    }
  });
}
