/**
 * T9 and T32: stock and prices of a running sale, and power over it, take two people; everything is in the log, in advance.
 */
import { beforeEach, expect, test } from "bun:test";
import { createSale, expectProblem, type Staged, stageOperatorApp } from "../../../test/support/operator-app.ts";
import { type SignedIn, signInAs } from "../../../test/support/operator-people.ts";
import { Fault } from "../../domain/faults.ts";
import { ChainCheck } from "../../domain/operator-log.ts";
import { APPROVAL_MS_MAX, PROOF_MS_MAX } from "./gate.ts";

const ADJUST = "/sales/drop/items/shoe/adjust";
const CHANGE = { delta: 5, reason: "found a box" };

let staged: Staged;
let ann: SignedIn;
let bob: SignedIn;
let owner: SignedIn;

beforeEach(async () => {
  staged = stageOperatorApp();
  [ann, bob, owner] = [
    await signInAs(staged, "operator", "ann"),
    await signInAs(staged, "operator", "bob"),
    await signInAs(staged, "owner"),
  ];
});

interface Waiting {
  readonly id: string;
  readonly digest: string;
}

async function ask(who: SignedIn, path = ADJUST, json: unknown = CHANGE, method = "POST"): Promise<Waiting> {
  const response = await who.request(method, path, { json });
  expect(response.status).toBe(202);
  return ((await response.json()) as { approval: Waiting }).approval;
}

const approve = (who: SignedIn, { id, digest }: Waiting) =>
  who.request("POST", `/approvals/${id}/approve`, { json: { digest } });
const total = (): number | undefined => staged.stock.get(1)?.total;
const events = (): Record<string, unknown>[] => staged.operators.entries.map(({ entry }) => JSON.parse(entry));

test("T9: one person alone cannot change the stock of a running sale, whatever his role", async () => {
  await createSale(staged);
  for (const person of [ann, owner]) {
    const waiting = await ask(person);
    await expectProblem(await approve(person, waiting), "forbidden", 403);
    await expectProblem(
      await person.request("POST", `/approvals/${waiting.id}/reject`, { json: {} }),
      "forbidden",
      403,
    );
  }
  expect(total()).toBe(10);
});

