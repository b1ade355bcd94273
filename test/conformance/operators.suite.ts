/**
 * People, their sessions, the log's chain and approvals on real databases: what is good once is good once for everybody.
 */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { PostgresApprovalStore } from "../../src/adapters/postgres/postgres-approval-store.ts";
import { PostgresOperatorLog } from "../../src/adapters/postgres/postgres-operator-log.ts";
import { PostgresOperatorStore } from "../../src/adapters/postgres/postgres-operator-store.ts";
import { ChainCheck, FIRST_PREVIOUS, type LogHead } from "../../src/domain/operator-log.ts";
import type { OperatorRole } from "../../src/domain/operator-role.ts";
import type { Person } from "../../src/ports/operator-store.ts";
import { type LedgerFixture, openSale, present } from "./ledger-fixture.ts";

const NOW_MS = 1_800_000_000_000;
const IDLE_MS_MAX = 3_600_000;
const CROWD = 20;

function describePeople(name: string, open: () => Promise<LedgerFixture>): void {
  describe(`operators: ${name}`, () => {
    let fixture: LedgerFixture;
    let store: PostgresOperatorStore;
    let approvals: PostgresApprovalStore;
    before(async () => {
      fixture = await open();
      store = new PostgresOperatorStore(fixture.database);
      approvals = new PostgresApprovalStore(fixture.database);
    });
    beforeEach(async () => {
      await fixture.database.query({ text: "TRUNCATE approval, operator_session, operator" });
    });
    after(() => fixture.close());

    const invitation = { hash: "invited", expiresAt: NOW_MS + 1_000, totpSealed: "sealed" };
    async function add(id: string, role: OperatorRole = "operator"): Promise<Person> {
      const added = await store.addPerson({ id, name: id, role, externalId: `idp-${id}`, invitation: null });
      if (added === "taken") throw new Error(`${id} is taken`);
      return added;
    }
    const find = (tokenHash: string, nowMs = NOW_MS, isUse = true) =>
      store.findSession({ tokenHash, nowMs, idleMsMax: IDLE_MS_MAX, isUse });

    test("a name is taken in whatever case, and so is an external id", async () => {
      await store.addPerson({ id: "1", name: "Ann", role: "owner", externalId: null, invitation });
      const again = { id: "2", name: "aNN", role: "viewer" as const, externalId: null, invitation: null };
      assert.equal(await store.addPerson(again), "taken");
      await add("bob");
      assert.equal(await store.addPerson({ ...again, name: "Bobby", externalId: "idp-bob" }), "taken");
      assert.deepEqual(
        (await store.listPeople()).map((person) => person.name),
        ["Ann", "bob"],
      );
      assert.equal((await store.findCredentials("ANN"))?.person.id, "1");
      assert.equal((await store.findExternal("idp-bob"))?.isEnrolled, true);
    });

    test("an invitation is taken up by one of many, and not after its time", async () => {
      const person = { id: "1", name: "Ann", role: "owner" as const, externalId: null, invitation };
      const added = await store.addPerson(person);
      assert.ok(added !== "taken" && !added.isEnrolled);
      const enrolment = { invitationHash: "invited", passwordHash: "hash", totpStep: 7 };
      assert.equal(await store.enrol({ ...enrolment, nowMs: NOW_MS + 1_000 }), null);
      assert.equal(await store.findInvitation("invited", NOW_MS + 1_000), null);
      const tries = Array.from({ length: CROWD }, () => store.enrol({ ...enrolment, nowMs: NOW_MS }));
      const enrolled = (await Promise.all(tries)).filter((one) => one !== null);
      assert.equal(enrolled.length, 1);
      assert.equal(enrolled[0]?.isEnrolled, true);
      assert.equal(await store.findInvitation("invited", NOW_MS), null);
      assert.equal((await store.findCredentialsOf("1"))?.passwordHash, "hash");
    });

    test("a code's time step is claimed by one of many, and no earlier one after it", async () => {
      await add("ann");
      const claims = await Promise.all(Array.from({ length: CROWD }, () => store.claimTotpStep("ann", 100)));
      assert.equal(claims.filter(Boolean).length, 1);
      assert.equal(await store.claimTotpStep("ann", 99), false);
      assert.equal(await store.claimTotpStep("ann", 101), true);
    });

    test("a session is its owner's as he is now: his role at once, and nothing once he is out", async () => {
      await add("ann");
      await store.openSession({ tokenHash: "t", personId: "ann", nowMs: NOW_MS, expiresAt: NOW_MS + 9_000_000 });
      assert.equal((await find("t"))?.person.role, "operator");
      await store.changePerson({ id: "ann", role: "viewer" });
      assert.equal((await find("t"))?.person.role, "viewer");
      await store.changePerson({ id: "ann", isActive: false });
      assert.equal(await find("t"), null);
      await store.changePerson({ id: "ann", isActive: true });
      assert.equal(await find("t"), null, "old sessions do not come back with him");
    });

    test("a session ends by its time, by idleness, by its owner's word and with a new invitation", async () => {
      await store.addPerson({ id: "ann", name: "Ann", role: "owner", externalId: null, invitation });
      const open = (tokenHash: string) =>
        store.openSession({ tokenHash, personId: "ann", nowMs: NOW_MS, expiresAt: NOW_MS + 9_000_000 });
      await Promise.all(["a", "b", "c"].map(open));
      assert.equal(await find("a", NOW_MS + 9_000_000), null);
      assert.equal(await find("a", NOW_MS + IDLE_MS_MAX), null);
      assert.notEqual(await find("a", NOW_MS + IDLE_MS_MAX - 1, false), null);
      assert.equal(await find("a", NOW_MS + IDLE_MS_MAX + 1), null, "looking at it was no use of it");
      assert.notEqual(await find("a", NOW_MS + IDLE_MS_MAX - 1), null);
      assert.notEqual(await find("a", NOW_MS + IDLE_MS_MAX + 1), null, "its use a moment ago counts");
      await store.proveSession("a", NOW_MS + 5);
      assert.equal((await find("a"))?.provenAt, NOW_MS + 5);
      await store.endSession("b");
      assert.equal(await find("b"), null);
      assert.equal(await store.invite("ann", { ...invitation, hash: "again" }), true);
      assert.equal(await find("c"), null);
      assert.equal((await store.findCredentialsOf("ann"))?.passwordHash, null);
    });

    test("who signs in at the identity provider cannot be given a password", async () => {
      await add("bob");
      assert.equal(await store.invite("bob", invitation), false);
      assert.equal(await store.invite("nobody", invitation), false);
    });

    const call = { method: "POST", path: "/v1/admin/x", body: "{}", digest: "d", role: "operator" as const };
    const request = (id: string) =>
      approvals.request({ ...call, id, requestedBy: "ann", nowMs: NOW_MS, expiresAt: NOW_MS + 1_000 });

    test("a request is decided once, by somebody else, in time", async () => {
      await Promise.all(["ann", "bob", "cid"].map((id) => add(id)));
      const made = await request("r");
      assert.deepEqual([made.state, made.requestedBy, made.decidedBy], ["waiting", { id: "ann", name: "ann" }, null]);
      const decide = (by: string, state: "approved" | "rejected" | "withdrawn", nowMs = NOW_MS) =>
        approvals.decide({ id: "r", by, state, nowMs });
      assert.equal(await decide("ann", "approved"), false);
      assert.equal(await decide("ann", "rejected"), false);
      assert.equal(await decide("bob", "withdrawn"), false);
      assert.equal(await decide("bob", "approved", NOW_MS + 1_000), false);
      const both = await Promise.all(
        Array.from({ length: CROWD }, (_, n) => decide(n % 2 ? "bob" : "cid", n % 3 ? "approved" : "rejected")),
      );
      assert.equal(both.filter(Boolean).length, 1);
      await approvals.finish("r", 200);
      await approvals.finish("r", 500);
      assert.equal((await approvals.find("r"))?.outcome, 200);
      assert.equal((await approvals.list({ rowsMax: 5 })).length, 1);
    });

    test("one who asks takes his request back, even after its time", async () => {
      await add("ann");
      await request("r");
      assert.equal(await approvals.decide({ id: "r", by: "ann", state: "withdrawn", nowMs: NOW_MS + 9_999 }), true);
      assert.equal((await approvals.find("r"))?.state, "withdrawn");
    });

    test("T32: the table itself refuses that one person is two", async () => {
      await add("ann");
      await request("r");
      const cheat = { text: "UPDATE approval SET state = 'approved', decided_by = requested_by, decided_at = 1" };
      await assert.rejects(fixture.database.query(cheat), /two_people/);
    });
  });
}

