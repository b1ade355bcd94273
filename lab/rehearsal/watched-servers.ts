/**
 * The processes whose processor time a rehearsal watches, each under a name of its own: "api", or "api 1" and "api 2".
 *
 * Summed, two nodes at half a core each would look like one that has no more to give; so reading.ts judges them one by one.
 */
import type { ServerOnThisMachine } from "../../src/ports/rehearsal-runner.ts";
import type { WatchedProcess } from "../swarm/generator/processor-watch.ts";
import { findListeners } from "./listening-process.ts";
import { nameOfProcess } from "./reading.ts";

/** PostgreSQL works in children of its server process. */
const WITH_CHILDREN = "postgres";

/** Whoever listens where the servers are said to; a process that is named twice counts once. */
export function watchedServers(
  servers: readonly ServerOnThisMachine[],
  find: (port: number) => readonly number[] = findListeners,
): readonly WatchedProcess[] {
  const pidsByPart = new Map<string, Set<number>>();
  for (const { part, port } of servers) {
    const pids = pidsByPart.get(part) ?? new Set();
    for (const pid of find(port)) pids.add(pid);
    pidsByPart.set(part, pids);
  }
  return [...pidsByPart].flatMap(([part, pids]) =>
    [...pids].map((pid, index) => ({
      part: pids.size === 1 ? part : nameOfProcess(part, index),
      pid,
      children: part === WITH_CHILDREN,
    })),
  );
}
