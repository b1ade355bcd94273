/**
 * What is installed is found; what is not is named once, with how to get it.
 */
import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { findServerPrograms, MissingServersError } from "./programs.ts";

function withPrograms(names: readonly string[], work: (searchPath: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "doorbuster-programs-"));
  try {
    for (const name of names) {
      writeFileSync(join(folder, name), "");
      chmodSync(join(folder, name), 0o755);
    }
    work(["/nowhere", folder].join(delimiter));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("finds servers wherever the path leads, valkey in redis' place", () => {
  withPrograms(["valkey-server", "nginx"], (searchPath) => {
    const programs = findServerPrograms(searchPath, []);
    expect(programs.redis).toEndWith("/valkey-server");
    expect(programs.nginx).toEndWith("/nginx");
  });
});

test("prefers redis where both are installed", () => {
  withPrograms(["valkey-server", "redis-server", "nginx"], (searchPath) => {
    expect(findServerPrograms(searchPath, []).redis).toEndWith("/redis-server");
  });
});

test("names everything that is missing in one text, with the packages to install", () => {
  expect(() => findServerPrograms("", [])).toThrow(MissingServersError);
  expect(() => findServerPrograms("", [])).toThrow(/redis-server 7\.0 or newer .*, nginx\./);
  expect(() => findServerPrograms("", [])).toThrow("sudo apt-get install redis-server nginx");
  withPrograms(["redis-server"], (searchPath) => {
    expect(() => findServerPrograms(searchPath, [])).toThrow("apt-get install nginx");
  });
});
