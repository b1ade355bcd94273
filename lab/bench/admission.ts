/**
 * `npm run bench:admission`: what challenges and the way through stages 1 to 6 cost, in processor time of one thread.
 *
 * In one process, without a network: a fresh buyer, address, device and nonce for each attempt, everything made before the
 * clock starts. Each figure is the mean of many calls in the best of several rounds, because the question is what the code
 * costs and not what else the machine was doing. Runs itself on both runtimes; `--write FILE` keeps the table.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { createSystemRandom } from "../../src/adapters/local/system-random.ts";
import type { SessionId } from "../../src/domain/ids.ts";
import { AdmissionScene, SCENE_BITS, type ShownProof } from "../../test/support/admission-scene.ts";
import { solve } from "../../test/support/challenges.ts";
import { SALE_ID } from "../../test/support/funnel-fixture.ts";
import { type Runtime, runtimeCommand } from "../../test/support/node-process.ts";

const ROUNDS = 8;
const CALLS = 4_000;

interface Row {
  readonly name: string;
  readonly meanUs: number;
  /** What Bun must stay under; null = only told. */
  readonly targetUs: number | null;
}

/** Processor time since the program began: what others do to the machine is not in it. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Calls over fresh inputs, several rounds; the mean of the best round. `after` runs outside the figure. */
async function bestMean<Input, Result>(
  prepare: () => Input[],
  call: (input: Input) => Result,
  after: (result: Result) => unknown = () => undefined,
): Promise<number> {
  let bestUs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    const inputs = prepare();
    const startedAtUs = cpuUs();
    const results = inputs.map(call);
    bestUs = Math.min(bestUs, (cpuUs() - startedAtUs) / inputs.length);
    for (const result of results) await after(result);
  }
  return bestUs;
}

/** The same for calls that answer with a promise: from the first to the last answer, one after the other. */
async function bestMeanAwaited<Input>(
  prepare: () => Input[],
  call: (input: Input) => Promise<unknown>,
): Promise<number> {
  let bestUs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    const inputs = prepare();
    const startedAtUs = cpuUs();
    for (const input of inputs) await call(input);
    bestUs = Math.min(bestUs, (cpuUs() - startedAtUs) / inputs.length);
  }
  return bestUs;
}

const many = <Value>(make: (index: number) => Value): Value[] =>
  Array.from({ length: CALLS }, (_, index) => make(index));

async function challengeRows(scene: AdmissionScene): Promise<Row[]> {
  const nowMs = scene.fixture.clock.nowMs();
  const who = (index: number) => ({ saleId: SALE_ID, sessionId: `session-${index}` as SessionId, nowMs });
  const give = (index: number) => scene.desk.give({ ...who(index), difficulty: SCENE_BITS });
  const mintUs = await bestMean(() => many((index) => index), give);
  const solved = () =>
    many((index) => {
      const challenge = give(index);
      return { ...who(index), token: challenge.token, solution: solve(challenge), strengthMin: 1, purpose: "" };
    });
  const verifyUs = await bestMeanAwaited(solved, async (handedIn) => {
    const { kind } = await scene.desk.redeem(handedIn);
    if (kind !== "solved") throw new Error("a right solution was refused");
  });
  return [
    { name: "challenge: mint", meanUs: mintUs, targetUs: 20 },
    { name: "challenge: verify proof of work", meanUs: verifyUs, targetUs: 20 },
  ];
}

async function attemptRow(scene: AdmissionScene, name: string, proof: ShownProof, expected: string): Promise<Row> {
  const requests = () => many(() => scene.request(scene.buyer(), proof));
  const meanUs = await bestMean(
    requests,
    (request) => scene.decide(request),
    async (answer) => {
      const { body } = await answer;
      if (!body.includes(expected)) throw new Error(`${name} ended elsewhere: ${body}`);
    },
  );
  return { name, meanUs, targetUs: proof === "pass" ? 25 : proof === "clearance" ? 60 : null };
}

async function measure(): Promise<Row[]> {
  const scene = await AdmissionScene.open(createSystemRandom());
  const reached = "did not arrive as a whole";
  return [
    ...(await challengeRows(scene)),
    await attemptRow(scene, "attempt: stages 1–6, signed, cleared", "clearance", reached),
    await attemptRow(scene, "attempt: stages 1–6, with a pass", "pass", reached),
    await attemptRow(scene, "attempt: refused with a fresh challenge", "nothing", "challenge_required"),
  ];
}

function renderTable(rowsByRuntime: ReadonlyMap<Runtime, readonly Row[]>): string {
  const lines = [...rowsByRuntime].flatMap(([runtime, rows]) =>
    rows.map(({ name, meanUs, targetUs }) => {
      const isMet = targetUs === null || meanUs <= targetUs ? "" : " (missed)";
      const target = targetUs === null || runtime !== "bun" ? "" : `≤ ${targetUs}${isMet}`;
      return `| ${runtime} | ${name} | ${meanUs.toFixed(1)} | ${target} |`;
    }),
  );
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`;
  const head = "| runtime | what | CPU µs | target |\n| --- | --- | ---: | --- |";
  return `Machine: ${machine}. Best of ${ROUNDS} rounds of ${CALLS}.\n\n${head}\n${lines.join("\n")}\n`;
}

/** This program again, on that runtime, for its rows alone. */
function measureOn(runtime: Runtime): readonly Row[] {
  const [command, flags] = runtimeCommand(runtime);
  const child = spawnSync(command, [...flags, import.meta.filename, "--rows"], { encoding: "utf8" });
  if (child.status !== 0) throw new Error(`the run on ${runtime} ended with ${child.status}: ${child.stderr}`);
  return JSON.parse(child.stdout) as readonly Row[];
}

const { values } = parseArgs({ options: { rows: { type: "boolean", default: false }, write: { type: "string" } } });
if (values.rows) {
  process.stdout.write(JSON.stringify(await measure()));
} else {
  const runtimes: readonly Runtime[] = ["bun", "node"];
  const table = renderTable(new Map(runtimes.map((runtime) => [runtime, measureOn(runtime)])));
  process.stdout.write(table);
  if (values.write !== undefined) writeFileSync(values.write, table);
}
