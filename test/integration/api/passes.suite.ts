/**
 * Armed attempts and tiers over HTTP: a pass is asked for before the opening and alone makes the attempt at it.
 */
import { expect, test } from "bun:test";
import { type Answer, call, expectAccepted, expectRefusal } from "../../support/answers.ts";
import { Buyer, freshKey, reservationsPath } from "../../support/buyer-client.ts";
import type { GetDeployment } from "../../support/deployment.ts";
import { seat } from "../../support/operator-client.ts";
import { shopToken } from "../../support/shop-login.ts";
import { waitUntil } from "../../support/waiting.ts";

const HOUR_MS = 3_600_000;
const OPENS_IN_MS = 1_500;

interface Item {
  readonly saleId: string;
  readonly sku: string;
}

function askForPass(buyer: Buyer, item: Item, wish: Record<string, unknown> = {}): Promise<Answer> {
  const body = JSON.stringify({ sku: item.sku, quantity: 1, idempotencyKey: freshKey(), ...wish });
  return buyer.send({ path: `/v1/sales/${item.saleId}/passes`, body });
}

/** An attempt that proves nothing but its pass. */
function attemptWith(
  baseUrl: string,
  item: Item,
  attempt: { pass: string; key: string; quantity?: number },
): Promise<Answer> {
  return call(`${baseUrl}${reservationsPath(item)}`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": attempt.key, "x-pass": attempt.pass },
    body: JSON.stringify({ quantity: attempt.quantity ?? 1 }),
  });
}

