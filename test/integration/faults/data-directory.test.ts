/**
 * Solo mode's folder: one process at a time, and clear words when it cannot be used. Full disks are another file's.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expectAccepted } from "../../support/answers.ts";
import { Buyer, freshKey } from "../../support/buyer-client.ts";
import { NodeProcess } from "../../support/node-process.ts";
import { Operator } from "../../support/operator-client.ts";
import {
  afterThisTest,
  expectClearEnd,
  freshFolder,
  RUNTIMES,
  serveToEnd,
  startSolo,
} from "../../support/solo-folder.ts";

setDefaultTimeout(90_000);

/** Whoever comes second is tried on both, whoever was first only at night: what holds the folder is the same code. */
const FIRST_RUNTIMES = process.env["RUNS"] === undefined ? (["bun"] as const) : RUNTIMES;

for (const runtime of FIRST_RUNTIMES) {
  test(`lets a second process on the same folder not start, says who holds it, and harms nobody, on ${runtime}`, async () => {
    const folder = freshFolder();
    const holder = await startSolo(runtime, folder);
    for (const ended of await Promise.all(RUNTIMES.map((second) => serveToEnd(second, folder)))) {
      expectClearEnd(ended, folder);
      expect(ended.output).toMatch(new RegExp(`\\b${holder.pid}\\b`));
    }
    const sale = await new Operator(holder).createSale({}, [holder.buyerUrl]);
    expectAccepted(await (await Buyer.guest(holder.buyerUrl)).reserve(sale));
  });
}

test("takes over the folder of a process that was killed, without anybody cleaning up", async () => {
  const folder = freshFolder();
  const first = await startSolo("bun", folder);
  const sale = await new Operator(first).createSale({}, [first.buyerUrl]);
  const buyer = await Buyer.guest(first.buyerUrl);
  const key = freshKey();
  const { rid } = expectAccepted(await buyer.reserve(sale, { key }));
  await first.kill();
  const second = await startSolo("node", folder, first);
  const again = expectAccepted(await buyer.via(second.buyerUrl).reserve(sale, { key }), { replayed: true });
  expect(again.rid).toBe(rid);
});

test("makes its own secrets once and keeps them, so that a restart ends no session", async () => {
  const folder = freshFolder();
  const own = { SECRET: "", ADMIN_TOKEN: "" };
  const first = await NodeProcess.start({ runtime: "bun", databaseUrl: null, dataFolder: folder, env: own });
  afterThisTest(async () => await first.kill());
  const buyer = await Buyer.guest(first.buyerUrl);
  expect((await first.stop()).code).toBe(0);
  const second = await NodeProcess.start({ runtime: "bun", databaseUrl: null, dataFolder: folder, env: own });
  afterThisTest(async () => await second.kill());
  const list = await buyer.via(second.buyerUrl).send({ method: "GET", path: "/v1/reservations" });
  expect(list.status, list.text).toBe(200);
});

test("says that the folder is a file", async () => {
  const path = join(freshFolder(), "a-file");
  writeFileSync(path, "not a folder");
  expectClearEnd(await serveToEnd("bun", path), path);
});
