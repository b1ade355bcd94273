/**
 * T10 and T27 with a real browser: what pages of other sites can do with ours, and what names can do inside them.
 *
 * "localhost" and "127.0.0.1" are two sites to a browser. The shop's origin is let in, the other one is not; both serve
 * an empty page from which the test acts as their scripts would.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { HOSTILE_TEXTS } from "../security/hostile-texts.ts";
import { NO_LIMITS } from "../support/open-limits.ts";
import { saleSpec, seat } from "../support/operator-client.ts";
import { useTestBed } from "./browser.ts";

let shop: Server;
let stranger: Server;

async function serveEmptyPage(): Promise<Server> {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>a page</title>");
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  return server;
}

/** The site "localhost", where nodes are on 127.0.0.1. */
function originOf(server: Server): string {
  return `http://localhost:${(server.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  [shop, stranger] = await Promise.all([serveEmptyPage(), serveEmptyPage()]);
});
afterAll(() => {
  for (const server of [shop, stranger]) server?.close();
});
const bed = useTestBed({ env: () => ({ CORS_ORIGINS: originOf(shop), ...NO_LIMITS }) });

/** Runs a script as the page of an origin would; it may use `node`, the address of ours. */
async function actAs(server: Server, script: string): Promise<unknown> {
  const context = await bed.browser.newContext();
  const page = await context.newPage();
  await page.goto(originOf(server));
  const answer = await page.evaluate(`(async (node) => { ${script} })(${JSON.stringify(bed.deployment.buyerUrl)})`);
  return answer;
}

const START_SESSION = `
  const answer = await fetch(node + "/v1/sessions", {
    method: "POST", headers: { "content-type": "application/json" }, body: '{"kind":"guest"}',
  }).catch((error) => error.name);
  return typeof answer === "string" ? answer : { status: answer.status, ...(await answer.json()) };`;

test("T10: the shop's page starts a session, reads a sale and its refusals, and is told how long to wait", async () => {
  const { saleId } = await bed.deployment.sale({ opensAt: Date.now() + 600_000 });
  const session = (await actAs(shop, START_SESSION)) as { status: number; token: string };
  expect([session.status, typeof session.token]).toEqual([201, "string"]);
  const attempt = await actAs(
    shop,
    `const answer = await fetch(node + "/v1/sales/${saleId}/items/seat/reservations", {
       method: "POST", body: '{"quantity":1}',
       headers: { authorization: "Bearer ${session.token}", "content-type": "application/json",
                  "idempotency-key": "a-key-of-the-page", "x-nonce": "n".repeat(16), "x-timestamp": "1",
                  "x-signature": "s".repeat(43), "content-digest": "sha-256=:x:" } });
     return [answer.status, (await answer.json()).reason];`,
  );
  expect(attempt).toEqual([425, "not_open"]);
});

test("T10: a stranger's page reads nothing, and is not even told what became of what it sent blindly", async () => {
  expect(await actAs(stranger, START_SESSION)).toBe("TypeError");
  const read = `return await fetch(node + "/v1/time").then(() => "read", (error) => error.name);`;
  expect(await actAs(stranger, read)).toBe("TypeError");
  const context = await bed.browser.newContext();
  const page = await context.newPage();
  await page.goto(originOf(stranger));
  const failed = page.waitForEvent("requestfailed", (request) => request.url().endsWith("/v1/sessions"));
  await page.evaluate(
    `fetch(${JSON.stringify(`${bed.deployment.buyerUrl}/v1/sessions`)}, { method: "POST", mode: "no-cors", body: '{"kind":"guest"}' }).catch(() => null)`,
  );
  expect((await failed).failure()?.errorText).toContain("ERR_BLOCKED_BY_RESPONSE");
});

test("T10: a stranger's form is turned away, and our pages show up in nobody's frame", async () => {
  const context = await bed.browser.newContext();
  const page = await context.newPage();
  await page.goto(originOf(stranger));
  const sessions = JSON.stringify(`${bed.deployment.buyerUrl}/v1/sessions`);
  await page.evaluate(
    `const form = document.createElement("form"); form.method = "POST"; form.action = ${sessions};
     form.enctype = "text/plain"; form.innerHTML = '<input name=\\'{"kind":"guest","a":"\\' value=\\'"}\\'>';
     document.body.append(form); form.submit();`,
  );
  await page.waitForURL((url) => url.pathname === "/v1/sessions");
  expect(await page.content()).toContain("cross_site");
  await page.goto(originOf(stranger));
  const refused = page.waitForEvent("console", (message) => message.text().includes("frame-ancestors 'none'"));
  await page.evaluate(
    `const frame = document.createElement("iframe"); frame.src = ${JSON.stringify(`${bed.deployment.buyerUrl}/`)};
     document.body.append(frame);`,
  );
  expect((await refused).text()).toContain(bed.deployment.buyerUrl);
});

/** True when something that a name says has run: a title may quote it, but is nothing else then. */
async function isBrokenInto(page: Page): Promise<boolean> {
  return /^broken.in$/.test(await page.title());
}

test("T27: no name breaks into the buyer's pages, however many hostile ones there are", async () => {
  const created: string[] = [];
  for (const text of HOSTILE_TEXTS) {
    const spec = saleSpec({ name: text, description: text, items: [seat({ name: text })] });
    const answer = await bed.deployment.operator.send("POST", "/sales", spec);
    if (answer.status === 201) created.push(answer.json.id);
  }
  expect(created.length).toBeGreaterThan(15);
  const watched = await bed.open();
  const { page } = watched;
  page.on("dialog", (dialog) => void dialog.dismiss());
  await page.goto(`${bed.deployment.buyerUrl}/`);
  await page
    .getByRole("link", { name: /<script>/ })
    .first()
    .waitFor();
  expect(await isBrokenInto(page)).toBe(false);
  expect(await page.locator("main script, main img[onerror], main iframe").count()).toBe(0);
  for (const saleId of created) {
    await page.goto(`${bed.deployment.buyerUrl}/sales/${saleId}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    expect([saleId, await isBrokenInto(page)]).toEqual([saleId, false]);
  }
  watched.expectNoComplaints();
});
