import { expect, test } from "bun:test";
import { Fault } from "../domain/faults.ts";
import type { SaleId } from "../domain/ids.ts";
import type { AuditEvidence, ItemEvidence } from "../ports/audit-store.ts";
import { AUDIT_VIOLATIONS, type AuditViolationCode, createAuditor, judge } from "./auditor.ts";

const NONE = { count: 0, sample: [] };
const NO_BUCKETS = { check: async () => null };

/** Ten units: 3 sold, 3 held (one of them expiring), 4 free; one order was given back. */
const SOUND: ItemEvidence = {
  sku: "shoe",
  stock: { total: 10, free: 4, granted: 0, held: 3, sold: 3, seq: 5 },
  adjustedUnits: 10,
  statuses: [
    { status: "held", orders: 1, units: 2 },
    { status: "expiring", orders: 1, units: 1 },
    { status: "paid", orders: 2, units: 3 },
    { status: "cancelled", orders: 1, units: 1 },
  ],
  sequences: [{ epoch: 1, bucket: 0, orders: 5, distinct: 5, lowest: 1, highest: 5, isGranted: false }],
  holdMismatches: NONE,
  overLimit: NONE,
  paidWithoutPayment: NONE,
  wrongAmounts: NONE,
  misfiled: NONE,
};

function evidenceOf(item: ItemEvidence): AuditEvidence {
  return { saleId: "drop", mode: "postgres", epoch: 1, takenAt: 1_000, items: [item] };
}

function codesOf(item: ItemEvidence): readonly string[] {
  return judge(evidenceOf(item), null).violations.map((violation) => violation.code);
}

const stock = SOUND.stock;
if (stock === null) throw new Error("the sound item has stock");
const one = { count: 1, sample: ["x1"] };
const facts = { epoch: 1, bucket: 0, orders: 5, distinct: 5, lowest: 1, highest: 5, isGranted: false };

/** For each code the smallest damage that must be reported. */
const DAMAGES: Record<AuditViolationCode, ItemEvidence> = {
  stock_missing: { ...SOUND, stock: null },
  stock_not_conserved: { ...SOUND, stock: { ...stock, free: 5 } },
  stock_negative: { ...SOUND, stock: { ...stock, free: -1, granted: 5 } },
  total_unexplained: { ...SOUND, adjustedUnits: 9 },
  held_mismatch: { ...SOUND, stock: { ...stock, held: 2, free: 5 } },
  sold_mismatch: { ...SOUND, stock: { ...stock, sold: 2, free: 5 } },
  oversold: { ...SOUND, statuses: [{ status: "paid", orders: 5, units: 11 }] },
  granted_unexpected: { ...SOUND, stock: { ...stock, free: 3, granted: 1 } },
  status_unknown: { ...SOUND, statuses: [...SOUND.statuses, { status: "misplaced", orders: 1, units: 1 }] },
  buyer_hold_mismatch: { ...SOUND, holdMismatches: one },
  buyer_over_limit: { ...SOUND, overLimit: one },
  sequence_gap: { ...SOUND, sequences: [{ ...facts, highest: 6 }] },
  sequence_duplicate: { ...SOUND, sequences: [{ ...facts, distinct: 4, highest: 4 }] },
  sequence_counter_mismatch: { ...SOUND, stock: { ...stock, seq: 6 } },
  epoch_from_future: { ...SOUND, sequences: [{ ...facts, epoch: 2 }] },
  paid_without_payment: { ...SOUND, paidWithoutPayment: one },
  amount_mismatch: { ...SOUND, wrongAmounts: one },
  order_misfiled: { ...SOUND, misfiled: one },
};

test("a sound sale balances and shows where every unit is", () => {
  const report = judge(evidenceOf(SOUND), null);
  expect(report.balanced).toBe(true);
  expect(report.violations).toEqual([]);
  expect(report.items).toEqual([
    {
      sku: "shoe",
      total: 10,
      free: 4,
      granted: 0,
      held: 3,
      sold: 3,
      inFlight: 0,
      ordersHeld: 3,
      ordersSold: 3,
      orders: { held: 1, expiring: 1, paid: 2, cancelled: 1 },
      places: null,
    },
  ]);
});

