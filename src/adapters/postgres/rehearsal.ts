/**
 * A rehearsal of the hot transaction: real batches on a sale that never existed, rolled back.
 *
 * The embedded database is WebAssembly, which runtimes begin by interpreting and compile when it has run often enough: its
 * first batches take 40 to 150 ms, the fiftieth 4 ms. Without a rehearsal those first ones are the first buyers'
 * answers at the opening. Short transactions, so that others get their turn on the one session in between.
 */
import type { Database, SqlConnection } from "../../ports/database.ts";

const TRANSACTIONS = 8;
const BATCHES_PER_TRANSACTION = 6;
const ATTEMPTS_PER_BATCH = 64;

/** Not an id that anybody can choose: it has a dot. */
const SCRATCH_SALE = "doorbuster.rehearsal";

const CREATE_SALE = {
  text: `INSERT INTO sale (id, name, opens_at, closes_at, hold_ms, per_buyer_max, challenge, signature, eligibility)
         VALUES ($1, 'rehearsal', 0, now_ms() + 3600000, 60000, 2, 'none', 'required', '{}')`,
};
const CREATE_ITEM = {
  text: `INSERT INTO item (sale_id, sku, name, price_amount, price_currency, per_buyer_max, position)
         VALUES ($1, 'rehearsal', 'rehearsal', 1, 'EUR', 2, 0) RETURNING item_id AS "itemId"`,
};
const CREATE_STOCK = { text: "INSERT INTO stock (item_id, total, free) VALUES ($1, 1000000, 1000000)" };

/** Thrown to undo; never leaves this file. */
class RehearsalOver extends Error {}

/** Runs `reserve` (the ledger's own statement) on scratch data until it is warm; leaves nothing behind. */
export async function rehearse(database: Database, reserve: { name: string; text: string }): Promise<void> {
  for (let transaction = 0; transaction < TRANSACTIONS; transaction++) {
    try {
      await database.transaction(async (connection) => {
        await rehearseOnce(connection, reserve);
        throw new RehearsalOver();
      });
    } catch (error) {
      if (!(error instanceof RehearsalOver)) throw error;
    }
  }
}

async function rehearseOnce(connection: SqlConnection, reserve: { name: string; text: string }): Promise<void> {
  await connection.query(CREATE_SALE, [SCRATCH_SALE]);
  const [item] = await connection.query<{ itemId: number }>(CREATE_ITEM, [SCRATCH_SALE]);
  if (item === undefined) throw new Error("the scratch item was not created");
  await connection.query(CREATE_STOCK, [item.itemId]);
  for (let batch = 0; batch < BATCHES_PER_TRANSACTION; batch++) {
    const names = Array.from({ length: ATTEMPTS_PER_BATCH }, (_, index) => `rehearsal-${batch}-${index}`);
    const quantities = names.map(() => 1);
    await connection.query(reserve, [SCRATCH_SALE, item.itemId, 1, names, names, quantities]);
  }
}
