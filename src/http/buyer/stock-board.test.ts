/**
 * The stock board asks rarely, answers honestly, and never waits without end.
 */
import { describe, expect, test } from "bun:test";
import { makeSale, makeStock, StillClock } from "../../../test/support/buyer-app.ts";
import { evenRandom } from "../../../test/support/recording-log.ts";
import { Fault, isFault } from "../../domain/faults.ts";
import type { SaleId } from "../../domain/ids.ts";
import type { Stock } from "../../ports/ledger.ts";
import {
  FAILURE_PAUSE_MS,
  LONE_MS_MIN,
  LONE_WAIT_MS_MAX,
  REFRESH_WAIT_MS_MAX,
  SALES_MAX,
  STALE_MS_MAX,
  StockBoard,
} from "./stock-board.ts";

interface Pending {
  readonly resolve: (rows: readonly Stock[]) => void;
  readonly reject: (error: unknown) => void;
}

function makeBoard() {
  const clock = new StillClock();
  const reads: Pending[] = [];
  const ledger = {
    readStock: () => new Promise<readonly Stock[]>((resolve, reject) => void reads.push({ resolve, reject })),
  };
  return { clock, reads, board: new StockBoard({ ledger, clock, random: evenRandom(), shared: null }) };
}

const sale = makeSale({ items: makeSale().items.slice(0, 1) });
const freeOf = (stock: ReadonlyMap<number, Stock>) => stock.get(41)?.free;

describe("the stock board", () => {
  test("serves older figures while one refresh runs behind them", async () => {
    const { clock, reads, board } = makeBoard();
    const first = board.stockOf(sale);
    reads[0]?.resolve([makeStock(41, { free: 9 })]);
    expect(freeOf(await first)).toBe(9);
    clock.advance(1_500);
    expect(freeOf(await board.stockOf(sale))).toBe(9);
    expect(freeOf(await board.stockOf(sale))).toBe(9);
    expect(reads.length).toBe(2);
    reads[1]?.resolve([makeStock(41, { free: 4 })]);
    await Promise.resolve();
    await Promise.resolve();
    expect(freeOf(await board.stockOf(sale))).toBe(4);
  });

  test("tells whoever comes alone every few seconds what is, not what was when he asked before", async () => {
    const { clock, reads, board } = makeBoard();
    const first = board.stockOf(sale);
    reads[0]?.resolve([makeStock(41, { free: 0 })]);
    await first;
    clock.advance(LONE_MS_MIN);
    const second = board.stockOf(sale);
    reads[1]?.resolve([makeStock(41, { free: 1 })]);
    expect(freeOf(await second)).toBe(1);
    expect(clock.waiting).toBe(0);
  });

  test("does not let him wait for long, nor tell him of a failure, while older figures are good", async () => {
    const { clock, reads, board } = makeBoard();
    const first = board.stockOf(sale);
    reads[0]?.resolve([makeStock(41, { free: 3 })]);
    await first;
    clock.advance(LONE_MS_MIN);
    const second = board.stockOf(sale);
    clock.advance(LONE_WAIT_MS_MAX);
    expect(freeOf(await second)).toBe(3);
    const third = board.stockOf(sale);
    reads[1]?.reject(new Fault("LEDGER_UNAVAILABLE"));
    expect(freeOf(await third)).toBe(3);
    expect(clock.waiting).toBe(0);
  });

  test("never serves figures that are too old, and gives up waiting at its deadline", async () => {
    const { clock, reads, board } = makeBoard();
    const first = board.stockOf(sale);
    reads[0]?.resolve([makeStock(41, { free: 9 })]);
    await first;
    clock.advance(STALE_MS_MAX);
    const late = board.stockOf(sale).catch((error: unknown) => error);
    clock.advance(REFRESH_WAIT_MS_MAX);
    expect(isFault(await late, "LEDGER_UNAVAILABLE")).toBe(true);
  });

  test("does not ask again right after a failure, and asks once the pause is over", async () => {
    const { clock, reads, board } = makeBoard();
    const first = board.stockOf(sale).catch((error: unknown) => error);
    reads[0]?.reject(new Fault("LEDGER_UNAVAILABLE"));
    expect(isFault(await first)).toBe(true);
    const second = await board.stockOf(sale).catch((error: unknown) => error);
    expect(isFault(second, "LEDGER_UNAVAILABLE")).toBe(true);
    expect(reads.length).toBe(1);
    clock.advance(FAILURE_PAUSE_MS);
    const third = board.stockOf(sale);
    reads[1]?.resolve([makeStock(41, { free: 1 })]);
    expect(freeOf(await third)).toBe(1);
    expect(clock.waiting).toBe(0);
  });

  test("counts the age of figures from the question, so a slow answer is not fresh", async () => {
    const { clock, reads, board } = makeBoard();
    const first = board.stockOf(sale);
    clock.advance(1_200);
    reads[0]?.resolve([makeStock(41, { free: 9 })]);
    await first;
    await board.stockOf(sale);
    expect(reads.length).toBe(2);
  });

  test("asks anew for an item that it has no figures of", async () => {
    const { reads, board } = makeBoard();
    const first = board.stockOf(sale);
    reads[0]?.resolve([makeStock(41, { free: 9 })]);
    await first;
    const grown = board.stockOf(makeSale());
    expect(reads.length).toBe(2);
    reads[1]?.resolve([makeStock(41, { free: 9 }), makeStock(42, { free: 5 })]);
    expect((await grown).get(42)?.free).toBe(5);
  });

  test("remembers a bounded number of sales", async () => {
    const { reads, board } = makeBoard();
    const ask = async (index: number) => {
      const pending = board.stockOf(makeSale({ ...sale, id: `sale-${index}` as SaleId }));
      reads.at(-1)?.resolve([makeStock(41, { free: 9 })]);
      await pending;
    };
    for (let index = 0; index <= SALES_MAX; index += 1) await ask(index);
    const readsBefore = reads.length;
    await ask(SALES_MAX);
    expect(reads.length).toBe(readsBefore);
    await ask(0);
    expect(reads.length).toBe(readsBefore + 1);
  });
});
