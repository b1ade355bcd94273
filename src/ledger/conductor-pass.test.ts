/**
 * The conductor's pass over all sales: that each gets its turn, and that those with nothing to do cost nothing of their own.
 */
import { expect, test } from "bun:test";
import { ITEM_ID } from "../../test/support/bucket-world.ts";
import { Stage } from "../../test/support/conductor-stage.ts";
import type { SaleId } from "../domain/ids.ts";
import type { Books } from "../ports/books.ts";
import type { SaleDirectory } from "../ports/sale-directory.ts";

/** The object with some of its methods replaced. */
function bound<Whole extends object>(whole: Whole, over: Partial<Whole>): Whole {
  return new Proxy(whole, {
    get: (of, name) => {
      const member: unknown = Reflect.get(name in over ? over : of, name, of);
      return typeof member === "function" ? member.bind(of) : member;
    },
  });
}

test("however many sales there are, the last of them gets its turn", async () => {
  const stage = new Stage();
  const { sales, books, sale } = stage.world;
  const others = Array.from({ length: 100 }, (_, index) => ({ ...sale, id: `other-${index}` as SaleId }));
  const directory: SaleDirectory = {
    findSale: (saleId) => sales.findSale(saleId),
    listSales: () => [...others, ...sales.listSales()],
    onRefresh: (listener) => sales.onRefresh(listener),
    refresh: () => sales.refresh(),
  };
  const crowded = bound(books, {
    readLedgerStates: async () => {
      const states = await books.readLedgerStates([sale.id]);
      return states.flatMap((own) => [...others.map(({ id }) => ({ ...own, saleId: id, epoch: 9, flips: 3 })), own]);
    },
  });
  stage.conductor = stage.newConductor({ sales: directory, books: crowded });
  await stage.pass(3_000);
  expect(stage.state.mode).toBe("redis");
});

test("a sale for which nothing waits is asked about in no question of its own, and has what waits a pass later", async () => {
  const stage = new Stage({ stock: 5 });
  await stage.pass(1_000);
  expect(stage.state.mode).toBe("redis");
  const { books, sale } = stage.world;
  const asked: string[] = [];
  const counting: Partial<Books> = {
    listUnsettledGrants: (request) => {
      asked.push("grants");
      return books.listUnsettledGrants(request);
    },
    listNotes: (request) => {
      asked.push("notes");
      return books.listNotes(request);
    },
    readGrantedItems: (request) => {
      asked.push("free units");
      return books.readGrantedItems(request);
    },
  };
  stage.conductor = stage.newConductor({ books: bound(books, counting) });
  await stage.pass(250);
  asked.length = 0;
  await stage.pass(5_000);
  expect(asked).toEqual([]);
  books.adjustStock(ITEM_ID, 3);
  await stage.pass(250);
  expect(asked).toEqual(["grants", "notes", "free units"]);
  expect(stage.audit().available).toBe(8);
  // New settings are nothing that the books know of.
  books.patchSale(sale.id, { phase: "paused" });
  asked.length = 0;
  await stage.pass(250);
  expect(asked).toEqual(["grants", "notes", "free units"]);
});

test("a started conductor follows by itself and leaves no timer behind", async () => {
  const stage = new Stage();
  await stage.report();
  await stage.world.sales.refresh();
  stage.conductor.start();
  await stage.world.clock.advance(1_000);
  expect(stage.state.mode).toBe("redis");
  await stage.world.finish(stage.conductor.stop());
  expect(stage.world.clock.timerCount).toBe(0);
});
