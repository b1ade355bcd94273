/**
 * Which streams are looked at for what nobody came to in time. What becomes of it is commit-worker.test.ts and the simulation.
 */
import { expect, test } from "bun:test";
import { BucketWorld } from "../../test/support/bucket-world.ts";
import type { Sale } from "../domain/sale.ts";
import { LostAcceptances } from "./lost-acceptances.ts";
import { PastEpochs } from "./past-epochs.ts";

test.each([
  [1, []],
  [2, []],
  [3, [2]],
  [4, [2, 3]],
  [9, [7, 8]],
])(
  "a sale in epoch %d: the two before it, but not the first, in which nobody sells from buckets",
  async (epoch, looked) => {
    const { clock, log, books, store, sales, sale } = await BucketWorld.inRedis();
    const epochs: number[] = [];
    const past = new PastEpochs({
      ...{ clock, log, consumerId: "w" },
      store: {
        readNew: async (stream) => {
          epochs.push(stream.epoch);
          return [];
        },
        claimStale: async () => ({ entries: [], lostLastSeqs: [] }),
      },
      sales: { listSales: (): readonly Sale[] => [{ ...sale, closesAt: clock.nowMs(), epoch }] },
      lost: new LostAcceptances({ store, books, sales, clock, log, onRecorded: () => undefined }),
    });
    await past.look();
    expect(epochs).toEqual([...looked]);
  },
);
