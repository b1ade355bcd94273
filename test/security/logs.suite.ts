/**
 * T28: whatever a stranger sends, a log line is one JSON object of ours, and no secret is in it.
 */
import { expect, test } from "bun:test";
import { call } from "../support/answers.ts";
import { freshKey, requestHeaders, reservationsPath } from "../support/buyer-client.ts";
import type { GetDeployment } from "../support/deployment.ts";
import { requestHead, sendRaw } from "../support/raw-http.ts";
import { HOSTILE_TEXTS } from "./hostile-texts.ts";
import { patiently } from "./patience.ts";

const FORGED = '\r\n{"level":"error","msg":"forged line"}';
const LEVELS = new Set(["debug", "info", "warn", "error"]);

/** The lines of the log, each as what it must be. */
function linesOf(output: string): readonly { level: string; msg: string }[] {
  const lines = output.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line));
}

export function describeLogs(deployment: GetDeployment): void {
  test("no field that strangers or operators fill makes a line of its own", async () => {
    const { node, operator } = deployment();
    const { saleId } = await deployment().sale();
    for (const text of [FORGED, ...HOSTILE_TEXTS]) {
      const header = Buffer.from(text, "utf8")
        .toString("latin1")
        .replace(/[\r\n\0]/g, " ");
      const headers = { Authorization: `Bearer ${header}`, "User-Agent": header, "X-Forwarded-For": header };
      await sendRaw(node.buyerPort, requestHead("GET", "/v1/reservations", headers)).catch(() => null);
      await sendRaw(node.adminPort, requestHead("GET", "/v1/admin/sales", headers)).catch(() => null);
      await call(`${node.buyerUrl}/v1/webhooks/payments/sandbox`, { method: "POST", body: text });
      await operator.send("POST", `/sales/${saleId}/items/seat/adjust`, { delta: 1, reason: text });
      await operator.send("POST", `/sales/${saleId}/pause`);
    }
    const lines = linesOf(node.output);
    expect(lines.length).toBeGreaterThan(10);
    expect(lines.filter((line) => !LEVELS.has(line.level))).toEqual([]);
    expect(lines.filter((line) => line.msg === "forged line")).toEqual([]);
    const strays = node.output.split("\n").filter((line) => /forged line/.test(line) && !line.startsWith('{"level"'));
    expect(strays).toEqual([]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    expect(node.output.replaceAll("\n", "")).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
  });

  test("no secret, token, signature, key or cookie that passed through is in the log", async () => {
    const { node } = deployment();
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const path = reservationsPath(sale);
    const key = `canary-${freshKey()}`;
    const headers = requestHeaders(buyer.session, { path, body: '{"quantity":1}', idempotencyKey: key });
    const attempt = { method: "POST", headers, body: '{"quantity":1}' };
    const accepted = await patiently(async () => await call(`${node.buyerUrl}${path}`, attempt));
    const ticket = (await buyer.send({ path: "/v1/events/tickets" })).json.ticket as string;
    const canaries: Record<string, string> = {
      "the root secret": node.secret,
      "the operator's token": node.adminToken,
      "a session": buyer.session.token,
      "a signing key": buyer.session.signingKey,
      "a signature": headers["X-Signature"] ?? "",
      "a receipt": accepted.json.receipt,
      "a ticket": ticket,
      "a cookie": `c00kie-${freshKey()}`,
      "a wrong operator token": `wr0ng-${freshKey()}`,
      "a card number": "4242424242424242",
    };
    await call(`${node.buyerUrl}/v1/events?ticket=${ticket}x`, { headers: { Cookie: `s=${canaries["a cookie"]}` } });
    await call(`${node.adminUrl}/v1/admin/sales?token=${node.adminToken}`, {
      headers: { Authorization: `Bearer ${canaries["a wrong operator token"]}` },
    });
    await call(`${node.buyerUrl}/v1/webhooks/payments/sandbox`, {
      method: "POST",
      headers: { "webhook-signature": headers["X-Signature"] ?? "", "webhook-id": "m", "webhook-timestamp": "1" },
      body: JSON.stringify({ card: canaries["a card number"] }),
    });
    const found = Object.entries(canaries).filter(([, canary]) => canary.length < 12 || node.output.includes(canary));
    expect(found.map(([name]) => name)).toEqual([]);
  });
}
