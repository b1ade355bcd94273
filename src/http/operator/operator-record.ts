/**
 * Writes the operators' log: who did what, before it is done, and how it was answered, after.
 *
 * An entry comes first, so that a change without one cannot exist: where the log cannot be written, nothing is changed.
 * Each entry's number and hash also go to the process log, which usually is kept by somebody else: with them a chain that
 * was written anew as a whole can be told from the real one. Bodies are kept as they were sent when they are short and no
 * secret, else by digest.
 */
import { hash } from "node:crypto";
import type { OperatorLog } from "../../ports/operator-log.ts";
import type { Log } from "../../ports/telemetry.ts";
import type { Actor } from "./actor.ts";

const BODY_LENGTH_MAX = 2_000;
const TEXT_LENGTH_MAX = 500;

/** What is about to be done. */
export interface RecordedCall {
  readonly actor: Actor;
  readonly method: string;
  readonly path: string;
  /** Null where it was not read. */
  readonly body: string | null;
  /** Who consented, when it took two. */
  readonly approval?: { readonly id: string; readonly by: { readonly id: string; readonly name: string } };
}

/** What happens to people's ways in. */
export type AccessEvent = "signed in" | "sign-in failed" | "signed out" | "proved again" | "enrolled" | "refused";

export class OperatorRecord {
  readonly #store: OperatorLog;
  readonly #log: Log;

  constructor(parts: { store: OperatorLog; log: Log }) {
    this.#store = parts.store;
    this.#log = parts.log;
  }

  /** Answers the entry's number. Throws what the store throws; then nothing may be done. */
  async asked(call: RecordedCall): Promise<number> {
    const { method, body, approval } = call;
    return this.#append({
      event: "asked",
      actor: described(call.actor),
      method,
      path: call.path.slice(0, TEXT_LENGTH_MAX),
      ...(body === null || body === "" ? {} : { body: shownBody(body) }),
      ...(approval === undefined ? {} : { approval }),
    });
  }

  /** What has been done cannot be undone for want of an entry: a log that is away now is told to the process log. */
  async answered(seq: number, status: number): Promise<void> {
    try {
      await this.#append({ event: "answered", asked: seq, status });
    } catch (error) {
      this.#log.error({ error, asked: seq, status }, "the answer to a change could not be logged; the change is made");
    }
  }

  /** `name` when nobody signed in: whose it was, never what was typed. */
  async access(event: AccessEvent, who: { name: string } | Actor, detail?: string): Promise<void> {
    const actor = "kind" in who ? described(who) : { name: who.name.slice(0, TEXT_LENGTH_MAX) };
    await this.#append({ event, actor, ...(detail === undefined ? {} : { detail: detail.slice(0, TEXT_LENGTH_MAX) }) });
  }

  async #append(entry: Readonly<Record<string, unknown>>): Promise<number> {
    const head = await this.#store.append(JSON.stringify(entry));
    this.#log.info({ event: entry["event"], seq: head.seq, hash: head.hash }, "operator log");
    return head.seq;
  }
}

function described(actor: Actor): Readonly<Record<string, string>> {
  if (actor.kind === "machine") return { kind: "machine", role: actor.role };
  return { kind: "person", id: actor.id, name: actor.name, role: actor.role };
}

function shownBody(text: string): unknown {
  if (text.length <= BODY_LENGTH_MAX) {
    try {
      return JSON.parse(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return digestOf(text);
}

/** For bodies that are not kept. */
function digestOf(text: string): { readonly characters: number; readonly sha256: string } {
  return { characters: text.length, sha256: hash("sha256", text, "hex") };
}
