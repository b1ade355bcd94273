/**
 * Where the servers of a full deployment are installed on this machine, or what has to be installed.
 *
 * PostgreSQL is looked for by test/support/postgres-cluster.ts, which also starts it. Everything that is missing is
 * named in one text, so that nobody installs three things in three attempts.
 */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { findPostgresPrograms } from "../../test/support/postgres-cluster.ts";

/** Where a distribution keeps servers that are in nobody's PATH. */
const SYSTEM_FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin"];

/** The programs' paths. */
export interface ServerPrograms {
  readonly redis: string;
  readonly nginx: string;
}

/** Something that the deployment needs is not installed; the text says how to get it. */
export class MissingServersError extends Error {}

/**
 * Finds the servers in a PATH and in the system's own folders. Throws {@link MissingServersError} naming all that are
 * missing.
 */
export function findServerPrograms(
  searchPath: string,
  systemFolders: readonly string[] = SYSTEM_FOLDERS,
): ServerPrograms {
  const folders = [...searchPath.split(delimiter).filter((folder) => folder !== ""), ...systemFolders];
  const redis = findProgram(["redis-server", "valkey-server"], folders);
  const nginx = findProgram(["nginx"], folders);
  const missing = [
    ...(redis === null ? [{ what: "redis-server 7.0 or newer (or valkey-server)", package: "redis-server" }] : []),
    ...(nginx === null ? [{ what: "nginx", package: "nginx" }] : []),
    ...(hasPostgres() ? [] : [{ what: "PostgreSQL 15 or newer (in /usr/lib/postgresql)", package: "postgresql" }]),
  ];
  if (redis !== null && nginx !== null && missing.length === 0) return { redis, nginx };
  throw new MissingServersError(
    `This needs servers that are not installed: ${missing.map(({ what }) => what).join(", ")}.\n` +
      `On Debian or Ubuntu: sudo apt-get install ${missing.map((one) => one.package).join(" ")}`,
  );
}

function findProgram(names: readonly string[], folders: readonly string[]): string | null {
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path)) ?? null;
}

function hasPostgres(): boolean {
  try {
    findPostgresPrograms();
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.includes("PostgreSQL")) return false;
    throw error;
  }
}
