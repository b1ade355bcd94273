/**
 * A PostgreSQL that may forget what it confirmed is not used unless that was agreed to; sessions wait for the disk.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createPostgresDatabase } from "../../src/adapters/postgres/database.ts";
import { PostgresDurability } from "../../src/adapters/postgres/durability.ts";
import type { Database } from "../../src/ports/database.ts";
import { PostgresCluster } from "../support/postgres-cluster.ts";
import { RecordingLog } from "../support/recording-log.ts";
import { faultOf } from "./bucket-fixture.ts";

const FSYNC = { text: "SELECT 1 AS one" };
const SESSION = { text: "SELECT current_setting('synchronous_commit') AS commits" };

describe("a PostgreSQL that may forget", () => {
  let cluster: PostgresCluster;
  let log: RecordingLog;
  const opened: Database[] = [];

  before(async () => {
    cluster = await PostgresCluster.start();
  });
  after(async () => {
    await Promise.all(opened.map((database) => database.close()));
    await cluster.stop();
  });

  function open(accepted: "always" | "everysec", url = cluster.url()): [Database, PostgresDurability] {
    log = new RecordingLog();
    const durability = new PostgresDurability({ accepted, log });
    const database = createPostgresDatabase({
      url,
      connectionsMax: 1,
      answerTimeoutMs: 10_000,
      applicationName: "durability",
      durability,
      log,
    });
    opened.push(database);
    return [database, durability];
  }

  async function set(name: string, value: string): Promise<void> {
    await cluster.query("postgres", `ALTER SYSTEM SET ${name} = ${value}`);
    await cluster.query("postgres", "SELECT pg_reload_conf()");
    for (;;) {
      const [row] = await cluster.query<{ now: string }>("postgres", "SELECT current_setting($1) AS now", [name]);
      if (row?.now === value) return;
    }
  }

  test("is used as it comes from initdb, and nothing is said about it", async () => {
    const [database, durability] = open("always");
    await database.query(FSYNC);
    assert.deepEqual([durability.weakness, durability.isAccepted], [null, true]);
    assert.deepEqual(log.lines, []);
  });

  for (const name of ["fsync", "full_page_writes"]) {
    test(`is refused with ${name} off, and used again on the next connection once that is set right`, async () => {
      await set(name, "off");
      const [database, durability] = open("always");
      assert.match(await faultOf(database.query(FSYNC), "DATABASE_UNSAFE"), new RegExp(`${name} is off`));
      assert.deepEqual([durability.weakness, durability.isAccepted], [`${name} is off`, false]);
      await set(name, "on");
      await database.query(FSYNC);
      assert.deepEqual([durability.weakness, durability.isAccepted], [null, true]);
    });

    test(`is used with ${name} off where less was agreed to, and the log has one line about it`, async () => {
      await set(name, "off");
      const [database, durability] = open("everysec");
      await Promise.all([database.query(FSYNC), database.query(FSYNC)]);
      assert.deepEqual([durability.weakness, durability.isAccepted], [`${name} is off`, true]);
      assert.equal(log.lines.filter((line) => /may forget/.test(line.message)).length, 1);
      await set(name, "on");
    });
  }

  test("names both settings when both are off", async () => {
    await set("fsync", "off");
    await set("full_page_writes", "off");
    const [database] = open("always");
    assert.match(await faultOf(database.query(FSYNC), "DATABASE_UNSAFE"), /fsync and full_page_writes are off/);
    await set("fsync", "on");
    await set("full_page_writes", "on");
  });

  test("waits for the disk in our sessions, whatever the server's default is, and for no less than was asked", async () => {
    const expected = {
      off: "on",
      on: "on",
      local: "local",
      remote_write: "remote_write",
      remote_apply: "remote_apply",
    };
    for (const [given, own] of Object.entries(expected)) {
      const [database] = open(
        "always",
        `${cluster.url()}?options=${encodeURIComponent(`-c synchronous_commit=${given}`)}`,
      );
      assert.deepEqual(await database.query(SESSION), [{ commits: own }]);
    }
  });

  test("is found out when a connection is made anew", async () => {
    const [database, durability] = open("always");
    await database.query(FSYNC);
    await set("fsync", "off");
    const own = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'durability'";
    await cluster.query("postgres", own);
    const faults: string[] = [];
    for (let tries = 0; tries < 50 && durability.isAccepted; tries += 1) {
      await database.query(FSYNC).catch((error: { code: string }) => faults.push(error.code));
    }
    assert.equal(durability.isAccepted, false);
    assert.equal(faults.at(-1), "DATABASE_UNSAFE");
    await set("fsync", "on");
  });
});
