/**
 * What has to be true in the end: everything comes to rest, every promise was kept, every unit can be sold.
 *
 * The one thing to know: after the last fault nobody helps. The deployment has to come to rest by itself; then the rest of
 * the stock is bought by strangers, one unit at a time, until there is none, and what was sold must be exactly what
 * there was (L1). Then the promises to those who came before are looked up (S2, S5) and the money is counted (M2).
 */
import type { BuyerId, Rid } from "../../src/domain/ids.ts";
import { FLIPS_MAX } from "../../src/ledger/conductor.ts";
import { askOnce } from "./buyer.ts";
import { streamKey } from "./model/bucket-data.ts";
import { ITEM_ID, SALE_ID, type Scene } from "./scene.ts";

/** The deployment must be at rest so long after the last fault. */
const REST_MS_MAX = 75_000;
/** What goes on in the background for longer is judged by what can be sold. Gaps are mended within half a minute. */
const BUSTLE_MS_MAX = 35_000;
/** Units are home so long after the end of a sale. */
const CLOSE_MS_MAX = 10_000;
const REST_LOOK_MS = 200;
const RICH_HOLD_MS = 3_600_000;
/** Holds that end later than this are not waited for. */
const LONG_MS = 600_000;
const STRANGERS_TRIES_MAX = 60;
/** Nobody waits for an answer, or for a recovery, for longer. */
const ANSWER_MS_MAX = 10_000;
const RECOVER_MS_MAX = 20_000;
/** "Empty" may be a moment old; so many of them are the truth. */
const REFUSALS_MAX = 3;

const MONEY_SETTLED: ReadonlySet<string> = new Set(["paid", "refunded"]);

/** Why the deployment is not at rest; null when it is. The holds of strangers may last. */
function unrest(world: Scene): string | null {
  const { books, redis, book } = world;
  const { data } = books.tables;
  const { sale, entries } = books.tables.saleRow(SALE_ID);
  const flips = Math.max(0, entries - 1);
  if (book.openSessions > 0) return `${book.openSessions} buyers are not done`;
  if (sale.mode !== "redis" && (sale.mode !== "postgres" || flips < FLIPS_MAX)) return `the sale is ${sale.mode}`;
  const nowMs = books.tables.nowMs();
  for (const order of data.orders.values()) {
    if (order.status === "expiring" || order.status === "refund_due") return `${order.rid} is ${order.status}`;
    if (order.status === "held" && order.holdUntil < nowMs + LONG_MS) return `${order.rid} is held`;
  }
  if (world.faults.hasRestored) return null;
  for (const rid of book.accepted.keys()) {
    const isOwed = !data.orders.has(rid) && !book.isForgotten(rid, redis.hasForgotten);
    if (isOwed) return `${rid} was accepted and is no order`;
  }
  const settled = new Set(
    [...data.orders.values()].filter(({ status }) => MONEY_SETTLED.has(status)).map(({ paymentId }) => paymentId),
  );
  for (const { status, paymentId } of world.provider.payments.values()) {
    if (status === "processing") return `${paymentId} is processing`;
    if (status === "succeeded" && !settled.has(paymentId)) return `${paymentId} is not settled`;
  }
  return null;
}

/** What is still under way in the background; null when nothing is. It may last, as long as every unit can be sold. */
function bustle(world: Scene): string | null {
  const { books, redis } = world;
  const { data } = books.tables;
  const { sale } = books.tables.saleRow(SALE_ID);
  if (sale.mode === "postgres") return null;
  if ([...data.grants.values()].some((grant) => grant.epoch === sale.epoch && grant.state === "new")) return "grants";
  if (data.notes.size > 0) return "notes are not delivered";
  for (const bucket of redis.primary.data.buckets.values()) {
    if (bucket.epoch !== sale.epoch || bucket.runId !== redis.primary.runId) return "a bucket belongs to the past";
    if (!bucket.isOpen) return "a gate is closed";
    let committed = 0;
    for (const order of data.orders.values()) {
      if (order.epoch === bucket.epoch && order.bucket === bucket.bucket) committed += order.quantity;
    }
    if (committed !== bucket.reserved) return `committed ${committed}, accepted ${bucket.reserved}`;
  }
  return null;
}

