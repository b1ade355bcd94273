/**
 * The process of a rehearsal, played by scripts: what it says is told on, and nothing that it says can harm the node.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitUntil } from "../../../test/support/waiting.ts";
import type { RehearsalMeasurement, RehearsalProgress, RehearsalTask } from "../../ports/rehearsal-runner.ts";
import { createRehearsalProcess } from "./rehearsal-process.ts";

const TASK = { id: "rehearsal-one", durationMs: 10_000 } as RehearsalTask;
const MEASURED = '{"type":"measured","ledger":"postgres","nodes":2,"accepts":{},"refuses":null}';
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "doorbuster-rehearsal-process-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a process that says these lines, and ends when it is told to, or by itself. */
function play(
  lines: readonly string[],
  { staysUntilTold = false } = {},
): { measured: Promise<RehearsalMeasurement>; heard: RehearsalProgress[] } {
  const mainPath = join(folder, "main.mjs");
  const end = staysUntilTold
    ? "process.stdin.resume().on('end', () => fs.writeFileSync('told', ''));"
    : "process.exit(3);";
  writeFileSync(
    mainPath,
    `import fs from "node:fs"; process.chdir(${JSON.stringify(folder)}); process.stdout.write(${JSON.stringify(lines.map((line) => `${line}\n`).join(""))}, () => { ${end} });`,
  );
  const heard: RehearsalProgress[] = [];
  const { signal } = new AbortController();
  const onProgress = (progress: RehearsalProgress) => void heard.push(progress);
  return { measured: createRehearsalProcess({ mainPath }).run(TASK, { onProgress, signal }), heard };
}

describe("what the process of a rehearsal says", () => {
  test("is told on: how far it is, and what it measured", async () => {
    const { measured, heard } = play(['{"type":"progress","trials":3}', MEASURED]);
    expect(await measured).toMatchObject({ ledger: "postgres", nodes: 2 });
    expect(heard).toMatchObject([{ trials: 3 }]);
  });

  test.each([
    ["why it failed", ['{"type":"failed","message":"No rate was kept."}'], "No rate was kept."],
    ["nothing", [], "ended early (3)"],
  ])("is why there is no measurement: %s", async (_, lines, words) => {
    expect(await messageOf(play(lines).measured)).toContain(words);
  });

  test.each([
    ["no JSON", "warning: something is old"],
    ["half a line", MEASURED.slice(0, 40)],
    ["null", "null"],
    ["a number", "7"],
    ["a line of another kind", '{"type":"news"}'],
    ["a line without a kind", "{}"],
  ])("ends it with words when it is %s, and never the node", async (_, line) => {
    const { measured } = play([line, line, MEASURED], { staysUntilTold: true });
    expect(await messageOf(measured)).toBe(`The rehearsal's process said what it never should: ${line}`);
    const told = join(folder, "told");
    await waitUntil("the process to be told to stop", () => existsSync(told));
    rmSync(told);
  });
});

function messageOf(measured: Promise<RehearsalMeasurement>): Promise<string> {
  return measured.then(
    () => "measured",
    (error: Error) => error.message,
  );
}
