/**
 * A disk of a few megabytes that can be full or read-only: a tmpfs, since permissions do not bind root.
 *
 * Mounting needs root. `whyNoSmallDisk` says so in words, for tests that must be skipped without it.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BALLAST_BYTES = 256 * 1_024;

/** Null when a small disk can be made here, else the reason in words. */
export function whyNoSmallDisk(): string | null {
  if (process.platform !== "linux") return "a tmpfs is mounted on Linux only";
  if (process.getuid?.() !== 0) return "mounting a tmpfs needs root";
  try {
    new SmallDisk("1m").remove();
    return null;
  } catch (error) {
    return `mounting a tmpfs failed: ${(error as Error).message.split("\n")[0]}`;
  }
}

export class SmallDisk {
  readonly folder: string;

  constructor(size: string) {
    this.folder = mkdtempSync(join(tmpdir(), "doorbuster-disk-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=0755`, "tmpfs", this.folder], { stdio: "pipe" });
  }

  /** From now on nothing can be written. */
  makeReadOnly(): void {
    execFileSync("mount", ["-o", "remount,ro", this.folder], { stdio: "pipe" });
  }

  /** Writes until no byte is free; the returned function frees them again. */
  fill(): () => void {
    const path = join(this.folder, "ballast");
    for (const size of [BALLAST_BYTES, 4_096]) {
      try {
        for (;;) writeFileSync(path, Buffer.alloc(size), { flag: "a" });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
    }
    return () => writeFileSync(path, "");
  }

  remove(): void {
    execFileSync("umount", ["--lazy", this.folder], { stdio: "pipe" });
    rmdirSync(this.folder);
  }
}
