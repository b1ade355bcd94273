/**
 * Solo mode's folder: one process at a time, and clear words when it cannot be used.
 */

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectAccepted, expectRefusal } from "../../support/answers.ts";
import { Buyer, freshKey } from "../../support/buyer-client.ts";
import { type EndedProcess, NodeProcess, type Runtime, runToEnd } from "../../support/node-process.ts";
import { OPEN_LIMITS } from "../../support/open-limits.ts";
import { Operator, seat } from "../../support/operator-client.ts";
import { SmallDisk, whyNoSmallDisk } from "../../support/small-disk.ts";
import { waitUntil } from "../../support/waiting.ts";

setDefaultTimeout(90_000);

const RUNTIMES: readonly Runtime[] = ["bun", "node"];
const cleanUps: Array<() => void | Promise<void>> = [];
const noDisk = whyNoSmallDisk();
if (noDisk !== null) console.warn(`Skipping the tests of full and read-only disks: ${noDisk}.`);

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "doorbuster-folder-"));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function smallDisk(size: string): SmallDisk {
  const disk = new SmallDisk(size);
  cleanUps.push(() => disk.remove());
  return disk;
}

async function startSolo(
  runtime: Runtime,
  dataFolder: string,
  secrets: { secret?: string; adminToken?: string } = {},
): Promise<NodeProcess> {
  const env = OPEN_LIMITS;
  const node = await NodeProcess.start({ runtime, databaseUrl: null, dataFolder, env, ...secrets });
  cleanUps.push(async () => await node.kill());
  return node;
}

async function serveToEnd(runtime: Runtime, dataFolder: string): Promise<EndedProcess> {
  const env = { DATA_DIR: dataFolder, HOST: "127.0.0.1", PORT: "0", ADMIN_PORT: "0" };
  return await runToEnd({ runtime, args: ["serve"], env });
}

function expectClearEnd(ended: EndedProcess, folder: string): void {
  expect(ended.code, ended.output).toBeGreaterThan(0);
  expect(ended.output).toContain(folder);
  expect(ended.output).toMatch(/data directory|DATA_DIR/i);
  expect(ended.output, "a message for a person, not a stack").not.toMatch(/\n\s+at /);
}

for (const runtime of RUNTIMES) {
  test(`lets a second process on the same folder not start, says who holds it, and harms nobody, on ${runtime}`, async () => {
    const folder = freshFolder();
    const holder = await startSolo(runtime, folder);
    for (const second of RUNTIMES) {
      const ended = await serveToEnd(second, folder);
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
  cleanUps.push(async () => await first.kill());
  const buyer = await Buyer.guest(first.buyerUrl);
  expect((await first.stop()).code).toBe(0);
  const second = await NodeProcess.start({ runtime: "bun", databaseUrl: null, dataFolder: folder, env: own });
  cleanUps.push(async () => await second.kill());
  const list = await buyer.via(second.buyerUrl).send({ method: "GET", path: "/v1/reservations" });
  expect(list.status, list.text).toBe(200);
});

test("says that the folder is a file", async () => {
  const path = join(freshFolder(), "a-file");
  writeFileSync(path, "not a folder");
  expectClearEnd(await serveToEnd("bun", path), path);
});

test.skipIf(noDisk !== null)("says that the folder is read-only, and leaves nothing in it", async () => {
  const disk = smallDisk("1m");
  disk.makeReadOnly();
  for (const runtime of RUNTIMES) expectClearEnd(await serveToEnd(runtime, disk.folder), disk.folder);
  expect(readdirSync(disk.folder)).toEqual([]);
});

test.skipIf(noDisk !== null)("says that the disk is full when it cannot make its database", async () => {
  for (const runtime of RUNTIMES) {
    const disk = smallDisk("2m");
    expectClearEnd(await serveToEnd(runtime, disk.folder), disk.folder);
  }
});

test.skipIf(noDisk !== null)(
  "promises nothing while the disk is full in mid-sale, and keeps what it promised",
  async () => {
    const disk = smallDisk("256m");
    const first = await startSolo("bun", disk.folder);
    const sale = await new Operator(first).createSale({ items: [seat({ stock: 1_000_000 })], perBuyerMax: 1_000 }, [
      first.buyerUrl,
    ]);
    const buyer = await Buyer.guest(first.buyerUrl);
    const accepted = new Map<string, string>();
    const free = disk.fill();
    await waitUntil(
      "the disk to refuse",
      async () => {
        const key = freshKey();
        const answer = await buyer.reserve(sale, { key }).catch(() => null);
        if (answer?.status === 201) accepted.set(key, answer.json.rid);
        else if (answer !== null) {
          expect(answer.json.reason, answer.text).toMatch(/^(unavailable|busy)$/);
          expectRefusal(answer, answer.json.reason);
        }
        return answer === null || answer.status !== 201;
      },
      { withinMs: 30_000, everyMs: 0 },
    ).catch((error: unknown) => {
      throw new Error(`the node said:\n${first.output.slice(-4_000)}`, { cause: error });
    });
    free();
    await first.kill();
    const second = await startSolo("bun", disk.folder, first);
    for (const [key, rid] of accepted) {
      const again = await buyer.via(second.buyerUrl).reserve(sale, { key });
      expect(expectAccepted(again, { replayed: true }).rid).toBe(rid);
    }
    expect(await new Operator(second).audit(sale.saleId)).toMatchObject({ balanced: true, violations: [] });
  },
);
