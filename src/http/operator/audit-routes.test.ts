/** How a sale came into its mode is told to whoever may read, and nothing internal with it. */
import { beforeEach, expect, test } from "bun:test";
import { createSale, type Staged, stageOperatorApp } from "../../../test/support/operator-app.ts";
import { Fault } from "../../domain/faults.ts";
import type { ModeChange } from "../../ports/mode-history.ts";
import { MODE_CHANGES_MAX } from "./audit-routes.ts";

const CHANGE: ModeChange = { at: 1_800_000_000_000, from: "redis", to: "draining", epoch: 4, reason: "Redis is gone" };

let staged: Staged;

beforeEach(async () => {
  staged = stageOperatorApp();
  await createSale(staged);
});

const read = (saleId: string) => staged.request("GET", `/v1/admin/sales/${saleId}/mode-changes`);

test("tells when, from what to what, in which epoch and why, and no more of them than a page can show", async () => {
  const internal = { ...CHANGE, number: 41 };
  staged.modeChanges = Array.from({ length: MODE_CHANGES_MAX + 1 }, () => internal);
  const { changes } = (await (await read("drop")).json()) as { changes: readonly unknown[] };
  expect(changes).toHaveLength(MODE_CHANGES_MAX);
  expect(changes[0]).toEqual(CHANGE);
});

test("knows no history of a sale that is not there, and says so when the database is away", async () => {
  expect((await read("no-such-sale")).status).toBe(404);
  staged.fault = new Fault("DATABASE_UNAVAILABLE", { internal: "the test's" });
  expect((await read("drop")).status).toBe(503);
});
