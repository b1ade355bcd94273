/**
 * Entry point of one crowd process: takes commands from stdin, plays its buyers, reports on stdout.
 *
 * Ends when its buyers have ended, when anything goes wrong (after saying so), or when stdin closes, so that no crowd
 * outlives its coordinator.
 */
import { Crowd } from "./crowd.ts";
import type { Observation } from "./observation.ts";
import { type Command, OBSERVATIONS_PER_MESSAGE_MAX, obeyStandardInput, type Report } from "./protocol.ts";
import { createSystemClock } from "./system-clock.ts";

const PROGRESS_INTERVAL_MS = 500;
const MINTED_REPORT_EVERY = 1_000;

const clock = createSystemClock();
let crowd: Crowd | null = null;
let rows: Observation[] = [];

function report(message: Report): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function flushObservations(): void {
  if (rows.length === 0) return;
  report({ type: "observations", rows });
  rows = [];
}

function observe(observation: Observation): void {
  rows.push(observation);
  if (rows.length >= OBSERVATIONS_PER_MESSAGE_MAX) flushObservations();
}

function reportProgress(playing: Crowd): void {
  flushObservations();
  const { tally, activeCount, arrivedCount } = playing;
  report({ type: "progress", tally: tally.snapshot(), activeCount, arrivedCount });
  clock.setTimer(PROGRESS_INTERVAL_MS, () => reportProgress(playing));
}

async function obey(command: Command): Promise<void> {
  if (command.type === "setup") {
    const onMinted = (count: number): void => {
      if (count % MINTED_REPORT_EVERY === 0) report({ type: "minted", count });
    };
    crowd = new Crowd({ setup: command, clock, observe, onMinted });
    await crowd.mintSessions();
    report({ type: "ready", count: crowd.memberCount });
    return;
  }
  if (crowd === null) throw new Error(`${command.type} before setup`);
  if (command.type === "go_home") {
    crowd.goHome();
    return;
  }
  await crowd.prepare(command);
  report({ type: "prepared" });
  reportProgress(crowd);
  await crowd.run();
  flushObservations();
  report({ type: "finished", tally: crowd.tally.snapshot(), lagMsMax: crowd.lagMsMax });
}

obeyStandardInput<Command>({ obey, fail: (message) => report({ type: "failed", message }) });
