/**
 * What a scenario may name: curves in its own folder and below it, and nothing else, whatever leads there.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ScenarioError } from "./scenario.ts";
import { loadScenario } from "./scenario-files.ts";

const CURVE = "0,5\n1000,10\n";
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "doorbuster-scenarios-"));
  mkdirSync(join(folder, "mine", "..below"), { recursive: true });
  for (const place of ["secret.csv", "mine/curve.csv", "mine/..below/curve.csv"])
    writeFileSync(join(folder, place), CURVE);
  symlinkSync("../secret.csv", join(folder, "mine", "link.csv"));
  symlinkSync("..", join(folder, "mine", "up"));
  symlinkSync("curve.csv", join(folder, "mine", "inner.csv"));
  symlinkSync("mine", join(folder, "other-name"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function load(file: string, from = "mine"): readonly string[] {
  const path = join(folder, from, "s.yaml");
  const replaying = { kind: "buyer", count: 3, arrivals: { curve: "replay", file } };
  writeFileSync(path, JSON.stringify({ name: "s", populations: { replaying } }));
  return Object.keys(loadScenario(path).recorded);
}

test.each(["curve.csv", "./curve.csv", "..below/curve.csv", "inner.csv", "../mine/curve.csv"])("%s is read", (file) => {
  expect(load(file)).toEqual([file]);
  expect(load("curve.csv", "other-name")).toEqual(["curve.csv"]);
});

test.each(["../secret.csv", "../../../../etc/passwd", "/etc/passwd", "../nothing-there", "link.csv", "up/secret.csv"])(
  "%s leaves the folder, and is not read",
  (file) => {
    expect(() => load(file)).toThrow(ScenarioError);
    expect(() => load(file)).toThrow(`s.yaml names the curve ${JSON.stringify(file)}, which is /`);
    expect(() => load(file)).toThrow("accepted: a file in the scenario's own folder or below it");
  },
);

test("a curve that is not there is told as such", () => {
  expect(() => load("none.csv")).toThrow(/^Cannot read .*none\.csv, which .*s\.yaml names: /);
});
