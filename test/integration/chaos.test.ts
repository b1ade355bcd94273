/**
 * The laboratory itself, on a whole deployment: a node killed, Redis killed, links that lose answers, once each. The long
 * runs are `npm run chaos`.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChaosReport } from "../../lab/chaos/report.ts";
import { runChaos } from "../../lab/chaos/run.ts";
import type { Scenario } from "../../lab/chaos/scenario.ts";
import { SCENARIOS } from "../../lab/chaos/scenarios.ts";
import { createSystemClock } from "../../lab/swarm/system-clock.ts";

setDefaultTimeout(180_000);

const SEED = 11;
/** One variant each, all on the same shape of deployment. */
const SMOKE: Readonly<Record<string, string>> = { K1: "one or two", K3: "fsync always", K9: "lost answers, Redis" };

let folder: string;
let report: ChaosReport;

function smoke(id: string): Scenario {
  const scenario = SCENARIOS.find((one) => one.id === id);
  const variants = scenario?.variants.filter((variant) => variant.name.startsWith(SMOKE[id] ?? "")) ?? [];
  if (scenario === undefined || variants.length !== 1) throw new Error(`no such smoke: ${id}`);
  return { ...scenario, variants };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "doorbuster-chaos-report-"));
  report = await runChaos({
    scenarios: Object.keys(SMOKE).map(smoke),
    times: 1,
    seed: SEED,
    variantText: "",
    isPostgresMode: false,
    folder,
    clock: createSystemClock(),
    say: (text) => console.log(text),
    keep: (_name, text) => console.log(text),
  });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const id of Object.keys(SMOKE)) {
  test(`keeps every promise through ${id}`, () => {
    const [repetition] = report.repetitions.filter((one) => one.scenario === id);
    expect(repetition?.violations).toEqual([]);
    expect(repetition).toMatchObject({ lost: 0, oversold: 0, stranded: 0 });
    expect(repetition?.injections.length).toBeGreaterThan(0);
    expect(repetition?.accepted).toBeGreaterThan(100);
  });
}
