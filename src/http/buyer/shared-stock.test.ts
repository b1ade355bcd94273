/**
 * However many nodes and buyers look at a sale, the ledger is asked about once per interval for all of them together.
 */
import { describe, expect, test } from "bun:test";
import { makeBuyerApp, makeSale, makeStock } from "../../../test/support/buyer-app.ts";
import { ManualClock, settle } from "../../../test/support/manual-clock.ts";
import { MemoryEdge } from "../../../test/support/memory-edge.ts";
import { RecordingLog } from "../../../test/support/recording-log.ts";
import { Fault } from "../../domain/faults.ts";
import type { SaleId } from "../../domain/ids.ts";
import type { Sale } from "../../domain/sale.ts";
import type { Stock } from "../../ports/ledger.ts";
import { MAKE_MS_MAX, SharedStock } from "./shared-stock.ts";
import { FRESH_MS, StockBoard } from "./stock-board.ts";

const HASH_KEY = { word0: 1, word1: 2 };
const SALE = makeSale({ items: makeSale().items.slice(0, 1) });

/** The ledger of the deployment: answers after `tookMs`, counts questions. */
class CountingLedger {
  readonly #clock: ManualClock;
  readonly askedAtMs: number[] = [];
  tookMs = 5;
  free = 9;
  isAway = false;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  async readStock(itemIds: readonly number[]): Promise<readonly Stock[]> {
    this.askedAtMs.push(this.#clock.monotonicMs());
    await new Promise<void>((resolve) => this.#clock.setTimer(this.tookMs, resolve));
    if (this.isAway) throw new Fault("LEDGER_UNAVAILABLE");
    return itemIds.map((itemId) => makeStock(itemId, { free: this.free }));
  }
}

function deployment(nodeCount: number) {
  const clock = new ManualClock();
  const edge = new MemoryEdge(clock);
  const ledger = new CountingLedger(clock);
  const boards = Array.from({ length: nodeCount }, (_, node) => {
    const shared = new SharedStock({ ledger, edge, hashKey: HASH_KEY, clock, log: new RecordingLog() });
    let drawn = node;
    const fraction = () => {
      drawn += 0.618;
      return drawn % 1;
    };
    const random = { id: () => "id", fraction };
    return new StockBoard({ ledger, clock, random, shared });
  });
  /** A crowd on every node looks at once; answers what each saw, or that it saw a fault. */
  const look = async (sale: Sale, crowd: number): Promise<readonly (number | string)[]> => {
    const looks = boards.flatMap((board) =>
      Array.from({ length: crowd }, async () => {
        const stock = await board.stockOf(sale).catch(() => null);
        return stock === null ? "fault" : (stock.get(sale.items[0]?.itemId ?? 0)?.free ?? "nothing");
      }),
    );
    await clock.advance(3_000);
    return await Promise.all(looks);
  };
  return { clock, edge, ledger, boards, look };
}

describe("shared stock figures", () => {
  test("a crowd on three cold nodes costs the ledger one question", async () => {
    const { ledger, look } = deployment(3);
    const seen = await look(SALE, 1_000);
    expect(new Set(seen)).toEqual(new Set([9]));
    expect(ledger.askedAtMs).toHaveLength(1);
  });

  test("figures that expire under a crowd are asked for once, and everybody is served meanwhile", async () => {
    const { clock, ledger, boards, look } = deployment(3);
    await look(SALE, 1);
    ledger.askedAtMs.length = 0;
    for (let passedMs = 0; passedMs < 10_000; passedMs += 10) {
      for (const board of boards) void board.stockOf(SALE).catch(() => undefined);
      await clock.advance(10);
    }
    // Each node for itself would have asked ten times.
    expect(ledger.askedAtMs.length).toBeGreaterThanOrEqual(9);
    expect(ledger.askedAtMs.length).toBeLessThanOrEqual(21);
  });

  test("sales that were loaded together are not asked about together ever after", async () => {
    const { clock, ledger, boards } = deployment(1);
    const [board] = boards;
    const sales = Array.from({ length: 200 }, (_, index) => makeSale({ id: `sale-${index}` as SaleId }));
    for (let passedMs = 0; passedMs < 10_000; passedMs += 10) {
      for (const sale of sales) void board?.stockOf(sale).catch(() => undefined);
      await clock.advance(10);
    }
    const lateMs = ledger.askedAtMs.filter((atMs) => atMs > 5_000);
    const perWindow = new Map<number, number>();
    for (const atMs of lateMs) perWindow.set(Math.floor(atMs / 100), (perWindow.get(Math.floor(atMs / 100)) ?? 0) + 1);
    expect(lateMs.length).toBeGreaterThan(800);
    expect(Math.max(...perWindow.values())).toBeLessThan(60);
  });

  test("names that no sale has cost neither the ledger nor the edge anything", async () => {
    const clock = new ManualClock();
    const edge = new MemoryEdge(clock);
    let asked = 0;
    const ledger = {
      readStock: async () => {
        asked += 1;
        return [];
      },
      findQueued: async () => null,
    };
    const app = makeBuyerApp({ edge, ledger });
    for (let count = 0; count < 2_000; count += 1) {
      expect((await app.fetch(`/v1/sales/no-such-sale-${count}`)).status).toBe(404);
    }
    expect([asked, edge.callCount]).toEqual([0, 0]);
  });

  test("without its edge every node asks for itself, once a second", async () => {
    const { clock, edge, ledger, boards } = deployment(3);
    edge.isAway = true;
    for (let passedMs = 0; passedMs < 10_000; passedMs += 10) {
      for (const board of boards) void board.stockOf(SALE).catch(() => undefined);
      await clock.advance(10);
    }
    expect(ledger.askedAtMs.length).toBeGreaterThanOrEqual(27);
    expect(ledger.askedAtMs.length).toBeLessThanOrEqual(39);
  });

  test("a node that died on its turn is followed by another, and nobody is left without figures", async () => {
    const { clock, edge, ledger, boards } = deployment(2);
    const dead = await edge.readShared({ key: keyOf(), freshMs: 500, makeMsMax: MAKE_MS_MAX });
    expect(dead.isOursToMake).toBe(true);
    const looks = boards.map((board) => board.stockOf(SALE));
    await clock.advance(MAKE_MS_MAX - 1);
    expect(ledger.askedAtMs).toHaveLength(0);
    await clock.advance(100);
    expect((await Promise.all(looks)).map((stock) => stock.get(41)?.free)).toEqual([9, 9]);
  });

  test("a text that is not ours, or lacks an item, is not believed", async () => {
    const texts = [
      "",
      "{}",
      "[[41,1]]",
      '[["41",1,1,1,1,1,1,1,1]]',
      "[[42,100,5,0,0,0,1,1,1]]",
      "[[41,1e99,1,1,1,1,1,1,1]]",
    ];
    for (const text of texts) {
      const { edge, ledger, look } = deployment(1);
      await edge.writeShared({ key: keyOf(), text, ageMs: 0, ttlMs: 60_000 });
      expect(await look(SALE, 1)).toEqual([9]);
      expect(ledger.askedAtMs).toHaveLength(1);
    }
  });

  test("what one node read another shows, as old as it is", async () => {
    const { clock, ledger, boards } = deployment(2);
    const [first, second] = boards;
    ledger.tookMs = 200;
    const read = first?.stockOf(SALE);
    await clock.advance(200);
    await read;
    ledger.free = 1;
    const shown = await second?.stockOf(SALE);
    expect(shown?.get(41)?.free).toBe(9);
    // 200 ms old when it came: a whole interval later it is not fresh any more.
    await clock.advance(FRESH_MS.max - 200);
    void second?.stockOf(SALE);
    await settle();
    expect(ledger.askedAtMs).toHaveLength(2);
  });

  test("a database that is away is asked by one node at a time", async () => {
    const { clock, ledger, boards } = deployment(4);
    ledger.isAway = true;
    for (let passedMs = 0; passedMs < 5_000; passedMs += 10) {
      for (const board of boards) void board.stockOf(SALE).catch(() => undefined);
      await clock.advance(10);
    }
    // Each node for itself: 5 s / (5 + 250 ms) = 19 times, 76 together.
    expect(ledger.askedAtMs.length).toBeLessThanOrEqual(40);
  });
});

/** The key the figures of the sale have; read off a look, since how it is made is nobody's business. */
function keyOf(): string {
  let key = "";
  const edge = {
    readShared: async (request: { key: string }) => {
      key = request.key;
      throw new Fault("EDGE_UNAVAILABLE");
    },
    writeShared: async () => undefined,
  };
  const clock = new ManualClock();
  const ledger = { readStock: async () => [] };
  void new SharedStock({ ledger, edge, hashKey: HASH_KEY, clock, log: new RecordingLog() }).read(SALE);
  return key;
}
