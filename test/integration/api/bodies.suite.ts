/**
 * Bodies and ids that no honest client sends: each is refused by name, and the node goes on.
 *
 * All hot-path bodies here carry a good session, digest and signature, so that nothing but the body itself can be what
 * is refused. Depths and sizes are SECURITY's T16, T17 and T18; ids are T14.
 */
import { expect, test } from "bun:test";
import { type Answer, call, expectAccepted, expectNotFound, expectRefusal } from "../../support/answers.ts";
import { type Buyer, freshKey, requestHeaders, reservationsPath } from "../../support/buyer-client.ts";
import type { GetDeployment } from "../../support/deployment.ts";
import { RawConnection, requestHead, sendRaw } from "../../support/raw-http.ts";

const BODY_BYTES_MAX = 4_096;

/** Bodies of the right size that are not what the schema says. */
const MALFORMED: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>> = {
  "no body": "",
  "a cut-off body": '{"quantity":',
  "a bare word": "one",
  "an array": "[1]",
  null: "null",
  "a number": "1",
  "an empty object": "{}",
  "two values": '{"quantity":1}{"quantity":1}',
  "an unknown field": '{"quantity":1,"price":1}',
  "fields of the server": '{"quantity":1,"status":"paid","holdUntil":9999999999999,"buyerId":"me"}',
  "duplicate keys": '{"quantity":1,"quantity":2}',
  __proto__: '{"quantity":1,"__proto__":{"admin":true}}',
  constructor: '{"quantity":1,"constructor":{"prototype":{"admin":true}}}',
  "a quantity by the prototype": '{"__proto__":{"quantity":1}}',
  "2,000 arrays inside each other": "[".repeat(2_000) + "]".repeat(2_000),
  "a deep challenge": `{"quantity":1,"challenge":${'{"a":'.repeat(500)}1${"}".repeat(500)}}`,
  "a byte order mark": '\ufeff{"quantity":1}',
  "invalid UTF-8": Uint8Array.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  "an overlong NUL": Uint8Array.from([...Buffer.from('{"quantity":1,"a":"'), 0xc0, 0x80, 0x22, 0x7d]),
  "single quotes": "{'quantity':1}",
  "a comment": '{"quantity":1/**/}',
  "a trailing comma": '{"quantity":1,}',
  "UTF-16": Uint8Array.from(Buffer.from('{"quantity":1}', "utf16le")),
};

/** Quantities that are not an integer of at least one: numbers by their value, the rest by their type. */
const BAD_QUANTITIES = ["-1", "0", "-0", "1.5", "1e21", "9007199254740993", "0.9999999999999999", "3"];
const NOT_QUANTITIES = ["1e400", '"1"', "null", "[]", "[1]", "{}", "true", '""'];

const HOSTILE_IDS: readonly string[] = [
  "}{",
  "a|b",
  "a:b",
  "a\u2028b",
  "ünïcode",
  "票",
  "%00",
  "%2e%2e",
  "%2e%2e%2fadmin",
  "..%5c..",
  "a%0d%0aX-Evil:1",
  "%ff",
  "%",
  "a%20b",
  "'%20or%201=1--",
  "$(id)",
  "x".repeat(65),
  "x".repeat(3_000),
];

/** Well-formed as ids, and names of what every JavaScript object inherits. */
const INHERITED_IDS: readonly string[] = ["__proto__", "constructor", "toString", "hasOwnProperty"];

async function sendBytes(buyer: Buyer, path: string, body: Uint8Array, isChunked: boolean): Promise<Answer> {
  const headers = requestHeaders(buyer.session, { path, body, idempotencyKey: freshKey() } as never);
  const port = Number(new URL(buyer.baseUrl).port);
  if (!isChunked)
    return await sendRaw(port, requestHead("POST", path, { ...headers, "Content-Length": `${body.length}` }), body);
  const connection = await RawConnection.open(port);
  try {
    connection.write(requestHead("POST", path, { ...headers, "Transfer-Encoding": "chunked" }));
    connection.write(`${body.length.toString(16)}\r\n`);
    connection.write(body);
    connection.write("\r\n0\r\n\r\n");
    return await connection.answer();
  } finally {
    connection.close();
  }
}