/** Runs until everything is at rest; a finding when that takes too long. */
export async function comeToRest(world: Scene): Promise<void> {
  const { timeline } = world;
  const startedAtMs = timeline.nowMs;
  while (world.failure === null) {
    const why = world.faults.isUnrecovered ? "nobody has recovered the sale" : unrest(world);
    const hasTime = timeline.nowMs < startedAtMs + BUSTLE_MS_MAX;
    if (why === null && (!hasTime || bustle(world) === null)) return;
    if (timeline.nowMs >= startedAtMs + REST_MS_MAX) world.fail("L1", `no rest: ${why}`);
    if (world.faults.isUnrecovered) await recover(world);
    await timeline.runUntil(timeline.nowMs + REST_LOOK_MS);
  }
}

/** After a restore the operator runs the recovery, whether the sale has noticed or not, and again when it fails. */
async function recover(world: Scene): Promise<void> {
  const worker = world.workers.get("worker-1");
  if (worker === undefined) return;
  const accepted = acceptedInStreams(world);
  let isDone: boolean | null = null;
  worker.recover(world.sale).then(
    () => {
      isDone = true;
    },
    () => {
      isDone = false;
    },
  );
  const isOver = () => isDone !== null || world.failure !== null;
  await world.timeline.runUntil(world.timeline.nowMs + RECOVER_MS_MAX, isOver);
  if (isDone !== true) return;
  world.faults.isUnrecovered = false;
  const { orders } = world.books.tables.data;
  const missing = accepted.find((rid) => !orders.has(rid));
  if (missing !== undefined) world.fail("S5", `${missing} is in the stream and was not recovered`);
}

/** Every rid that the streams of the buckets' epochs still have. */
function acceptedInStreams(world: Scene): readonly string[] {
  const { buckets, streams } = world.redis.primary.data;
  return [...buckets.values()].flatMap((bucket) =>
    (streams.get(streamKey(bucket))?.entries ?? []).flatMap((entry) => entry.rows.map((row) => row.rid)),
  );
}

/** Strangers buy what is left, one unit each, until somebody says that there is none. */
export async function sellTheRest(world: Scene): Promise<void> {
  world.books.patchSale(SALE_ID, { holdMs: RICH_HOLD_MS });
  for (let looks = 0; looks < 20 && !isHoldKnown(world); looks += 1) {
    await world.timeline.runUntil(world.timeline.nowMs + 100);
  }
  const nodes = [...world.nodes.values()];
  const returning = whoHaveNothing(world);
  let answer: string | null = null;
  let failures = 0;
  let refusals = 0;
  for (let stranger = 1; failures < STRANGERS_TRIES_MAX && world.failure === null; stranger += 1) {
    const node = nodes[stranger % nodes.length];
    if (node === undefined) return;
    const buyerId = returning.pop() ?? (`stranger-${stranger}` as BuyerId);
    const attempt = { rid: `rest-${stranger}` as Rid, buyerId, quantity: 1 };
    let outcome: Awaited<ReturnType<typeof askOnce>> | undefined;
    void askOnce(world, attempt, node).then((settled) => {
      outcome = settled;
    });
    await world.timeline.runUntil(world.timeline.nowMs + ANSWER_MS_MAX, () => outcome !== undefined);
    if (outcome?.kind === "accepted") continue;
    failures += 1;
    if (outcome === null || outcome === undefined) continue;
    answer = outcome.reason;
    refusals += 1;
    if (outcome.reason === "limit_reached") continue;
    if (outcome.reason !== "empty" || refusals >= REFUSALS_MAX) break;
    await world.timeline.runUntil(world.timeline.nowMs + 150);
  }
  await world.timeline.runUntil(world.timeline.nowMs + 50);
  await comeToRest(world);
  const { total, free, granted, held, sold } = world.books.tables.stockRow(ITEM_ID);
  if (world.failure === null && held + sold !== total) {
    const text = `${held + sold} of ${total} sold, free ${free}, granted ${granted}; the last heard ${answer}`;
    world.fail("L1", text);
  }
}

