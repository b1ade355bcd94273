/** Who may use a data directory: one living process, and nobody who died. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitUntil } from "../../../test/support/waiting.ts";
import { lockDirectory } from "./directory-lock.ts";

function withFolder(work: (folder: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), "doorbuster-lock-"));
    try {
      await work(folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
}

/** Field 3 (state) and field 22 (start time) of a process, as proc(5) numbers them. */
function statOf(pid: number): { state: string; startedAt: string } {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", startedAt: fields[19] ?? "" };
}

test(
  "a second lock is refused and names the process that holds it; giving back frees the directory",
  withFolder((folder) => {
    const release = lockDirectory(folder);
    expect(() => lockDirectory(folder)).toThrow(`process ${process.pid}`);
    release();
    lockDirectory(folder)();
  }),
);

test(
  "a holder whose number was given to another process, or whose file is half written, holds nothing",
  withFolder((folder) => {
    const stale = ['{"processId":', JSON.stringify({ processId: process.pid, startedAt: "1" })];
    for (const content of stale) {
      writeFileSync(join(folder, "node.lock"), content);
      lockDirectory(folder)();
    }
  }),
);

test(
  "a holder that was killed and not yet noticed by its parent holds nothing",
  withFolder(async (folder) => {
    // The shell starts a child and becomes `sleep`, which never asks for its children's ends.
    const parent = spawn("sh", ["-c", "sleep 60 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      const pid = await new Promise<number>((resolve) => {
        parent.stdout.once("data", (chunk: Buffer) => resolve(Number(chunk.toString())));
      });
      const { startedAt } = statOf(pid);
      writeFileSync(join(folder, "node.lock"), JSON.stringify({ processId: pid, startedAt }));
      expect(() => lockDirectory(folder)).toThrow(`process ${pid}`);
      await waitUntil("the shell to be replaced", () =>
        readFileSync(`/proc/${parent.pid}/cmdline`, "utf8").startsWith("sleep"),
      );
      process.kill(pid, "SIGKILL");
      await waitUntil("the killed process to be a zombie", () => statOf(pid).state === "Z");
      lockDirectory(folder)();
    } finally {
      parent.kill("SIGKILL");
    }
  }),
);
