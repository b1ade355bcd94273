/**
 * The operators' log in words: a request and its answer are one row, and so is each sign-in.
 *
 * Entries stay what they are, because the chain vouches for their very characters: a row is made beside them and has them as
 * its details. What the entries say is src/http/operator/operator-record.ts's; one that we cannot read is shown as it is.
 */
import { wordsOfRequest } from "./request-words.ts";

/** One link of the chain, as the operator API tells it. */
export interface LogEntry {
  readonly seq: number;
  readonly at: number;
  readonly entry: string;
}

export type LogKind = "change" | "access" | "other";

export interface LogRow {
  readonly seq: number;
  readonly at: number;
  readonly kind: LogKind;
  readonly who: string;
  readonly what: string;
  readonly target: string;
  readonly reason: string;
  readonly approvedBy: string;
  /** What became of it; null where there is nothing to tell. */
  readonly outcome: { readonly tone: "good" | "warn" | "bad" | ""; readonly text: string } | null;
  readonly entries: readonly LogEntry[];
}

/** The members of an entry that the log's writer knows; all of them may be missing in what somebody else wrote. */
interface Members {
  readonly event?: unknown;
  readonly actor?: { readonly kind?: unknown; readonly name?: unknown; readonly role?: unknown };
  readonly method?: unknown;
  readonly path?: unknown;
  readonly body?: unknown;
  readonly detail?: unknown;
  readonly asked?: unknown;
  readonly status?: unknown;
  readonly approval?: { readonly by?: { readonly name?: unknown } };
}

const FAILED_EVENTS: readonly unknown[] = ["refused", "sign-in failed"];

/** The newest row first. An answer whose request is not among the entries is a row of its own. */
export function rowsOfLog(entries: readonly LogEntry[]): readonly LogRow[] {
  const read = entries.map((entry) => ({ entry, members: readMembers(entry.entry) }));
  const answers = new Map<unknown, { entry: LogEntry; status: unknown }>();
  for (const { entry, members } of read) {
    if (members?.event === "answered") answers.set(members.asked, { entry, status: members.status });
  }
  const requests = new Set<unknown>();
  for (const { entry, members } of read) if (members?.event === "asked") requests.add(entry.seq);
  const rows: LogRow[] = [];
  for (const { entry, members } of read) {
    if (members?.event === "answered" && requests.has(members.asked)) continue;
    const row = rowOf(entry, members);
    const answer = answers.get(entry.seq);
    if (members?.event !== "asked" || answer === undefined) rows.push(row);
    else rows.push({ ...row, outcome: outcomeOf(answer.status), entries: [entry, answer.entry] });
  }
  return rows.sort((one, other) => other.seq - one.seq);
}

/** Whether the row says this, in any of its words and in whatever case. */
export function isAbout(row: LogRow, sought: string): boolean {
  const { seq, who, what, target, reason, approvedBy, outcome } = row;
  const said = [seq, who, what, target, reason, approvedBy, outcome?.text ?? ""].join("\n").toLowerCase();
  return said.includes(sought.trim().toLowerCase());
}

/** The entry for reading; the chain's own characters where it is no JSON. */
export function spreadEntry(entry: string): string {
  const members = readMembers(entry);
  return members === null ? entry : JSON.stringify(members, null, 2);
}

function readMembers(text: string): Members | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : null;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
}

function rowOf(entry: LogEntry, members: Members | null): LogRow {
  const { seq, at } = entry;
  const blank = { seq, at, who: "", target: "", reason: "", approvedBy: "", outcome: null, entries: [entry] };
  if (members === null) return { ...blank, kind: "other", what: entry.entry };
  const { event } = members;
  if (event === "answered") {
    return {
      ...blank,
      kind: "change",
      what: `Answer to no. ${String(members.asked)}`,
      outcome: outcomeOf(members.status),
    };
  }
  const who = nameOf(members.actor);
  if (event !== "asked") {
    const outcome = FAILED_EVENTS.includes(event) ? ({ tone: "bad", text: "refused" } as const) : null;
    const what = capitalised(String(event ?? "unknown"));
    return { ...blank, kind: "access", who, what, target: String(members.detail ?? ""), outcome };
  }
  const { method, path, body } = members;
  const words = wordsOfRequest({ method: String(method), path: String(path), body });
  const approvedBy = String(members.approval?.by?.name ?? "");
  // A request is logged before it is done: without an answer nobody knows.
  return { ...blank, ...words, kind: "change", who, approvedBy, outcome: { tone: "warn", text: "not known" } };
}

function nameOf(actor: Members["actor"]): string {
  if (actor === undefined) return "";
  if (actor.kind === "machine") return "the machine's token";
  const role = typeof actor.role === "string" ? ` (${actor.role})` : "";
  return `${String(actor.name ?? "somebody")}${role}`;
}

function outcomeOf(status: unknown): LogRow["outcome"] {
  if (typeof status !== "number") return null;
  if (status === 202) return { tone: "warn", text: "waits for a second person" };
  if (status < 300) return { tone: "good", text: "done" };
  return { tone: "bad", text: status < 500 ? `refused (${status})` : `failed (${status})` };
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
