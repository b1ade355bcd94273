/**
 * Reads the Lua scripts from disk and runs them by their digest.
 *
 * A script is its own file with guard.lua put after its first line, so that every script checks epoch and server in the
 * same words. Scripts are loaded on every new connection; a server that has forgotten one all the same (SCRIPT
 * FLUSH, or a user who may not load) says NOSCRIPT, which means that nothing was done, and gets the text.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { ErrorReply } from "@redis/client";
import { SCRIPTS, type ScriptName } from "./scripts.ts";

const FOLDER = new URL("./scripts/", import.meta.url);

/** A script as it goes to the server. */
export interface LoadedScript {
  readonly text: string;
  readonly digest: string;
}

function loadScript(file: string): LoadedScript {
  const guard = readFileSync(new URL("guard.lua", FOLDER), "utf8");
  const own = readFileSync(new URL(file, FOLDER), "utf8");
  const firstLineEnd = own.indexOf("\n") + 1;
  return scriptOf(own.slice(0, firstLineEnd) + guard + own.slice(firstLineEnd));
}

/** A script of this whole text. */
export function scriptOf(text: string): LoadedScript {
  return { text, digest: createHash("sha1").update(text).digest("hex") };
}

/** All scripts of the ledger, from disk. */
export function loadScripts(): Readonly<Record<ScriptName, LoadedScript>> {
  const entries = Object.entries(SCRIPTS).map(([name, spec]) => [name, loadScript(spec.file)]);
  return Object.fromEntries(entries) as Record<ScriptName, LoadedScript>;
}

/** Makes a new connection's server know all scripts. A user without the right to load them is served by EVAL later. */
export async function installScripts(
  scripts: Readonly<Record<string, LoadedScript>>,
  send: (args: string[]) => Promise<unknown>,
): Promise<void> {
  const loads = Object.values(scripts).map((script) => send(["SCRIPT", "LOAD", script.text]));
  for (const load of await Promise.allSettled(loads)) {
    if (load.status === "rejected" && !isRightMissing(load.reason)) throw load.reason;
  }
}

/**
 * Sends `EVALSHA`, and the text instead when the server does not know it. `args` begin with two places that are filled
 * here; they are changed.
 */
export async function evaluate(
  script: LoadedScript,
  args: string[],
  send: (args: string[]) => Promise<unknown>,
): Promise<unknown> {
  args[0] = "EVALSHA";
  args[1] = script.digest;
  try {
    return await send(args);
  } catch (error) {
    if (!(error instanceof ErrorReply) || !error.message.startsWith("NOSCRIPT")) throw error;
    args[0] = "EVAL";
    args[1] = script.text;
    return await send(args);
  }
}

function isRightMissing(error: unknown): boolean {
  return error instanceof ErrorReply && error.message.startsWith("NOPERM");
}