function describeSizes(deployment: GetDeployment): void {
  for (const [how, isChunked] of [
    ["with Content-Length", false],
    ["in chunks", true],
  ] as const) {
    test(`refuses 4,097 bytes and reads 4,096, ${how}`, async () => {
      const sale = await deployment().sale();
      const buyer = await deployment().guest();
      const path = reservationsPath(sale);
      const fits = Buffer.from('{"quantity":1}'.padEnd(BODY_BYTES_MAX, " "));
      expectAccepted(await sendBytes(buyer, path, fits, isChunked));
      const over = Buffer.from('{"quantity":1}'.padEnd(BODY_BYTES_MAX + 1, " "));
      expectRefusal(await sendBytes(buyer, path, over, isChunked), "payload_too_large");
    });
  }

  test("refuses an announced flood before it is sent", async () => {
    const buyer = await deployment().guest();
    const path = reservationsPath(await deployment().sale());
    const headers = requestHeaders(buyer.session, { path, body: "{}", idempotencyKey: freshKey() });
    const connection = await RawConnection.open(deployment().node.buyerPort);
    connection.write(requestHead("POST", path, { ...headers, "Content-Length": "1000000000" }));
    connection.write("{");
    expectRefusal(await connection.answer(), "payload_too_large");
    connection.close();
  });

  test("refuses a flood of headers", async () => {
    const flood = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`X-Flood-${index}`, "x".repeat(2_000)]));
    const connection = await RawConnection.open(deployment().node.buyerPort);
    connection.write(requestHead("GET", "/v1/time", flood));
    const answer = await connection.answer().catch((error: Error) => error);
    if (!(answer instanceof Error)) expect([400, 413, 431]).toContain(answer.status);
    connection.close();
    expect((await fetch(`${deployment().buyerUrl}/v1/time`)).status).toBe(200);
  });

  test("refuses 10,000 arrays inside each other wherever a body is read", async () => {
    const bomb = "[".repeat(10_000) + "]".repeat(10_000);
    const buyer = await deployment().guest();
    const path = reservationsPath(await deployment().sale());
    expectRefusal(await buyer.send({ path, body: bomb, idempotencyKey: freshKey() }), "payload_too_large");
    for (const url of [`${deployment().buyerUrl}/v1/sessions`, `${deployment().node.adminUrl}/v1/admin/sales`]) {
      const answer = await call(url, {
        method: "POST",
        body: bomb,
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${deployment().node.adminToken}` },
      });
      expect([400, 413]).toContain(answer.status);
      expect(answer.json.reason).toMatch(/^(malformed|payload_too_large)$/);
    }
  });
}

function describeHotBodies(deployment: GetDeployment): void {
  test("refuses every body that is not what the schema says as malformed, and takes nothing for it", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const path = reservationsPath(sale);
    const seen: string[] = [];
    for (const [name, body] of Object.entries(MALFORMED)) {
      const answer = await buyer.send({ path, body, idempotencyKey: freshKey() });
      if (answer.json?.reason !== "malformed") seen.push(`${name}: ${answer.status} ${answer.text}`);
      else expectRefusal(answer, "malformed", { retryAfter: false });
    }
    expect(seen).toEqual([]);
    expect((await buyer.list(sale.saleId)).json.reservations).toEqual([]);
    expectAccepted(await buyer.reserve(sale));
  });

  test("refuses every quantity that is not an integer from one to the limit, and takes nothing for it", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const path = reservationsPath(sale);
    for (const quantity of BAD_QUANTITIES) {
      const answer = await buyer.send({ path, body: `{"quantity":${quantity}}`, idempotencyKey: freshKey() });
      expectRefusal(answer, "bad_quantity", { retryAfter: false });
    }
    for (const quantity of NOT_QUANTITIES) {
      const answer = await buyer.send({ path, body: `{"quantity":${quantity}}`, idempotencyKey: freshKey() });
      expect(answer.json?.reason, `${quantity}: ${answer.text}`).toMatch(/^(malformed|bad_quantity)$/);
      expectRefusal(answer, answer.json.reason);
    }
    expect((await buyer.list(sale.saleId)).json.reservations).toEqual([]);
  });

  test("refuses a body that differs from the digest that was signed", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const path = reservationsPath(sale);
    const headers = requestHeaders(buyer.session, { path, body: '{"quantity":1}', idempotencyKey: freshKey() });
    const response = await fetch(`${deployment().buyerUrl}${path}`, {
      method: "POST",
      headers,
      body: '{"quantity":2}',
    });
    const text = await response.text();
    expectRefusal(
      { ...response, status: response.status, headers: response.headers, text, json: JSON.parse(text) },
      "signature_invalid",
    );
    expect((await buyer.list(sale.saleId)).json.reservations).toEqual([]);
  });

  test("refuses an attempt without a usable Idempotency-Key", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    for (const key of ["short", "x".repeat(65), "with space"]) {
      expectRefusal(await buyer.reserve(sale, { key }), "malformed");
    }
    const withoutKey = await buyer.send({ path: reservationsPath(sale), body: '{"quantity":1}' });
    expectRefusal(withoutKey, "malformed");
    for (const key of ["12345678", "k".repeat(64)]) expectAccepted(await buyer.reserve(sale, { key }));
  });

  test("pollutes no prototype", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    await buyer.send({
      path: reservationsPath(sale),
      body: '{"quantity":1,"__proto__":{"reason":"polluted","admin":true}}',
      idempotencyKey: freshKey(),
    });
    await fetch(`${deployment().buyerUrl}/v1/sessions`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: '{"kind":"guest","__proto__":{"kind":"guest","polluted":true}}',
    }).then((response) => response.body?.cancel());
    const { session } = await deployment().guest();
    expect(Object.keys(session).sort()).toEqual(["buyerId", "expiresAt", "signingKey", "token"]);
  });
}

function describeOtherBodies(deployment: GetDeployment): void {
  test("refuses what is not a session request", async () => {
    const bodies = [
      "",
      "{",
      "[]",
      "null",
      "{}",
      '{"kind":"root"}',
      '{"kind":"guest","level":9}',
      '{"kind":"jwt"}',
      '{"kind":"jwt","token":7}',
    ];
    for (const body of [...bodies, '{"kind":"guest","kind":"jwt"}', '\ufeff{"kind":"guest"}']) {
      const answer = await call(`${deployment().buyerUrl}/v1/sessions`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
      });
      expect([answer.status, answer.json?.reason, body]).toEqual([400, "malformed", body]);
    }
  });
}

function describeIds(deployment: GetDeployment): void {
  test("answers every hostile id in a path with a clear no and never with a fault", async () => {
    const buyer = await deployment().guest();
    const { saleId } = await deployment().sale();
    const port = deployment().node.buyerPort;
    const bad: string[] = [];
    for (const id of [...HOSTILE_IDS, ...INHERITED_IDS]) {
      const paths: ReadonlyArray<readonly [string, string]> = [
        ["GET", `/v1/sales/${id}`],
        ["POST", `/v1/sales/${id}/items/seat/reservations`],
        ["POST", `/v1/sales/${saleId}/items/${id}/reservations`],
        ["GET", `/v1/reservations/${id}`],
        ...(INHERITED_IDS.includes(id) ? [] : [["GET", `/v1/reservations?saleId=${id}`] as const]),
        ["DELETE", `/v1/reservations/${id}`],
        ["POST", `/v1/reservations/${id}/checkout`],
        ["POST", `/v1/webhooks/payments/${id}`],
      ];
      for (const [method, path] of paths) {
        const body = method === "POST" ? '{"quantity":1}' : "";
        const rawPath = Buffer.from(path, "utf8").toString("latin1");
        const headers = {
          Authorization: `Bearer ${buyer.session.token}`,
          "Content-Length": String(body.length),
          Connection: "close",
        };
        const answer = await sendRaw(
          port,
          requestHead(method, rawPath, { ...headers, "Idempotency-Key": freshKey() }),
          body,
        ).catch((error: Error) => error);
        if (answer instanceof Error) bad.push(`${method} ${path}: ${answer.message}`);
        else if (answer.status < 400 || answer.status >= 500)
          bad.push(`${method} ${path}: ${answer.status} ${answer.text}`);
      }
    }
    expect(bad).toEqual([]);
  });

  test("answers a path that is not there with a problem document", async () => {
    for (const path of ["/v1", "/v1/nothing", "/v1/admin/sales", "/v1/sales/a/b/c", "/v1//sales//x"]) {
      expectNotFound(await call(`${deployment().buyerUrl}${path}`));
    }
  });
}

export function describeBodies(deployment: GetDeployment): void {
  describeSizes(deployment);
  describeHotBodies(deployment);
  describeOtherBodies(deployment);
  describeIds(deployment);
}