test.each(Object.keys(AUDIT_VIOLATIONS) as AuditViolationCode[])("reports %s", (code) => {
  const report = judge(evidenceOf(DAMAGES[code]), null);
  expect(report.balanced).toBe(false);
  expect(report.violations.map((violation) => violation.code)).toContain(code);
});

test("a single wrong figure is reported as what it is, not as a dozen others", () => {
  expect(codesOf(DAMAGES.total_unexplained)).toEqual(["total_unexplained"]);
  expect(codesOf(DAMAGES.sequence_gap)).toEqual(["sequence_gap"]);
  expect(codesOf(DAMAGES.buyer_over_limit)).toEqual(["buyer_over_limit"]);
});

test("sequence numbers must be dense in every past epoch, and the counter counts only the present one", () => {
  const past = { epoch: 1, bucket: 0, orders: 3, distinct: 3, lowest: 1, highest: 3, isGranted: false };
  const present = { epoch: 2, bucket: 0, orders: 2, distinct: 2, lowest: 1, highest: 2, isGranted: false };
  const item = { ...SOUND, stock: { ...stock, seq: 2 }, sequences: [past, present] };
  expect(judge({ ...evidenceOf(item), epoch: 2 }, null).violations).toEqual([]);
  const torn = { ...item, sequences: [{ ...past, lowest: 2, highest: 4 }, present] };
  expect(judge({ ...evidenceOf(torn), epoch: 2 }, null).violations.map((violation) => violation.code)).toEqual([
    "sequence_gap",
  ]);
});

test("audits asked for at the same time share one snapshot, later ones take a new one", async () => {
  let gathered = 0;
  const store = {
    gather: async () => {
      gathered += 1;
      return evidenceOf(SOUND);
    },
  };
  const auditor = createAuditor(store, NO_BUCKETS);
  const saleId = "drop" as SaleId;
  await Promise.all([auditor.audit(saleId), auditor.audit(saleId)]);
  expect(gathered).toBe(1);
  await auditor.audit(saleId);
  expect(gathered).toBe(2);
});

test("a snapshot that fails is not remembered", async () => {
  let failing = true;
  const store = {
    gather: async () => {
      if (failing) throw new Error("gone");
      return null;
    },
  };
  const auditor = createAuditor(store, NO_BUCKETS);
  await expect(auditor.audit("drop" as SaleId)).rejects.toThrow("gone");
  failing = false;
  expect(await auditor.audit("drop" as SaleId)).toBeNull();
});

test("numbers may be missing in an epoch whose units buckets had: what never came is on record as lost", () => {
  const granted = { epoch: 1, bucket: 0, orders: 3, distinct: 3, lowest: 2, highest: 5, isGranted: true };
  const present = { ...granted, epoch: 2, lowest: 1, highest: 3, isGranted: false };
  const item = { ...SOUND, stock: { ...stock, seq: 3 }, sequences: [granted, present] };
  expect(judge({ ...evidenceOf(item), epoch: 2 }, null).violations).toEqual([]);
});

/** A sale in redis mode: four of its ten units are granted to a bucket. */
const IN_REDIS: AuditEvidence = {
  ...evidenceOf({ ...SOUND, stock: { ...stock, free: 0, granted: 4 } }),
  mode: "redis",
};
const PLACES = { saleId: "drop" as SaleId, mode: "redis", epoch: 1, takenAt: 1_001, items: [], trouble: null } as const;

test("in redis mode what the look at the buckets proved is part of the report", async () => {
  const text = "A bucket was credited more than Postgres granted (X1). Bucket 0.";
  const violations = [{ code: "phantom_credit", sku: "shoe", text }] as const;
  const store = { gather: async () => IN_REDIS };
  const report = await createAuditor(store, { check: async () => ({ ...PLACES, violations }) }).audit("drop" as SaleId);
  expect([report?.balanced, report?.violations, report?.unproven]).toEqual([false, violations, null]);
});

test("buckets that do not answer leave their part unproven, and that is no violation", async () => {
  const unavailable = async (): Promise<never> => {
    throw new Fault("LEDGER_UNAVAILABLE");
  };
  const auditor = createAuditor({ gather: async () => IN_REDIS }, { check: unavailable });
  const report = await auditor.audit("drop" as SaleId);
  expect([report?.balanced, report?.violations]).toEqual([true, []]);
  expect(report?.unproven).toContain("no answer");
  await expect(auditor.auditPlaces("drop" as SaleId)).rejects.toThrow("no answer");
});
