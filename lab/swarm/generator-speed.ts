/**
 * `npm run swarm:speed`: what one process of the swarm can send, against a server that does nothing but answer.
 *
 * Every request is another buyer's, signed and distinct, at random instants of one rate. Says what came of it and what it cost
 * the generator in processor time; ends with 1 when the rate was not reached, or took more than one core.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runtimeCommand } from "../../test/support/node-process.ts";
import { cpuMsOf } from "../bench/processor-time.ts";
import { PartProcess } from "./generator/part-process.ts";
import { parseScenario } from "./generator/scenario.ts";
import { sumScores } from "./generator/scoreboard.ts";
import { createSystemClock, wait } from "./system-clock.ts";

const HOUR_MS = 3_600_000;
const PREPARED_MS = 3_000;
const SIGN_MS_EACH = 0.008;
const REACHED_SHARE = 0.99;
const US_PER_MS = 1_000;

const { values } = parseArgs({
  options: {
    rate: { type: "string", default: "40000" },
    seconds: { type: "string", default: "5" },
    connections: { type: "string", default: "128" },
  },
});
const [ratePerS, seconds] = [Number(values.rate), Number(values.seconds)];
const clock = createSystemClock();

const buyers = { kind: "buyer", ratePerS, triesMax: 1, arrivals: { curve: "poisson", durationMs: seconds * 1_000 } };
const connections = { max: Number(values.connections), ahead: Number(values.connections) };
const scenario = parseScenario(JSON.stringify({ name: "speed", connections, populations: { buyers } }), "speed");

const [command, flags] = runtimeCommand("bun");
const server = spawn(command, [...flags, join(import.meta.dirname, "../bench/bare-server.ts")], {
  stdio: ["ignore", "pipe", "inherit"],
});
const part = new PartProcess();
let isReached = false;
try {
  const port = await new Promise<number>((resolve, reject) => {
    server.once("exit", () => reject(new Error("the bare server ended before it said its port")));
    server.stdout.once("data", (text: Buffer) => resolve(Number(String(text).trim())));
  });
  part.send({
    ...{ type: "prepare", scenario, recorded: {}, requests: null, part: 0, partCount: 1 },
    ...{ targets: [{ hostname: "127.0.0.1", port }], host: "127.0.0.1", saleId: "sale", sku: "ticket" },
    ...{ secret: "a secret of nobody, for requests that nobody checks", run: "speed0", countsFrom: "schedule" },
    expiresAt: Math.ceil((clock.nowMs() + HOUR_MS) / 1_000) * 1_000,
  });
  await part.until("prepared");
  const opensAtMs = Math.round(clock.nowMs() + PREPARED_MS + ratePerS * seconds * SIGN_MS_EACH);
  part.send({ type: "sign", opensAtMs, serverOffsetMs: 0 });
  await part.until("signed");
  part.send({ type: "go", opensAtMs });
  await wait(clock, opensAtMs - clock.nowMs());
  const before = cpuMsOf(part.pid, { children: false });
  await part.until("finished");
  const cpuMs = cpuMsOf(part.pid, { children: false }) - before;
  const score = sumScores(part.score === null ? [] : [part.score]);
  const inTime = score.seconds.slice(0, seconds).flatMap(({ outcomes }) => Object.values(outcomes));
  const answeredPerS = inTime.reduce((sum, count) => sum + count, 0) / seconds;
  const cores = cpuMs / (seconds * 1_000);
  const latency = score.latency["buyers"];
  process.stdout.write(
    [
      `${ratePerS}/s for ${seconds} s on ${values.connections} connections: ${Math.round(answeredPerS)}/s answered meanwhile, ${score.answered} of ${score.sent} in all`,
      `${((cpuMs * US_PER_MS) / Math.max(1, score.answered)).toFixed(1)} µs of processor a request, ${cores.toFixed(2)} cores`,
      `latency from the scheduled instant: p50 ${latency?.percentileMs(0.5).toFixed(2)} ms, p99 ${latency?.percentileMs(0.99).toFixed(2)} ms; the generator's lateness: p99 ${score.lateness.percentileMs(0.99).toFixed(2)} ms`,
      `memory ${Math.round(part.residentBytes / 1_048_576)} MiB`,
      "",
    ].join("\n"),
  );
  isReached = answeredPerS >= ratePerS * REACHED_SHARE && cores <= 1;
} finally {
  part.stop();
  server.kill("SIGKILL");
}
process.exit(isReached ? 0 : 1);