/** Every bucket knows how long holds last now. */
function isHoldKnown(world: Scene): boolean {
  return [...world.redis.primary.data.buckets.values()].every(({ settings }) => settings.holdMs === RICH_HOLD_MS);
}

/** The sale is over: everything accepted becomes an order, every unit comes home, and nobody conducts it any more. */
export async function closeSale(world: Scene): Promise<void> {
  world.books.patchSale(SALE_ID, { phase: "closed", closedAt: world.books.tables.nowMs() });
  const deadlineMs = world.timeline.nowMs + CLOSE_MS_MAX;
  const isHome = () => world.sale.mode === "postgres" && world.books.tables.stockRow(ITEM_ID).granted === 0;
  while (!isHome() && world.failure === null) {
    if (world.timeline.nowMs > deadlineMs) world.fail("L1", `closed, and the sale is still ${world.sale.mode}`);
    await world.timeline.runUntil(world.timeline.nowMs + 100);
  }
}

/** Buyers whose holds have all ended: they may buy again. */
function whoHaveNothing(world: Scene): BuyerId[] {
  const buyers = new Set<BuyerId>();
  for (const { attempt } of world.book.accepted.values()) {
    if (world.books.tables.heldUnits(ITEM_ID, attempt.buyerId) === 0) buyers.add(attempt.buyerId);
  }
  return [...buyers];
}

/** Every promise, against what became of it. */
export function checkPromises(world: Scene): void {
  const { books, book, redis } = world;
  // Promises rest on a database that keeps what it committed.
  if (world.faults.hasRestored) return;
  const mayLose = redis.hasLost;
  for (const [rid, { isConfirmed, holdUntil, attempt }] of book.accepted) {
    const order = books.tables.data.orders.get(rid);
    if (order === undefined) {
      if (!book.isForgotten(rid, redis.hasForgotten)) world.fail("S5", `${rid} was accepted and ended in silence`);
      continue;
    }
    if (order.buyerId !== attempt.buyerId || order.quantity !== attempt.quantity) world.fail("S3", `${rid} differs`);
    if (order.status === "lost" && isConfirmed) world.fail("S2", `${rid} was confirmed and is lost`);
    if (order.status === "lost" && !mayLose && !redis.hasLostEntries && !redis.hasUnread) {
      world.fail("S5", `${rid} is lost though Redis lost nothing`);
    }
    if (order.status === "void" && (isConfirmed || !world.faults.hadLateMoney)) world.fail("S2", `${rid} is void`);
    if (order.status === "expired" && order.updatedAt < order.holdUntil) world.fail("S2", `${rid} ended too early`);
    if (isConfirmed && holdUntil !== null && order.holdUntil !== holdUntil) {
      world.fail("S3", `${rid} was promised ${holdUntil}, is held until ${order.holdUntil}`);
    }
  }
  checkMoney(world);
}

/** Whoever paid has his units, or his money back. */
function checkMoney(world: Scene): void {
  const orders = [...world.books.tables.data.orders.values()];
  for (const { paymentId, status } of world.provider.payments.values()) {
    const order = orders.find((candidate) => candidate.paymentId === paymentId);
    if (status === "succeeded" && order?.status !== "paid") {
      world.fail("M2", `${paymentId} was paid, its order is ${order?.status ?? "unknown"}`);
    }
    if (status === "refunded" && order?.status !== "refunded") {
      world.fail("M2", `${paymentId} was sent back, its order is ${order?.status ?? "unknown"}`);
    }
  }
  for (const order of orders) {
    if (order.status !== "paid") continue;
    const payment = order.paymentId === null ? undefined : world.provider.payments.get(order.paymentId);
    if (payment?.status !== "succeeded") world.fail("M2", `${order.rid} is paid, its payment ${payment?.status}`);
  }
}
