/**
 * The seeds' designs, each with the one rule that is wrong and otherwise as good as its authors meant it.
 *
 * The numbers are those of the ledger's specification; what was measured of them on real servers is told there. The first
 * one is no seed's: it shows that the checks pass what is right.
 */
import {
  type Answer,
  type Market,
  NoAnswer,
  type Program,
  type SimpleDesign,
  type SimpleShop,
  type Visit,
} from "./shop.ts";

const RETURNS = { returnsUnits: true } as const;
const KEEPS = { returnsUnits: false } as const;

export const SIMPLE_DESIGNS: readonly SimpleDesign[] = [
  {
    id: "–",
    rule: "control: check, count and remember the key in one step; give back by key",
    lesson: "Nothing is wrong here, as long as this one server forgets nothing and is fast enough for everybody.",
    faults: ["a process dies", "an answer is lost"],
    ...RETURNS,
    open: openControl,
  },
  {
    id: "B1",
    rule: "`if total >= sold then sell`",
    lesson: "One too many. Here: `available < quantity` refuses, and a CHECK in Postgres would refuse it again.",
    faults: [],
    ...KEEPS,
    open: (market) => counter((sold) => market.total >= sold),
  },
  {
    id: "B2",
    rule: "each node has a share and sells while `++mine < share`",
    lesson:
      "The last unit of every share is never sold. Here: a lease is drawn on in the step that counts, to the last.",
    faults: [],
    ...KEEPS,
    open: openShares,
  },
  {
    id: "B7",
    rule: "`DECR stock`; below 0 is sold out; a returned unit is `INCR`",
    lesson: "Every refusal digs the counter deeper; returned units fill the hole. Here: a refusal leaves no trace.",
    faults: [],
    ...RETURNS,
    open: openBareDecrement,
  },
  {
    id: "B8",
    rule: "`DECR stock`; if below 0 then `INCR stock`",
    lesson: "Two steps: losers on their way hide real stock, and one who dies between them takes a unit along.",
    faults: ["a process dies"],
    ...KEEPS,
    open: openDecrementAndRepair,
  },
  {
    id: "B9",
    rule: "`GET sold`; if `sold > total` refuse; `INCRBY sold`",
    lesson: "Between looking and counting others look too. Here: looking and counting are one script.",
    faults: [],
    ...KEEPS,
    open: openLookThenCount,
  },
  {
    id: "B11",
    rule: "the worker counts up once for each message it is given",
    lesson: "Queues deliver twice. Here: the key is the order's primary key, and a known one moves no unit.",
    faults: ["a message comes twice"],
    ...KEEPS,
    open: openCountingWorker,
  },
  {
    id: "B12",
    rule: '"if the database update fails, the Redis stock is restored"',
    lesson: "No answer is not no. What was committed after all is sold twice. Here: the same rows are sent again.",
    faults: ["an answer is lost"],
    ...KEEPS,
    open: openRestoringWorker,
  },
  {
    id: "B13",
    rule: "the API takes a unit from Redis, then writes to the queue; if that fails it gives the unit back",
    lesson: "Two writes, no transaction. Here: the script that takes the unit writes the stream entry.",
    faults: ["a process dies", "an answer is lost"],
    ...KEEPS,
    open: openDualWrite,
  },
  {
    id: "B15",
    rule: "the stock is split over keys `stock:1 … stock:n`; a buyer asks his own",
    lesson:
      "His key is empty while others are not. Here: units are brought from the fullest sibling before anybody is refused.",
    faults: [],
    ...KEEPS,
    open: openSplitKeys,
  },
  {
    id: "B16",
    rule: "a node that does not reach Redis sells from the database instead",
    lesson: "Two sellers of one stock. Here: one row says who sells, and an epoch refuses everybody else.",
    faults: ["an answer is lost"],
    ...KEEPS,
    open: openLonelyFallback,
  },
];

function openControl(market: Market): SimpleShop {
  const owners = new Set<string>();
  return {
    *buy({ rid }) {
      return yield* market.remote((): Answer => {
        if (!owners.has(rid) && owners.size >= market.total) return "sold_out";
        owners.add(rid);
        return "won";
      });
    },
    *giveBack({ rid }) {
      yield* market.remote(() => owners.delete(rid));
    },
    owners: () => [...owners],
  };
}

/** One atomic counter of what was sold. */
function counter(maySell: (sold: number) => boolean): SimpleShop {
  let sold = 0;
  return {
    *buy() {
      yield;
      if (!maySell(sold)) return "sold_out";
      sold += 1;
      return "won";
    },
  };
}