function describeLog(name: string, open: () => Promise<LedgerFixture>): void {
  describe(`operator log: ${name}`, () => {
    let fixture: LedgerFixture;
    let log: PostgresOperatorLog;
    before(async () => {
      fixture = await open();
      log = new PostgresOperatorLog(fixture.database);
    });
    beforeEach(async () => {
      await tamper("DELETE FROM operator_log");
      await fixture.database.query({
        text: `UPDATE operator_log_head SET seq = 0, hash = '${FIRST_PREVIOUS}'`,
      });
      await Promise.all(Array.from({ length: CROWD }, (_, n) => log.append(JSON.stringify({ n, text: "ü\n\\u2028" }))));
    });
    after(() => fixture.close());

    /** What an administrator of the database can do, and the product cannot. */
    async function tamper(text: string): Promise<void> {
      await fixture.database.query({ text: "ALTER TABLE operator_log DISABLE TRIGGER operator_log_kept" });
      await fixture.database.query({ text });
      await fixture.database.query({ text: "ALTER TABLE operator_log ENABLE TRIGGER operator_log_kept" });
    }
    async function verdict(expected: LogHead | null = null): Promise<string | null> {
      const check = new ChainCheck(expected);
      for (;;) {
        const entries = await log.read({ afterSeq: check.head.seq, rowsMax: 7 });
        if (entries.length === 0) return check.finish(await log.head());
        const wrong = check.follow(entries);
        if (wrong !== null) return wrong;
      }
    }

    test("entries written at once are one chain without gaps, that another program can follow", async () => {
      assert.equal(await verdict(), null);
      assert.equal((await log.head()).seq, CROWD);
    });

    test("T32: an entry that was changed, re-dated, left out, swapped or put in is found", async () => {
      const attacks: readonly (readonly [string, RegExp])[] = [
        [`UPDATE operator_log SET entry = '{"n":99}' WHERE seq = 5`, /entry 5 was changed/],
        ["UPDATE operator_log SET at = at + 1 WHERE seq = 20", /entry 20 was changed/],
        ["DELETE FROM operator_log WHERE seq = 5", /entry 5 is missing/],
        ["DELETE FROM operator_log WHERE seq = 1", /entry 1 is missing/],
        ["DELETE FROM operator_log WHERE seq > 15", /end was cut off/],
        [
          "UPDATE operator_log a SET entry = b.entry FROM operator_log b WHERE (a.seq, b.seq) IN ((3, 4), (4, 3))",
          /entry 3 was changed/,
        ],
        [
          "INSERT INTO operator_log SELECT seq + 1, at, entry, hash, hash FROM operator_log WHERE seq = 20",
          /entry 21 was changed/,
        ],
      ];
      for (const [attack, expected] of attacks) {
        const kept = await fixture.database.query<Record<string, string | number>>({
          text: "SELECT seq, at, entry, previous, hash FROM operator_log ORDER BY seq",
        });
        await tamper(attack);
        assert.match(String(await verdict()), expected, attack);
        await tamper("DELETE FROM operator_log");
        for (const row of kept) {
          const values = ["seq", "at", "entry", "previous", "hash"].map((member) => present(row[member]));
          await fixture.database.query({ text: "INSERT INTO operator_log VALUES ($1, $2, $3, $4, $5)" }, values);
        }
        assert.equal(await verdict(), null);
      }
    });

    test("T32: a chain that was written anew as a whole is found by an end that was noted before", async () => {
      const noted = await log.head();
      assert.equal(await verdict(noted), null);
      await tamper("DELETE FROM operator_log");
      await fixture.database.query({ text: `UPDATE operator_log_head SET seq = 0, hash = '${FIRST_PREVIOUS}'` });
      for (let n = 0; n < CROWD - 1; n += 1) await log.append(`{"forged":${n}}`);
      assert.equal(await verdict(), null, "it is consistent in itself");
      assert.match(String(await verdict(noted)), /entry 20 was noted before/);
      await log.append("{}");
      assert.match(String(await verdict(noted)), /another hash than the one that was noted/);
    });

    test("T32: the log cannot be changed by a statement of the product", async () => {
      for (const text of [
        "UPDATE operator_log SET entry = ''",
        "DELETE FROM operator_log",
        "TRUNCATE operator_log",
        "DELETE FROM operator_log WHERE false",
      ]) {
        await assert.rejects(fixture.database.query({ text }), /append-only/, text);
      }
    });
  });
}

