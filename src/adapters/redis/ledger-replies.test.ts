import { expect, test } from "bun:test";
import { ErrorReply } from "@redis/client";
import { Fault } from "../../domain/faults.ts";
import { loadedRecord, parseEntries, parseEntry, parseRecord, toLedgerFault } from "./ledger-replies.ts";

const fields = (rows: string): string[] => ["v", "1", "e", "3", "t", "1790000000123", "h", "60000", "r", rows];

test("reads an entry with all its rows", () => {
  expect(parseEntry(["8-0", fields("7 2 buyer_1 rid-a\n8 1 buyer_2 rid-b")])).toEqual({
    firstSeq: 7,
    lastSeq: 8,
    acceptedAtMs: 1_790_000_000_123,
    holdMs: 60_000,
    rows: [
      { seq: 7, quantity: 2, buyerId: "buyer_1", rid: "rid-a" },
      { seq: 8, quantity: 1, buyerId: "buyer_2", rid: "rid-b" },
    ],
    unreadable: [],
  });
});

test("hands on what it cannot read, with its number where that can be told", () => {
  const entry = parseEntry(["9-0", fields("7 2 buyer_1 rid-a\n8 1 buyer 2 rid-b\nnonsense")]);
  expect(entry?.rows.map((row) => row.seq)).toEqual([7]);
  expect(entry?.unreadable).toEqual([
    { seq: 8, text: "8 1 buyer 2 rid-b" },
    { seq: null, text: "nonsense" },
  ]);
  expect(entry?.firstSeq).toBe(7);
});

test("an entry without rows is one unreadable row", () => {
  const entry = parseEntry(["5-0", ["x", "y"]]);
  expect(entry).toMatchObject({ firstSeq: 5, lastSeq: 5, rows: [], unreadable: [{ seq: 5, text: '["x","y"]' }] });
});

test("entries that were deleted while pending are left out", () => {
  expect(parseEntries([null, ["5-0", fields("5 1 b r")], ["6-0", null]]).map((entry) => entry.lastSeq)).toEqual([5]);
  expect(parseEntries(null)).toEqual([]);
});

test("reads what a bucket remembers of a reservation", () => {
  expect(parseRecord("r", `12|2|buyer|${(1_790_000_000_123).toString(36)}`)).toEqual({
    rid: "r",
    buyerId: "buyer",
    quantity: 2,
    seq: 12,
    acceptedAtMs: 1_790_000_000_123,
    hasEnded: false,
  });
  expect(parseRecord("r", loadedRecord({ buyerId: "b", quantity: 1, hasEnded: true }))).toMatchObject({
    seq: 0,
    hasEnded: true,
  });
  expect(parseRecord("r", "12|2")).toBeNull();
});

test("only our own words are certain; everything else leaves the outcome unknown", () => {
  const codeOf = (error: unknown): string => toLedgerFault(error).code;
  expect(codeOf(new ErrorReply("BUCKET_MISSING no such bucket"))).toBe("LEDGER_BUCKET_MISSING");
  expect(codeOf(new ErrorReply("FENCED the epoch of the bucket is 4"))).toBe("LEDGER_FENCED");
  expect(codeOf(new ErrorReply("GATE_CLOSED the gate is closed"))).toBe("LEDGER_FENCED");
  expect(toLedgerFault(new ErrorReply("FOREIGN foreign server, run id 1")).internal).toContain("foreign server");
  for (const text of ["OOM command not allowed", "MISCONF errors writing", "LOADING", "READONLY", "toString x"]) {
    expect(codeOf(new ErrorReply(text))).toBe("LEDGER_UNAVAILABLE");
  }
  expect(codeOf(new Error("FENCED, says the network"))).toBe("LEDGER_UNAVAILABLE");
  const fault = new Fault("LEDGER_UNAVAILABLE");
  expect(toLedgerFault(fault)).toBe(fault);
});