function openShares(market: Market): SimpleShop {
  const share = Math.ceil(market.total / market.nodes);
  const mine = new Array<number>(market.nodes).fill(0);
  let sold = 0;
  return {
    *buy({ node }) {
      const taken = (mine[node] ?? 0) + 1;
      mine[node] = taken;
      if (taken >= share) return "sold_out";
      return yield* market.remote((): Answer => {
        if (sold >= market.total) return "sold_out";
        sold += 1;
        return "won";
      });
    },
  };
}

function openBareDecrement(market: Market): SimpleShop {
  let stock = market.total;
  return {
    *buy() {
      const left = yield* market.remote(() => {
        stock -= 1;
        return stock;
      });
      return left < 0 ? "sold_out" : "won";
    },
    *giveBack() {
      yield* market.remote(() => {
        stock += 1;
      });
    },
  };
}

function openDecrementAndRepair(market: Market): SimpleShop {
  let stock = market.total;
  return {
    *buy() {
      const left = yield* market.remote(() => {
        stock -= 1;
        return stock;
      });
      if (left >= 0) return "won";
      yield* market.remote(() => {
        stock += 1;
      });
      return "sold_out";
    },
  };
}

function openLookThenCount(market: Market): SimpleShop {
  let sold = 0;
  return {
    *buy() {
      if ((yield* market.remote(() => sold)) > market.total) return "sold_out";
      yield* market.remote(() => {
        sold += 1;
      });
      return "won";
    },
  };
}

/** Redis takes the unit and writes the message in one step, once for each key. */
function* takeAndSend(market: Market, redis: { stock: number }, known: Set<string>, visit: Visit): Program<Answer> {
  return yield* market.remote((): Answer => {
    if (known.has(visit.rid)) return "won";
    if (redis.stock <= 0) return "sold_out";
    redis.stock -= 1;
    known.add(visit.rid);
    market.queue.push(visit);
    return "won";
  });
}

function openCountingWorker(market: Market): SimpleShop {
  const redis = { stock: market.total };
  const known = new Set<string>();
  const owners: string[] = [];
  return {
    buy: (visit) => takeAndSend(market, redis, known, visit),
    *work({ rid }) {
      yield* market.remote(() => {
        if (owners.length < market.total) owners.push(rid);
      });
    },
    owners: () => owners,
  };
}

function openRestoringWorker(market: Market): SimpleShop {
  const redis = { stock: market.total };
  const known = new Set<string>();
  const owners = new Set<string>();
  return {
    buy: (visit) => takeAndSend(market, redis, known, visit),
    *work({ rid }) {
      try {
        yield* market.remote(() => {
          if (owners.size < market.total) owners.add(rid);
        });
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        yield* market.remote(() => {
          redis.stock += 1;
        });
      }
    },
    owners: () => [...owners],
  };
}

function openDualWrite(market: Market): SimpleShop {
  let stock = market.total;
  const owners: string[] = [];
  return {
    *buy(visit) {
      const hasUnit = yield* market.remote(() => {
        if (stock <= 0) return false;
        stock -= 1;
        return true;
      });
      if (!hasUnit) return "sold_out";
      try {
        yield* market.remote(() => {
          market.queue.push(visit);
        });
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        yield* market.remote(() => {
          stock += 1;
        });
        throw error;
      }
      return "won";
    },
    *work({ rid }) {
      yield* market.remote(() => {
        if (!owners.includes(rid)) owners.push(rid);
      });
    },
    owners: () => owners,
  };
}

function openSplitKeys(market: Market): SimpleShop {
  const keys = 3;
  const stock = Array.from({ length: keys }, (_, key) => Math.floor((market.total + key) / keys));
  return {
    *buy({ buyer }) {
      const key = (buyer * 7) % keys;
      return yield* market.remote((): Answer => {
        const left = stock[key] ?? 0;
        if (left <= 0) return "sold_out";
        stock[key] = left - 1;
        return "won";
      });
    },
  };
}

function openLonelyFallback(market: Market): SimpleShop {
  const known = new Set<string>();
  const owners = new Set<string>();
  const hasFallenBack = new Array<boolean>(market.nodes).fill(false);
  let stock = market.total;
  return {
    *buy({ rid, node }) {
      if (hasFallenBack[node] !== true) {
        try {
          return yield* market.remote((): Answer => {
            if (known.has(rid)) return "won";
            if (stock <= 0) return "sold_out";
            stock -= 1;
            known.add(rid);
            return "won";
          });
        } catch (error) {
          if (!(error instanceof NoAnswer)) throw error;
          hasFallenBack[node] = true;
        }
      }
      return yield* market.remote((): Answer => {
        if (owners.has(rid)) return "won";
        if (owners.size >= market.total) return "sold_out";
        owners.add(rid);
        return "won";
      });
    },
    owners: () => [...new Set([...known, ...owners])],
  };
}
