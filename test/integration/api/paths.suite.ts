/**
 * One allowance, however the request is spelled: paths, queries and headers that claim another identity share a bucket, or
 * lead nowhere.
 *
 * Written byte by byte, because fetch would straighten most of it out. Every request is signed for exactly the path it is
 * sent with, so that nothing but the spelling can be what is refused. Runs on a node with the contract's limits (T25).
 */
import { expect, test } from "bun:test";
import type { Answer } from "../../support/answers.ts";
import { freshKey, requestHeaders, type Session } from "../../support/buyer-client.ts";
import type { GetDeployment } from "../../support/deployment.ts";
import { seat } from "../../support/operator-client.ts";
import { requestHead, sendRaw } from "../../support/raw-http.ts";

const BUYER_PER_S = 5;

interface Item {
  readonly saleId: string;
  readonly sku: string;
}

function percentEncoded(text: string): string {
  return `%${text.charCodeAt(0).toString(16)}${text.slice(1)}`;
}

/** Ways to write the path of an attempt; the first is the right one. */
function spellingsOf({ saleId, sku }: Item): readonly string[] {
  const path = `/v1/sales/${saleId}/items/${sku}/reservations`;
  return [
    path,
    `${path}?`,
    `${path}?a=1`,
    `${path}?a=1&a=2`,
    `${path}?/../../..`,
    `${path}?saleId=other`,
    `${path}#fragment`,
    `${path}/`,
    `${path}//`,
    `${path}/.`,
    `${path}/..`,
    `${path}/../reservations`,
    `${path};jsessionid=1`,
    `${path}%20`,
    `${path}%00`,
    `${path}%2f`,
    `${path}%3Fa=1`,
    `/${path}`,
    `//${path}`,
    `/.${path}`,
    `/x/..${path}`,
    `/v1/%2e%2e${path}`,
    `/%2e${path}`,
    `/v1/..;${path}`,
    path.replace("/sales", "//sales"),
    path.replace("/items/", "/items//"),
    path.replace("/v1/", "/v1/./"),
    path.replace("/v1", "/%761"),
    path.replace("/sales", "/s%61les"),
    path.replace("/sales", "/s%2561les"),
    path.replace("/reservations", "/reservation%73"),
    path.replace(saleId, percentEncoded(saleId)),
    path.replace(`/${sku}/`, `/${percentEncoded(sku)}/`),
    path.replace("/v1", "/V1"),
    path.replace("/sales", "/Sales"),
    path.replace("/reservations", "/RESERVATIONS"),
    path.replace(saleId, saleId.toUpperCase()),
    path.replaceAll("/", "\\"),
    path.replace("/sales", "\\sales"),
    path.replace("/sales", "/\uff53ales"),
    `http://127.0.0.1${path}`,
    `http://elsewhere.test${path}`,
    `HTTP://127.0.0.1${path}`,
    `http://user@127.0.0.1${path}`,
  ];
}

/** Headers by which some servers let a client choose its method, its path or its address. */
const CLAIMS: readonly Readonly<Record<string, string>>[] = [
  { "X-HTTP-Method-Override": "GET" },
  { "X-HTTP-Method": "PUT" },
  { "X-Method-Override": "PATCH" },
  { "X-Original-URL": "/v1/time" },
  { "X-Rewrite-URL": "/v1/time" },
  { "X-Forwarded-Host": "elsewhere.test" },
  { "X-Forwarded-Prefix": "/other" },
  { "X-Real-IP": "192.0.2.1" },
  { "X-Client-IP": "192.0.2.2" },
  { "True-Client-IP": "192.0.2.3" },
  { "CF-Connecting-IP": "192.0.2.4" },
  { "X-Cluster-Client-IP": "192.0.2.5" },
  { Forwarded: "for=192.0.2.6" },
  { "X-User-ID": "somebody-else" },
  { "X-Buyer-ID": "somebody-else" },
];

interface Spelled {
  readonly path: string;
  /** The path that the signature is made for; some servers straighten a path before anybody can check it. */
  readonly signedPath: string;
  readonly claims?: Readonly<Record<string, string>>;
}

async function attempt(port: number, session: Session, { path, signedPath, claims }: Spelled): Promise<Answer> {
  const body = '{"quantity":1}';
  const headers = requestHeaders(session, { path: signedPath, body, idempotencyKey: freshKey() });
  const all = { ...headers, "Content-Length": String(body.length), Connection: "close", ...claims };
  return await sendRaw(port, requestHead("POST", Buffer.from(path, "utf8").toString("latin1"), all), body);
}

/** Answers of somebody who got past the throttle: there may be one allowance's worth of them, and no fault among them. */
function passedOf(answers: readonly Answer[]): readonly Answer[] {
  return answers.filter(({ status }) => ![400, 401, 404, 405, 429].includes(status));
}

export function describePaths(deployment: GetDeployment): void {
  test("gives a buyer one allowance over all spellings of a path, and knows no other spelling", async () => {
    const item = await deployment().sale({ items: [seat({ stock: 1_000 })], perBuyerMax: 50 });
    const { session } = deployment().mintedGuest();
    const port = deployment().node.buyerPort;
    const startedMs = performance.now();
    const spellings = spellingsOf(item);
    const [signedPath = ""] = spellings;
    const requests = spellings.flatMap((path) => [
      { path, signedPath: path },
      { path, signedPath },
    ]);
    const answers = await Promise.all(requests.map(async (request) => await attempt(port, session, request)));
    const secondsOver = Math.ceil((performance.now() - startedMs) / 1_000);
    const passed = passedOf(answers);
    const report = requests.map(({ path }, index) => `${answers[index]?.status} ${path}`).join("\n");
    expect(passed.length, report).toBeGreaterThanOrEqual(1);
    expect(passed.length, report).toBeLessThanOrEqual(BUYER_PER_S * (1 + secondsOver));
    for (const { status } of passed) expect([201, 202], report).toContain(status);
  });

  test("gives a buyer one allowance whatever its headers claim", async () => {
    const item = await deployment().sale({ items: [seat({ stock: 1_000 })], perBuyerMax: 50 });
    const { session } = deployment().mintedGuest();
    const port = deployment().node.buyerPort;
    const path = `/v1/sales/${item.saleId}/items/${item.sku}/reservations`;
    const startedMs = performance.now();
    const answers = await Promise.all(
      [...CLAIMS, ...CLAIMS].map(async (claims) => await attempt(port, session, { path, signedPath: path, claims })),
    );
    const secondsOver = Math.ceil((performance.now() - startedMs) / 1_000);
    const passed = passedOf(answers);
    expect(passed.length).toBeGreaterThanOrEqual(1);
    expect(passed.length).toBeLessThanOrEqual(BUYER_PER_S * (1 + secondsOver));
    expect(answers.filter(({ status }) => status === 429).length).toBe(answers.length - passed.length);
  });
}
