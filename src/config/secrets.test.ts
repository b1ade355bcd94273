/**
 * Secrets on disk: only the owner can read them, half-written ones are never used, and trouble is named.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isFault } from "../domain/faults.ts";
import { readOrMakeSecrets } from "./secrets.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "doorbuster-secrets-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("secrets in a data directory", () => {
  test("only the owner can read the files, and no draft is left behind", () => {
    const data = join(folder, "fresh");
    readOrMakeSecrets(data);
    expect(readdirSync(data).sort()).toEqual(["admin-token", "secret"]);
    for (const name of readdirSync(data)) expect(statSync(join(data, name)).mode & 0o777).toBe(0o600);
  });

  test("a damaged secret is refused instead of weakening every key", () => {
    const data = join(folder, "damaged");
    readOrMakeSecrets(data);
    writeFileSync(join(data, "secret"), "short");
    expect(() => readOrMakeSecrets(data)).toThrow("is damaged");
  });

  test("a data directory that cannot be made is a fault that names it", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    let caught: unknown = null;
    try {
      readOrMakeSecrets(join(file, "data"));
    } catch (error) {
      caught = error;
    }
    expect(isFault(caught, "DATA_DIRECTORY_UNUSABLE")).toBe(true);
    expect(String(caught)).toContain(join(file, "data"));
  });
});