export function describePasses(deployment: GetDeployment): void {
  test("a pass from before the opening buys at it, once, whoever sends it and however often", async () => {
    const opensAt = Date.now() + OPENS_IN_MS;
    const item = await deployment().sale({ opensAt });
    const buyer = await deployment().guest();
    const key = freshKey();
    const answer = await askForPass(buyer, item, { idempotencyKey: key, quantity: 2 });
    expect(answer.status, answer.text).toBe(201);
    expect(Object.keys(answer.json).sort()).toEqual(["expiresAt", "opensAt", "pass"]);
    expect(answer.json.opensAt).toBe(opensAt);
    expect(answer.headers.get("cache-control")).toContain("no-store");
    const { pass } = answer.json;
    const url = deployment().buyerUrl;
    expectRefusal(await attemptWith(url, item, { pass, key, quantity: 2 }), "not_open", { retryAfter: true });
    const first = await waitUntil("the opening", async () => {
      const tried = await attemptWith(url, item, { pass, key, quantity: 2 });
      return tried.json?.reason === "not_open" ? null : tried;
    });
    const { rid } = expectAccepted(first);
    const again = await Promise.all(
      Array.from({ length: 20 }, () => attemptWith(url, item, { pass, key, quantity: 2 })),
    );
    for (const repeated of again) expect(expectAccepted(repeated).rid).toBe(rid);
    expect((await buyer.list(item.saleId)).json.reservations).toHaveLength(1);
    // The signed attempt of the same key is the same attempt.
    expect(expectAccepted(await buyer.reserve(item, { key, quantity: 2 })).rid).toBe(rid);
  });

  test("a pass fits nothing but its own attempt", async () => {
    const item = await deployment().sale({ items: [seat({}), seat({ sku: "stool" })] });
    const other = await deployment().sale();
    const buyer = await deployment().guest();
    const key = freshKey();
    const { pass } = (await askForPass(buyer, item, { idempotencyKey: key })).json;
    const url = deployment().buyerUrl;
    const wrongs = [
      attemptWith(url, item, { pass, key: freshKey() }),
      attemptWith(url, item, { pass, key, quantity: 2 }),
      attemptWith(url, { ...item, sku: "stool" }, { pass, key }),
      attemptWith(url, other, { pass, key }),
      attemptWith(url, item, { pass: `${pass.slice(0, -1)}${pass.endsWith("A") ? "E" : "A"}`, key }),
      attemptWith(url, item, { pass: buyer.session.token, key }),
    ];
    for (const wrong of wrongs) expectRefusal(await wrong, "pass_invalid");
    const twice = await buyer.reserve(item, { key, headers: { "x-pass": pass } });
    expectRefusal(twice, "malformed");
    expectAccepted(await attemptWith(url, item, { pass, key }));
  });

  test("a pass is given to sessions only, signed where the sale demands it, and to whoever may buy", async () => {
    const item = await deployment().sale({ eligibility: { levelMin: 1 } });
    const guest = await deployment().guest();
    const path = `/v1/sales/${item.saleId}/passes`;
    const wish = { sku: item.sku, quantity: 1, idempotencyKey: freshKey() };
    const body = JSON.stringify(wish);
    const url = deployment().buyerUrl;
    expectRefusal(await call(`${url}${path}`, { method: "POST", body }), "session_missing");
    expectRefusal(await guest.send({ path, body, isUnsigned: true }), "signature_missing");
    expectRefusal(await guest.send({ path, body }), "not_eligible");
    const member = await Buyer.login(url, shopToken({ sub: freshKey(), level: 1 }));
    expect((await member.send({ path, body })).status).toBe(201);
    expectRefusal(await member.send({ path, body: JSON.stringify({ ...wish, quantity: 3 }) }), "bad_quantity");
    expectRefusal(await member.send({ path, body: JSON.stringify({ ...wish, sku: "none" }) }), "no_such_item");
    expectRefusal(await member.send({ path: "/v1/sales/none/passes", body }), "no_such_sale");
    for (const wrong of [{ ...wish, price: 1 }, { ...wish, idempotencyKey: "short" }, { ...wish, quantity: "1" }, []]) {
      expectRefusal(await member.send({ path, body: JSON.stringify(wrong) }), "malformed");
    }
  });

  test("tiers come first: by list and by level, each at its own instant, the ledger with them", async () => {
    const now = Date.now();
    const tiers = [
      { name: "gold", opensAt: now - 1_000 },
      { name: "loyal", opensAt: now - 500, levelMin: 2 },
      { name: "later", opensAt: now + HOUR_MS / 2, levelMin: 1 },
    ];
    const item = await deployment().sale({
      opensAt: now + HOUR_MS,
      closesAt: now + 2 * HOUR_MS,
      eligibility: { tiers },
    });
    const url = deployment().buyerUrl;
    const listed = await deployment().guest();
    const stranger = await deployment().guest();
    const upload = await fetch(`${deployment().operator.baseUrl}/v1/admin/sales/${item.saleId}/allowlist`, {
      method: "PUT",
      headers: { authorization: `Bearer ${deployment().node.adminToken}`, "content-type": "text/csv" },
      body: `buyerId,tier\n${listed.buyerId},gold\n`,
    });
    expect(await upload.json()).toEqual({ saleId: item.saleId, buyers: 1 });
    const loyal = await Buyer.login(url, shopToken({ sub: freshKey(), level: 2 }));
    const member = await Buyer.login(url, shopToken({ sub: freshKey(), level: 1 }));
    await waitUntil("the list to be read", async () => (await listed.reserve(item)).status === 201);
    expectAccepted(await loyal.reserve(item));
    expect(expectRefusal(await member.reserve(item), "not_open").opensAt).toBe(now + HOUR_MS / 2);
    expect(expectRefusal(await stranger.reserve(item), "not_open").opensAt).toBe(now + HOUR_MS);
    expect((await askForPass(loyal, item)).json.opensAt).toBe(now - 500);
    expect((await askForPass(member, item)).json.opensAt).toBe(now + HOUR_MS / 2);
    expect((await askForPass(stranger, item)).json.opensAt).toBe(now + HOUR_MS);
    const shown = (await call(`${url}/v1/sales/${item.saleId}`)).json;
    expect(shown).toMatchObject({ state: "scheduled", opensAt: now + HOUR_MS });
    expect(shown.tiers).toEqual(tiers.map(({ name, opensAt }) => ({ name, opensAt })));
    // Opened by hand it is open to everybody.
    await deployment().operator.command(item.saleId, "open");
    await waitUntil("the sale to be open", async () => (await stranger.reserve(item)).status === 201);
  });
}