test("T9: a second one's consent makes the change once, in the name of the first", async () => {
  await createSale(staged);
  const waiting = await ask(ann);
  const answers = await Promise.all([approve(bob, waiting), approve(owner, waiting), approve(bob, waiting)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
  expect(total()).toBe(15);
  const asked = events().find((event) => event["approval"] !== undefined);
  expect(asked).toMatchObject({
    event: "asked",
    actor: { name: "ann person" },
    path: `/v1/admin${ADJUST}`,
    body: CHANGE,
  });
  const { approvals } = (await (await bob.request("GET", "/approvals")).json()) as { approvals: unknown[] };
  expect(approvals).toMatchObject([{ state: "approved", outcome: 200, requestedBy: { id: "ann" }, body: CHANGE }]);
});

test("T9: what is approved is what was shown", async () => {
  await createSale(staged);
  const waiting = await ask(ann);
  const kept = staged.operators.requests.get(waiting.id);
  if (kept === undefined) throw new Error("the request is kept");
  await expectProblem(await approve(bob, { ...waiting, digest: "A".repeat(43) }), "conflict", 409);
  staged.operators.requests.set(waiting.id, { ...kept, body: '{"delta":5000,"reason":"x"}', digest: "B".repeat(43) });
  await expectProblem(await approve(bob, waiting), "conflict", 409);
  expect(total()).toBe(10);
});

test("a request of somebody who may not any more, or that waited too long, is not made", async () => {
  await createSale(staged);
  const [demoted, gone, late] = [await ask(ann), await ask(ann), await ask(bob)];
  await staged.operators.people.changePerson({ id: "ann", role: "viewer" });
  await expectProblem(await approve(bob, demoted), "conflict", 409);
  await staged.operators.people.changePerson({ id: "ann", role: "operator", isActive: false });
  await expectProblem(await approve(bob, gone), "conflict", 409);
  staged.clock.jump(APPROVAL_MS_MAX);
  for (const session of staged.operators.sessions.values()) session.provenAt = staged.clock.nowMs();
  await expectProblem(await approve(owner, late), "conflict", 409);
  expect(total()).toBe(10);
});

test("a viewer decides nothing, and neither does the machine's token", async () => {
  await createSale(staged);
  const waiting = await ask(ann);
  const viewer = await signInAs(staged, "viewer");
  await expectProblem(await approve(viewer, waiting), "forbidden", 403);
  const path = `/v1/admin/approvals/${waiting.id}/approve`;
  await expectProblem(await staged.request("POST", path, { json: { digest: waiting.digest } }), "forbidden", 403);
  expect(total()).toBe(10);
});

test("rejected and withdrawn requests are over", async () => {
  await createSale(staged);
  const [first, second] = [await ask(ann), await ask(ann)];
  expect((await bob.request("POST", `/approvals/${first.id}/reject`, { json: {} })).status).toBe(200);
  expect((await ann.request("POST", `/approvals/${second.id}/withdraw`, { json: {} })).status).toBe(200);
  await expectProblem(await bob.request("POST", `/approvals/${first.id}/withdraw`, { json: {} }), "conflict", 409);
  for (const waiting of [first, second]) await expectProblem(await approve(owner, waiting), "conflict", 409);
  await expectProblem(await approve(owner, { id: "nothing", digest: first.digest }), "not_found", 404);
  expect(total()).toBe(10);
});

test("T9: a pause is no way around it, and neither is a tier's earlier opening", async () => {
  const opensAt = staged.clock.nowMs() + 60_000;
  const eligibility = { allowlist: true, tiers: [{ name: "friends", opensAt: staged.clock.nowMs() - 1_000 }] };
  await createSale(staged, { opensAt, eligibility });
  await ask(ann);
  await createSale(staged, { id: "other" });
  expect((await ann.request("POST", "/sales/other/pause", { json: {} })).status).toBe(200);
  await ask(ann, "/sales/other/items/shoe/adjust");
});

test("before it opens and after it closed, one is enough; prices follow the same rule", async () => {
  await createSale(staged, { opensAt: staged.clock.nowMs() + 60_000 });
  expect((await ann.request("POST", ADJUST, { json: CHANGE })).status).toBe(200);
  expect(total()).toBe(15);
  const price = "/sales/drop/items/shoe/price";
  const changed = await ann.request("PUT", price, { json: { amount: 5_100, reason: "typing mistake" } });
  expect(await changed.json()).toMatchObject({ items: [{ price: { amount: 5_100, currency: "EUR" } }] });
  staged.clock.jump(60_000);
  const waiting = await ask(ann, price, { amount: 1, reason: "for friends" }, "PUT");
  expect(staged.sales.get("drop")?.items[0]?.price.amount).toBe(5_100);
  expect((await approve(bob, waiting)).status).toBe(200);
  expect(staged.sales.get("drop")?.items[0]?.price.amount).toBe(1);
});

test("the machine's token changes stock alone, and that is logged before it is done", async () => {
  await createSale(staged);
  const response = await staged.request("POST", `/v1/admin${ADJUST}`, { json: CHANGE });
  expect(response.status).toBe(200);
  expect(total()).toBe(15);
  expect(events().slice(-2)).toMatchObject([
    { event: "asked", actor: { kind: "machine", role: "owner" }, method: "POST", body: CHANGE },
    { event: "answered", status: 200 },
  ]);
});

test("T32: where the log cannot be written, nothing is changed", async () => {
  await createSale(staged);
  staged.operators.logFault = new Fault("DATABASE_UNAVAILABLE");
  for (const send of [
    () => staged.request("POST", `/v1/admin${ADJUST}`, { json: CHANGE }),
    () => staged.request("POST", "/v1/admin/sales/drop/close", { json: {} }),
    () => ann.request("POST", "/sales/drop/pause", { json: {} }),
    () => ann.request("POST", ADJUST, { json: CHANGE }),
  ]) {
    await expectProblem(await send(), "unavailable", 503);
  }
  expect([total(), staged.sales.get("drop")?.phase, staged.operators.requests.size]).toEqual([10, "scheduled", 0]);
});

test("T32: every change has its entry and its answer, refusals too, and the chain holds", async () => {
  await createSale(staged);
  await staged.request("POST", "/v1/admin/sales/drop/close", { json: { dryRun: true } });
  await ann.request("DELETE", "/bans/nobody");
  await (await signInAs(staged, "viewer")).request("POST", "/sales/drop/pause", { json: {} });
  expect(events().map(({ event, status }) => status ?? event)).toEqual([
    "asked",
    201,
    "asked",
    400,
    "asked",
    404,
    "refused",
  ]);
  const check = new ChainCheck();
  expect(check.follow(staged.operators.entries)).toBeNull();
  const log = (await (await owner.request("GET", "/log?after=2&limit=3")).json()) as {
    head: unknown;
    entries: unknown[];
  };
  expect(log.head).toEqual(check.head);
  expect(log.entries).toEqual(staged.operators.entries.slice(2, 5));
});

test("a body that is long is logged by its digest, and no body of a wrong kind stops the log", async () => {
  await createSale(staged, { description: "x".repeat(1_990) });
  expect(events()[0]).toMatchObject({ body: { characters: expect.any(Number), sha256: expect.any(String) } });
  await staged.request("POST", "/v1/admin/sales", { body: "{ no json" });
  expect(events().at(-2)).toMatchObject({ event: "asked", body: { characters: 9 } });
});

test("T32: a dry run tells what would be, needs nobody else, and changes nothing", async () => {
  await createSale(staged);
  const viewer = await signInAs(staged, "viewer");
  const path = `${ADJUST}/dry-run`;
  const told = (await (await viewer.request("POST", path, { json: { delta: -4, reason: "x" } })).json()) as unknown;
  expect(told).toMatchObject({ before: { total: 10, free: 10 }, after: { total: 6, free: 6, granted: 0 } });
  await expectProblem(await viewer.request("POST", path, { json: { delta: -11, reason: "x" } }), "conflict", 409);
  await expectProblem(await viewer.request("POST", path, { json: { delta: 0, reason: "x" } }), "malformed", 400);
  expect(total()).toBe(10);
});

test("what will be refused anyway is refused before anybody else is asked", async () => {
  await createSale(staged);
  const problem = await expectProblem(await ann.request("POST", ADJUST, { json: { delta: 0 } }), "malformed", 400);
  expect(problem["errors"]).toHaveLength(2);
  expect(staged.operators.requests.size).toBe(0);
});

test("a proof that is old is asked for again where it takes two, and nowhere else", async () => {
  await createSale(staged);
  const waiting = await ask(bob);
  staged.clock.jump(PROOF_MS_MAX + 1);
  await expectProblem(await ann.request("POST", ADJUST, { json: CHANGE }), "proof_required", 403);
  await expectProblem(await approve(ann, waiting), "proof_required", 403);
  expect((await ann.request("POST", "/sales/drop/pause", { json: {} })).status).toBe(200);
});

test("T9: nobody gives power to anybody alone, and taking it away is quick", async () => {
  await createSale(staged);
  const second = await signInAs(staged, "owner", "second");
  const raise = await ask(owner, "/people/ann", { role: "owner" }, "PATCH");
  await expectProblem(await approve(bob, raise), "forbidden", 403);
  expect(staged.operators.kept.get("ann")?.person.role).toBe("operator");
  expect((await approve(second, raise)).status).toBe(200);
  expect(staged.operators.kept.get("ann")?.person.role).toBe("owner");
  expect((await owner.request("PATCH", "/people/ann", { json: { isActive: false } })).status).toBe(200);
  await ask(owner, "/people/ann", { isActive: true }, "PATCH");
  expect((await owner.request("PATCH", "/people/bob", { json: { role: "viewer" } })).status).toBe(200);
  const newcomer = { name: "Eve", role: "owner", externalId: "idp-eve" };
  const waiting = await ask(owner, "/people", newcomer);
  expect((await approve(second, waiting)).status).toBe(201);
});

test("T9: nobody who signed in can make an invitation, or a person that enrols by one", async () => {
  const second = await signInAs(staged, "owner", "second");
  const waiting = await ask(owner, "/people", { name: "Eve", role: "owner" });
  await expectProblem(await approve(second, waiting), "forbidden", 403);
  await expectProblem(await owner.request("POST", "/people/ann/invitation", { json: {} }), "forbidden", 403);
  expect([...staged.operators.kept.values()].filter(({ invitation }) => invitation !== null)).toEqual([]);
});

test("recovering orders takes two owners whenever it is", async () => {
  await createSale(staged, { opensAt: staged.clock.nowMs() + 60_000 });
  const waiting = await ask(owner, "/sales/drop/recover", { from: "stream" });
  await expectProblem(await approve(ann, waiting), "forbidden", 403);
  expect((await approve(await signInAs(staged, "owner", "second"), waiting)).status).toBe(200);
});
