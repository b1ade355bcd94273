/**
 * One process of a swarm: mints its buyers, signs ahead, waits for the opening, sends, reports.
 *
 * Ends when its last errand has ended, when anything goes wrong (after saying so), or when stdin closes, so that no load
 * outlives its coordinator. The first line of stdin is the task.
 */
import { obeyStandardInput } from "../protocol.ts";
import { Engine } from "./engine.ts";
import { SessionMaker } from "./identities.ts";
import type { Command, PrepareCommand, Report, SignCommand } from "./messages.ts";
import { type Plan, planOf } from "./plan.ts";
import { Stream } from "./stream.ts";
import { BuyerWriter, createWriter, type Writer } from "./writers.ts";

/** Work between two looks at stdin. */
const SLICE = 10_000;
const PROGRESS_INTERVAL_MS = 250;

interface Prepared {
  readonly task: PrepareCommand;
  readonly plan: Plan;
  readonly streams: readonly Stream[];
  readonly writers: ReadonlyMap<Stream, Writer>;
}

let prepared: Prepared | null = null;
let signed: SignCommand | null = null;

function report(message: Report): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Calls for one slice after the other, and lets the process breathe between them. */
async function inSlices(count: number, work: (slice: { from: number; until: number }) => void): Promise<void> {
  for (let from = 0; from < count; from += SLICE) {
    work({ from, until: Math.min(count, from + SLICE) });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function prepare(task: PrepareCommand): Promise<Prepared> {
  const plan = planOf(task.scenario, task.recorded, task.requests);
  const maker = new SessionMaker(task);
  const share = { part: task.part, partCount: task.partCount };
  const streams = plan.streams.map((one) => new Stream(one, share, task.scenario.seed));
  let minted = 0;
  for (const { identities } of streams) {
    await inSlices(identities.block.count, (slice) => {
      identities.mint(maker, slice);
      minted += slice.until - slice.from;
      report({ type: "minted", count: minted });
    });
  }
  const writers = new Map(streams.map((stream) => [stream, createWriter(stream, { maker, ...task })]));
  return { task, plan, streams, writers };
}

async function signAhead({ streams, writers }: Prepared, command: SignCommand): Promise<void> {
  for (const stream of streams) {
    const writer = writers.get(stream);
    if (!(writer instanceof BuyerWriter)) continue;
    const { count } = stream.identities.block;
    await inSlices(count, (slice) => writer.signAhead(command.opensAtMs + command.serverOffsetMs, slice));
  }
}

async function play({ task, plan, streams, writers }: Prepared, opensAtMs: number): Promise<void> {
  const { scenario, targets, countsFrom } = task;
  const engine = new Engine({
    ...{ targets, streams, writers, opensAtMs, countsFrom },
    connections: {
      mode: scenario.connections.mode,
      max: Math.max(1, Math.ceil(scenario.connections.max / task.partCount)),
      ahead: Math.ceil(scenario.connections.ahead / task.partCount),
    },
    serverOffsetMs: signed?.serverOffsetMs ?? 0,
    startMs: plan.startMs,
    endMs: plan.endMs,
    patienceMs: scenario.patienceMs,
  });
  const tell = setInterval(() => {
    const { sent, answered, accepted, decided, errors } = engine.score;
    report({
      type: "progress",
      sent,
      answered,
      accepted,
      decided,
      errors,
      latencyMsP99: engine.score.takeRecentMsP99(),
    });
  }, PROGRESS_INTERVAL_MS);
  await engine.run();
  clearInterval(tell);
  report({ type: "finished", score: engine.score.snapshot(), residentBytes: process.memoryUsage.rss() });
}

async function obey(command: Command): Promise<void> {
  if (command.type === "prepare") {
    const startedMs = performance.now();
    prepared = await prepare(command);
    const count = prepared.streams.reduce((sum, { instants }) => sum + instants.length, 0);
    report({ type: "prepared", count, tookMs: performance.now() - startedMs });
    return;
  }
  if (prepared === null) throw new Error(`${command.type} before prepare`);
  if (command.type === "sign") {
    signed = command;
    await signAhead(prepared, command);
    report({ type: "signed" });
    return;
  }
  await play(prepared, command.opensAtMs);
}

obeyStandardInput<Command>({ obey, fail: (message) => report({ type: "failed", message }) });
