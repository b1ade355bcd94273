/**
 * Reads what the servers of the redis ledger answer: error replies as faults, entries of a stream, remembered values.
 *
 * Whoever can write to the server could have written anything, so nothing is believed to have our form: a row that
 * cannot be read is handed on as text, never dropped, because somebody may have a unit in it.
 */
import { ErrorReply } from "@redis/client";
import { Fault, isFault } from "../../domain/faults.ts";
import type { AcceptedRow, BucketAudit, RememberedReservation, StreamEntry } from "../../ports/bucket-store.ts";
import { SCRIPT_ERRORS } from "./scripts.ts";

const ROW = /^(\d{1,15}) (\d{1,9}) ([A-Za-z0-9_-]{1,64}) ([A-Za-z0-9_-]{1,64})$/;
const SEQ_AT_START = /^(\d{1,15}) /;
/** Sign of an end, number (0: of an earlier epoch), quantity, buyer, instant of the acceptance in base 36. */
const RECORD = /^(-?)(\d{1,15})\|(\d{1,9})\|([^|]*)\|([0-9a-z]{1,10})$/;
const INSTANT_BASE = 36;
const TEXT_LENGTH_MAX = 1_000;

/** What a call threw, as the port promises it. Anything that is not a word of ours leaves the outcome unknown. */
export function toLedgerFault(error: unknown): Fault {
  if (isFault(error)) return error;
  const internal = error instanceof Error ? error.message.slice(0, TEXT_LENGTH_MAX) : String(error);
  const word = error instanceof ErrorReply ? (internal.split(" ", 1)[0] ?? "") : "";
  const code = Object.hasOwn(SCRIPT_ERRORS, word)
    ? SCRIPT_ERRORS[word as keyof typeof SCRIPT_ERRORS]
    : "LEDGER_UNAVAILABLE";
  return new Fault(code, { cause: error, internal });
}

/** What the audit script says of one bucket. */
export function toAudit(reply: readonly number[] | null): BucketAudit | null {
  if (reply === null) return null;
  const [epoch = 0, isOpen, isRegistered, available = 0, leased = 0, leaseSum = 0, ...rest] = reply;
  const [reserved = 0, grantedIn = 0, seq = 0, committedSeq = 0, nowMs = 0] = rest;
  const counts = { available, leased, leaseSum, reserved, grantedIn, seq, committedSeq };
  return { epoch, isOpen: isOpen === 1, isRegistered: isRegistered === 1, ...counts, nowMs };
}

/** One entry: [id, [field, value, …]]. Null when the reply is not an entry (it was deleted while pending). */
export function parseEntry(reply: unknown): StreamEntry | null {
  if (!Array.isArray(reply) || typeof reply[0] !== "string" || !Array.isArray(reply[1])) return null;
  const lastSeq = Number.parseInt(reply[0], 10);
  const fields = new Map<string, string>();
  for (let at = 0; at + 1 < reply[1].length; at += 2) fields.set(String(reply[1][at]), String(reply[1][at + 1]));
  const lines = fields.get("r")?.split("\n");
  const rows: AcceptedRow[] = [];
  const unreadable: { seq: number | null; text: string }[] = [];
  for (const line of lines ?? []) {
    const match = ROW.exec(line);
    if (match === null) unreadable.push({ seq: seqOf(line), text: line.slice(0, TEXT_LENGTH_MAX) });
    else rows.push({ seq: Number(match[1]), quantity: Number(match[2]), buyerId: match[3] ?? "", rid: match[4] ?? "" });
  }
  if (lines === undefined) unreadable.push({ seq: lastSeq, text: JSON.stringify(reply[1]).slice(0, TEXT_LENGTH_MAX) });
  return {
    firstSeq: lastSeq - (lines?.length ?? 1) + 1,
    lastSeq,
    acceptedAtMs: toInteger(fields.get("t")),
    holdMs: toInteger(fields.get("h")),
    rows,
    unreadable,
  };
}

/** A list of entries; what is not one is left out. */
export function parseEntries(reply: unknown): StreamEntry[] {
  if (!Array.isArray(reply)) return [];
  const entries: StreamEntry[] = [];
  for (const item of reply) {
    const entry = parseEntry(item);
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

/** The value of a bucket's reservation, null when it has not our form. */
export function parseRecord(rid: string, text: string): RememberedReservation | null {
  const match = RECORD.exec(text);
  if (match === null) return null;
  return {
    rid,
    buyerId: match[4] ?? "",
    quantity: Number(match[3]),
    seq: Number(match[2]),
    acceptedAtMs: Number.parseInt(match[5] ?? "0", INSTANT_BASE),
    hasEnded: match[1] === "-",
  };
}

/** What is remembered of a reservation that came from Postgres: it has no number in this epoch. */
export function loadedRecord(reservation: { buyerId: string; quantity: number; hasEnded: boolean }): string {
  return `${reservation.hasEnded ? "-" : ""}0|${reservation.quantity}|${reservation.buyerId}|0`;
}

function seqOf(line: string): number | null {
  const match = SEQ_AT_START.exec(line);
  return match === null ? null : Number(match[1]);
}

function toInteger(text: string | undefined): number {
  const value = Number(text ?? "0");
  return Number.isSafeInteger(value) ? value : 0;
}
