/**
 * Where servers of tests keep their files: in memory where there is room, since no test pulls the plug of the machine.
 */
import { existsSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";

/** Where Linux keeps files in memory: an fsync costs nothing there. */
const MEMORY_FOLDER = "/dev/shm";
/** A cluster takes a tenth of it; containers often have 64 MB in all. */
const MEMORY_FREE_BYTES_MIN = 2 * 1024 ** 3;

/** Whether a folder takes memory for as long as it is there. */
export function isInMemory(folder: string): boolean {
  return folder.startsWith(MEMORY_FOLDER);
}

/** The folder to make temporary folders in. */
export function quickFolder(): string {
  if (!existsSync(MEMORY_FOLDER)) return tmpdir();
  const { bavail, bsize } = statfsSync(MEMORY_FOLDER);
  return bavail * bsize >= MEMORY_FREE_BYTES_MIN ? MEMORY_FOLDER : tmpdir();
}
