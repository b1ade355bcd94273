/**
 * The one session of the embedded server must outlive every client that is given up, and remember nothing of it.
 */
import { afterEach, expect, test } from "bun:test";
import { openEmbeddedDatabase } from "../../../test/support/embedded-database.ts";
import type { Database } from "../../ports/database.ts";
import type { Log } from "../../ports/telemetry.ts";

const ANSWER_TIMEOUT_MS = 400;
const TRIES_MAX = 60;
/** Takes seconds, so that its caller gives up long before its answer comes. */
const SLOW = { name: "slow", text: "select count(*) as answer from generate_series(1, 6000000)" };
const QUICK = { name: "quick", text: "select $1::int as answer" };

const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
let database: Database | undefined;

afterEach(async () => await database?.close());

async function open(): Promise<Database> {
  database = await openEmbeddedDatabase({ answerTimeoutMs: ANSWER_TIMEOUT_MS, log: silent });
  return database;
}

/** Asks until the server is free again. Every answer that comes must be the answer to this question. */
async function askUntilAnswered(connection: Database, question: number): Promise<number | undefined> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    try {
      return (await connection.query<{ answer: number }>(QUICK, [question]))[0]?.answer;
    } catch (error) {
      if ((error as { code?: string }).code !== "DATABASE_UNAVAILABLE") throw error;
    }
  }
  throw new Error("the embedded server never answered again");
}

test("gives nobody the answer to a question that was given up, and prepares statements anew", async () => {
  const connection = await open();
  expect(await askUntilAnswered(connection, 1)).toBe(1);
  await expect(connection.query(SLOW)).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
  for (const question of [2, 3, 4]) expect(await askUntilAnswered(connection, question)).toBe(question);
}, 60_000);

test("rolls back the transaction of a client that was given up", async () => {
  const connection = await open();
  await connection.query({ text: "create table mark (value int)" });
  const givenUp = connection.transaction(async (inner) => {
    await inner.query({ text: "insert into mark values (1)" });
    await inner.query(SLOW);
  });
  await expect(givenUp).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
  expect(await askUntilAnswered(connection, 5)).toBe(5);
  await connection.query({ text: "insert into mark values (2)" });
  expect(await connection.query<{ value: number }>({ text: "select value from mark" })).toEqual([{ value: 2 }]);
}, 60_000);
