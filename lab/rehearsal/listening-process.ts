/**
 * Which processes of this machine listen on a port, from /proc: whose processor time a decision costs.
 *
 * Only what this user may look into is found; the rest stays unmeasured, and the certificate says so by leaving it out.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The state of a listening socket in /proc/net/tcp. */
const LISTENING = "0A";
const HEX = 16;

/**
 * The processes that listen on the port: several where each has a socket of its own (PORT_SHARED). Of those that have the same
 * socket the oldest, because the others are its children. Empty when none can be found.
 */
export function findListeners(port: number): readonly number[] {
  const inodes = new Set([...inodesIn("/proc/net/tcp", port), ...inodesIn("/proc/net/tcp6", port)]);
  const found = new Set<number>();
  const pids = namesIn("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((left, right) => left - right);
  for (const pid of pids) {
    if (inodes.size === 0) break;
    for (const fd of namesIn(`/proc/${pid}/fd`)) {
      if (inodes.delete(inodeAt(`/proc/${pid}/fd/${fd}`))) found.add(pid);
    }
  }
  return [...found];
}

/** Lines are: number, local address:port in hex, remote, state, …, the inode as the tenth (proc(5)). */
function inodesIn(table: string, port: number): readonly string[] {
  const lines = orNothing(() => readFileSync(table, "utf8").split("\n").slice(1), []);
  return lines.flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const isWanted = fields[3] === LISTENING && Number.parseInt(fields[1]?.split(":")[1] ?? "", HEX) === port;
    return isWanted && fields[9] !== undefined ? [fields[9]] : [];
  });
}

function inodeAt(link: string): string {
  return /^socket:\[(\d+)\]$/.exec(orNothing(() => readlinkSync(link), ""))?.[1] ?? "";
}

function namesIn(folder: string): readonly string[] {
  return orNothing(() => readdirSync(folder), []);
}

/** Processes end while one looks, and those of other users are not ours to look into. */
function orNothing<Value>(read: () => Value, nothing: Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && "code" in error) return nothing;
    throw error;
  }
}