function describePrices(name: string, open: () => Promise<LedgerFixture>): void {
  describe(`prices: ${name}`, () => {
    let fixture: LedgerFixture;
    before(async () => {
      fixture = await open();
    });
    after(() => fixture.close());

    test("a price changes while nobody was promised the old one, and never after", async () => {
      const sale = await openSale(fixture, { stocks: [5, 5] });
      const sku = present(sale.items[0]).sku;
      const changed = await fixture.sales.changePrice({ saleId: sale.id, sku, amount: 1_500 });
      assert.equal(changed?.items[0]?.price.amount, 1_500);
      assert.ok(present(changed).revision > sale.revision);
      assert.equal(await fixture.sales.changePrice({ saleId: sale.id, sku: "nothing" as never, amount: 1 }), null);
      await fixture.database.query(
        {
          text: `INSERT INTO orders (rid, sale_id, item_id, buyer_id, quantity, epoch, seq, status, hold_until, amount,
                   created_at, updated_at) VALUES ('r', $1, $2, 'b', 1, 1, 1, 'held', 1, 1500, 1, 1)`,
        },
        [sale.id, present(sale.items[0]).itemId],
      );
      await assert.rejects(fixture.sales.changePrice({ saleId: sale.id, sku, amount: 1_600 }), /order/);
      const other = present(sale.items[1]).sku;
      assert.equal(
        (await fixture.sales.changePrice({ saleId: sale.id, sku: other, amount: 9 }))?.items[1]?.price.amount,
        9,
      );
    });

    test("T32: no statement, an administrator's neither, makes the units of an item unequal to their sum", async () => {
      const sale = await openSale(fixture, { stocks: [5] });
      const itemId = present(sale.items[0]).itemId;
      for (const change of ["sold = 1", "free = -1, held = 6", "total = 6", "granted = 1"]) {
        const attack = { text: `UPDATE stock SET ${change} WHERE item_id = $1` };
        await assert.rejects(fixture.database.query(attack, [itemId]), (error: { cause?: { code?: string } }) => {
          assert.equal(error.cause?.code, "23514", change);
          return true;
        });
      }
    });
  });
}

export function describeOperators(name: string, open: () => Promise<LedgerFixture>): void {
  describePeople(name, open);
  describeLog(name, open);
  describePrices(name, open);
}
