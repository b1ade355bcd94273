#!/usr/bin/env node
/**
 * The launcher: any Node from 18 starts the pinned runtime on src/main.ts and hands on arguments, signals and exit code.
 *
 * Bun is the default; DOORBUSTER_RUNTIME=node moves the same program to Node 24 in one line. A Ctrl-C at a terminal reaches
 * the whole process group, so it is not sent a second time.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT, runtimeCommand } from "./runtime.js";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"];

function launch() {
  const [command, flags] = runtimeCommand(process.env.DOORBUSTER_RUNTIME || "bun");
  // The channel says nothing; its end tells the program that the launcher is gone, however it went.
  const stdio = ["inherit", "inherit", "inherit", "ipc"];
  const child = spawn(command, [...flags, join(ROOT, "src/main.ts"), ...process.argv.slice(2)], { stdio });
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on("error", fail);
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const name of SIGNALS) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}

function fail(error) {
  process.stderr.write(`doorbuster: ${error.message}\n`);
  process.exit(1);
}

try {
  launch();
} catch (error) {
  fail(error);
}
