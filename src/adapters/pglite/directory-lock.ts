/**
 * Exclusive use of a data directory: a file that names the process holding it.
 *
 * The embedded Postgres does not lock its files, and two of them on one directory destroy it. A holder that died
 * (killed, power cut) leaves its file behind; it is recognised by its process id and start time and taken over.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../domain/faults.ts";

const LOCK_FILE = "node.lock";
/** The embedded database needs about this much for an empty cluster and its first segments. */
const FREE_BYTES_MIN = 128 * 1024 * 1024;
const TAKEOVER_TRIES_MAX = 3;
/** Zombie and dead, as proc(5) spells them. */
const ENDED_STATES = ["Z", "X", "x"];

interface Holder {
  readonly processId: number;
  /** From /proc, so that a reused process id is not taken for the old holder; "" where there is no /proc. */
  readonly startedAt: string;
}

/**
 * Takes the directory (making it if need be) and answers the function that gives it back.
 * Throws DATA_DIRECTORY_LOCKED naming the holder, or DATA_DIRECTORY_UNUSABLE naming the reason.
 */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, LOCK_FILE);
  const own = JSON.stringify({ processId: process.pid, startedAt: startOf(process.pid) } satisfies Holder);
  prepareDirectory(directory);
  for (let tries = 0; tries < TAKEOVER_TRIES_MAX; tries++) {
    if (createLockFile(path, own)) return () => releaseLockFile(path, own);
    const seen = readLockFile(path);
    if (seen === null) continue;
    const holder = parseHolder(seen);
    if (holder !== null && isAlive(holder)) {
      throw new Fault("DATA_DIRECTORY_LOCKED", {
        internal: `${directory} is held by process ${holder.processId}; its lock file is ${path}`,
      });
    }
    removeStale(path, seen);
  }
  throw new Fault("DATA_DIRECTORY_LOCKED", { internal: `${directory}: another process is taking it at this moment` });
}

function prepareDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const { bavail, bsize } = statfsSync(directory);
    const freeBytes = bavail * bsize;
    if (freeBytes < FREE_BYTES_MIN) {
      throw new Fault("DATA_DIRECTORY_UNUSABLE", {
        internal: `${directory} has ${Math.floor(freeBytes / 1_048_576)} MB free, needs ${FREE_BYTES_MIN / 1_048_576} MB`,
      });
    }
  } catch (error) {
    throw asUnusable(directory, error);
  }
}

function createLockFile(path: string, content: string): boolean {
  try {
    writeFileSync(path, content, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw asUnusable(path, error);
  }
}

function readLockFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw asUnusable(path, error);
  }
}

/** Moves the stale file away; if somebody replaced it in between, his file is put back. */
function removeStale(path: string, stale: string): void {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
    if (readFileSync(aside, "utf8") !== stale) linkSync(aside, path);
    rmSync(aside);
  } catch (error) {
    if (errorCode(error) !== "ENOENT" && errorCode(error) !== "EEXIST") throw asUnusable(path, error);
  }
}

function releaseLockFile(path: string, own: string): void {
  if (readLockFile(path) === own) rmSync(path, { force: true });
}

function parseHolder(content: string): Holder | null {
  try {
    const value: unknown = JSON.parse(content);
    if (typeof value !== "object" || value === null) return null;
    const { processId, startedAt } = value as Partial<Holder>;
    return typeof processId === "number" && typeof startedAt === "string" ? { processId, startedAt } : null;
  } catch (error) {
    // A half-written file is what a process killed between open and write leaves: nobody holds the directory.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.processId, 0);
  } catch (error) {
    if (errorCode(error) === "ESRCH") return false;
  }
  return startOf(holder.processId) === holder.startedAt;
}

/**
 * The start time of a process in clock ticks (proc(5), stat field 22). "ended" for one that was killed and whose parent
 * has not taken notice yet: it still answers to its number, and holds nothing any more.
 */
function startOf(processId: number): string {
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state = ""] = fields;
    return ENDED_STATES.includes(state) ? "ended" : (fields[19] ?? "");
  } catch (error) {
    if (error instanceof Error && "code" in error) return "";
    throw error;
  }
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function asUnusable(path: string, error: unknown): Fault {
  if (error instanceof Fault) return error;
  const internal = `${path}: ${error instanceof Error ? error.message : String(error)}`;
  return new Fault("DATA_DIRECTORY_UNUSABLE", { cause: error, internal });
}
