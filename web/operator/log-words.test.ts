/** What the log's writer writes, read back as rows: one a request with its answer, one a sign-in. */
import { expect, test } from "bun:test";
import { stageOperatorApp } from "../../test/support/operator-app.ts";
import { signInAs } from "../../test/support/operator-people.ts";
import { isAbout, type LogEntry, rowsOfLog, spreadEntry } from "./log-words.ts";

const entry = (seq: number, members: unknown): LogEntry => ({ seq, at: seq * 1_000, entry: JSON.stringify(members) });
const ANN = { kind: "person", id: "a", name: "Ann Lee", role: "operator" };
const ADJUST = { event: "asked", actor: ANN, method: "POST", path: "/v1/admin/sales/drop/items/shoe/adjust" };

test("a request and its answer are one row, the newest row first", () => {
  const rows = rowsOfLog([
    entry(1, { event: "signed in", actor: ANN }),
    entry(2, { ...ADJUST, body: { delta: 5, reason: "a box" } }),
    entry(3, { ...ADJUST, body: { delta: 9, reason: "a mistake" } }),
    entry(4, { event: "answered", asked: 3, status: 422 }),
    entry(5, { event: "answered", asked: 2, status: 200 }),
  ]);
  expect(rows.map(({ seq }) => seq)).toEqual([3, 2, 1]);
  expect(rows[1]).toMatchObject({
    who: "Ann Lee (operator)",
    what: "Add 5 units",
    target: "to shoe of sale drop",
    reason: "a box",
    outcome: { tone: "good", text: "done" },
  });
  expect(rows[1]?.entries.map(({ seq }) => seq)).toEqual([2, 5]);
  expect(rows[0]?.outcome).toEqual({ tone: "bad", text: "refused (422)" });
  expect(rows[2]).toMatchObject({ kind: "access", what: "Signed in", outcome: null });
});

test("who consented is named, and a request that waits is told from one that was done", () => {
  const approval = { id: "x", by: { id: "b", name: "Bob Ray" } };
  const rows = rowsOfLog([
    entry(1, { ...ADJUST, body: { delta: 1, reason: "r" } }),
    entry(2, { event: "answered", asked: 1, status: 202 }),
    entry(3, { ...ADJUST, body: { delta: 1, reason: "r" }, approval }),
  ]);
  expect(rows.map(({ approvedBy, outcome }) => [approvedBy, outcome?.text])).toEqual([
    ["Bob Ray", "not known"],
    ["", "waits for a second person"],
  ]);
});

test("an answer whose request is further back, and what is no JSON, are shown as they are", () => {
  const [odd, answer] = rowsOfLog([
    entry(7, { event: "answered", asked: 3, status: 204 }),
    { seq: 8, at: 1, entry: "<b>not ours" },
  ]);
  expect(answer).toMatchObject({ what: "Answer to no. 3", outcome: { text: "done" } });
  expect(odd).toMatchObject({ kind: "other", what: "<b>not ours" });
  expect(spreadEntry("<b>not ours")).toBe("<b>not ours");
});

test("every word of a row can be sought", () => {
  const [row] = rowsOfLog([entry(12, { ...ADJUST, body: { delta: 5, reason: "A box" } })]);
  if (row === undefined) throw new Error("an entry is a row");
  for (const sought of ["ann", " SHOE ", "a BOX", "add 5", "12", "not known", ""]) {
    expect([sought, isAbout(row, sought)]).toEqual([sought, true]);
  }
  expect(isAbout(row, "bob")).toBe(false);
});

test("what the server really writes is understood, to the last entry", async () => {
  const staged = stageOperatorApp();
  const owner = await signInAs(staged, "owner");
  const viewer = await signInAs(staged, "viewer");
  await owner.request("POST", "/bans", { json: { kind: "buyer", subject: "b1", reason: "a scalper" } });
  await viewer.request("POST", "/bans", { json: {} });
  const { entries } = (await (await owner.request("GET", "/log")).json()) as { entries: readonly LogEntry[] };
  const rows = rowsOfLog(entries);
  expect(rows.filter(({ kind }) => kind === "other")).toEqual([]);
  expect(rows[0]).toMatchObject({ what: "Refused", target: "POST /v1/admin/bans", outcome: { tone: "bad" } });
  expect(rows[1]).toMatchObject({
    what: "Ban until lifted",
    target: "buyer b1",
    reason: "a scalper",
    outcome: { text: "done" },
  });
});
