/**
 * At most one leads; the next one takes over from one that ended, was cut off, or froze; and whoever lost it knows.
 *
 * A frozen process is one whose timers stand still while its connection stays open: to the server it looks the same.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import pg from "pg";
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { createPostgresLeadership } from "../../src/adapters/postgres/postgres-leadership.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Leadership } from "../../src/ports/leadership.ts";
import { waitUntil } from "../support/waiting.ts";
import { type LedgerFixture, openPostgresFixture, silentLog } from "./ledger-fixture.ts";

const TIMEOUT_MS = 60_000;

/** The machine's clock, whose timers can be held back. */
class FreezableClock implements Clock {
  readonly #clock = createSystemClock();
  readonly #held: (() => void)[] = [];
  #isFrozen = false;

  nowMs(): number {
    return this.#clock.nowMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    return this.#clock.setTimer(delayMs, () => {
      if (this.#isFrozen) this.#held.push(callback);
      else callback();
    });
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const callback of this.#held.splice(0)) callback();
  }
}

interface Candidate {
  readonly nodeId: string;
  readonly clock: FreezableClock;
  readonly leadership: Leadership;
}

describe("leadership: postgres", () => {
  let fixture: LedgerFixture & { readonly url: string };
  const started: Candidate[] = [];
  before(async () => {
    fixture = await openPostgresFixture();
  });
  after(async () => {
    await Promise.all(started.map(({ leadership }) => leadership.stop()));
    await fixture.close();
  });

  function candidatesFor(name: string, count: number): Candidate[] {
    return Array.from({ length: count }, (_, index) => {
      const nodeId = `${name}-${index}`;
      const clock = new FreezableClock();
      const leadership = createPostgresLeadership({ url: fixture.url, name, nodeId, clock, log: silentLog });
      const candidate = { nodeId, clock, leadership };
      started.push(candidate);
      leadership.start();
      return candidate;
    });
  }

  const leadersOf = (candidates: readonly Candidate[]): Candidate[] =>
    candidates.filter(({ leadership }) => leadership.isHeld);

  /** Waits until one of them leads; never sees two. */
  async function waitForLeader(candidates: readonly Candidate[]): Promise<Candidate> {
    let leadersMost = 0;
    const leader = await waitUntil("a leader", () => {
      const leaders = leadersOf(candidates);
      leadersMost = Math.max(leadersMost, leaders.length);
      return leaders[0];
    });
    assert.equal(leadersMost, 1, "two lead at once");
    return leader;
  }

  async function rowOf(name: string): Promise<{ node_id: string; pid: number } | undefined> {
    const [row] = await fixture.database.query<{ node_id: string; pid: number }>(
      { text: "SELECT node_id, pid FROM leader WHERE name = $1" },
      [name],
    );
    return row;
  }

  test("one of three leads; when it stops, another one does within seconds", { timeout: TIMEOUT_MS }, async () => {
    const candidates = candidatesFor("orderly", 3);
    const first = await waitForLeader(candidates);
    assert.equal((await rowOf("orderly"))?.node_id, first.nodeId);
    await first.leadership.stop();
    assert.equal(first.leadership.isHeld, false);
    const rest = candidates.filter((candidate) => candidate !== first);
    const second = await waitForLeader(rest);
    await second.leadership.stop();
    assert.notEqual(await waitForLeader(rest.filter((candidate) => candidate !== second)), second);
  });

  test("names are led apart", { timeout: TIMEOUT_MS }, async () => {
    const both = [...candidatesFor("one", 1), ...candidatesFor("other", 1)];
    await waitUntil("both to lead", () => leadersOf(both).length === 2);
  });

  test("a leader whose connection is cut knows at once, and somebody leads again", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const candidates = candidatesFor("cut", 2);
    const first = await waitForLeader(candidates);
    const pid = (await rowOf("cut"))?.pid ?? 0;
    await fixture.database.query({ text: "SELECT pg_terminate_backend($1)" }, [pid]);
    await waitUntil("the leader to notice", () => !first.leadership.isHeld, { withinMs: 1_000 });
    await waitForLeader(candidates);
    assert.notEqual((await rowOf("cut"))?.pid, pid);
  });

  test("a frozen leader is replaced, and awake again it leads no more", { timeout: TIMEOUT_MS }, async () => {
    const candidates = candidatesFor("frozen", 2);
    const first = await waitForLeader(candidates);
    first.clock.freeze();
    const rest = candidates.filter((candidate) => candidate !== first);
    await waitUntil("the frozen one to stop believing", () => !first.leadership.isHeld);
    assert.equal(leadersOf(rest).length, 0, "somebody leads before the frozen one has stopped believing");
    const second = await waitForLeader(candidates);
    assert.notEqual(second, first);
    first.clock.thaw();
    await waitUntil("the awakened one to ask again", async () => {
      assert.deepEqual(leadersOf(candidates), [second]);
      const asking = await fixture.database.query(
        { text: "SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND query LIKE '%pg_terminate_backend%'" },
        [`doorbuster-leader-${first.nodeId}`],
      );
      return asking.length > 0;
    });
    assert.deepEqual(leadersOf(candidates), [second]);
    await second.leadership.stop();
    assert.equal(await waitForLeader(candidates), first);
  });

  test("a holder that froze before its first beat gets a beat of grace, then is replaced", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const holder = new pg.Client({ connectionString: fixture.url });
    let isEnded = false;
    holder.on("error", () => undefined);
    holder.on("end", () => {
      isEnded = true;
    });
    await holder.connect();
    const [{ pid }] = (await holder.query("SELECT pg_backend_pid() AS pid, pg_advisory_lock(3, hashtext('grace'))"))
      .rows;
    await fixture.database.query({
      text: "INSERT INTO leader (name, node_id, pid, beat_at) VALUES ('grace', 'dead', 1, 0)",
    });
    const [candidate] = candidatesFor("grace", 1);
    await waitUntil("the grace to be written", async () => (await rowOf("grace"))?.pid === pid);
    assert.equal(isEnded, false, "ended for the silence of the leader before it");
    assert.equal(candidate?.leadership.isHeld, false);
    await waitUntil("the candidate to lead", () => candidate?.leadership.isHeld);
    await waitUntil("the holder to be gone", () => isEnded);
  });

  test("a database that comes back is led again", { timeout: TIMEOUT_MS }, async () => {
    const [candidate] = candidatesFor("outage", 1);
    await waitUntil("the lead", () => candidate?.leadership.isHeld);
    await fixture.database.query({
      text: "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'doorbuster-leader-%'",
    });
    await waitUntil("the loss", () => candidate?.leadership.isHeld === false);
    await waitUntil("the lead again", () => candidate?.leadership.isHeld);
  });
});
