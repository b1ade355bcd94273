/**
 * Solo mode on a disk that is full or read-only: clear words at the start, no empty promise in mid-sale.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { expectAccepted, expectRefusal } from "../../support/answers.ts";
import { Buyer, freshKey } from "../../support/buyer-client.ts";
import { Operator, seat } from "../../support/operator-client.ts";
import { SmallDisk, whyNoSmallDisk } from "../../support/small-disk.ts";
import { afterThisTest, expectClearEnd, RUNTIMES, serveToEnd, startSolo } from "../../support/solo-folder.ts";
import { waitUntil } from "../../support/waiting.ts";

setDefaultTimeout(90_000);

const noDisk = whyNoSmallDisk();
if (noDisk !== null) console.warn(`Skipping the tests of full and read-only disks: ${noDisk}.`);

function smallDisk(size: string): SmallDisk {
  const disk = new SmallDisk(size);
  afterThisTest(() => disk.remove());
  return disk;
}

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
