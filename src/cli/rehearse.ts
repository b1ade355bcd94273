/**
 * `doorbuster rehearse`: lets a node rehearse its deployment, and shows or checks the certificate.
 *
 * The node does the work and signs; this command asks, watches and judges: exit 0 only when there is a certificate and, where a
 * crowd was given, room for all of it. `verify` needs no node, only the deployment's secret.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { readSettings } from "../config/load.ts";
import { type CapacityCertificate, readCertificate, type SignedCertificate } from "../domain/certificate.ts";
import { counted } from "../domain/counted.ts";
import { deriveKeys } from "../funnel/3-identity/keys.ts";
import type { RehearsalProgress } from "../ports/rehearsal-runner.ts";
import { describeCertificate } from "./certificate-words.ts";
import { CommandFailure, EXIT_USAGE, explainFailure } from "./failure.ts";
import { connectOperator, type OperatorClient, type Target } from "./operator-client.ts";
import type { Surroundings } from "./surroundings.ts";
import { checkWritable } from "./writable-file.ts";

const LOOK_EVERY_MS = 500;
/** A node that died in the middle is found out by then. */
const GRACE_MS = 75_000;
const MS_PER_S = 1_000;

/** A rehearsal as the operator API shows it; only what is looked at here is named. */
interface ShownRehearsal {
  readonly state: "running" | "certified" | "failed";
  readonly progress: RehearsalProgress | null;
  readonly failure: string | null;
  readonly signed: SignedCertificate | null;
}

interface Flags extends Target {
  readonly for?: string;
  readonly expectedBuyers?: number;
  readonly busiestSecond?: number;
  readonly seconds: number;
  readonly latency: number;
  readonly target?: readonly string[];
  readonly json?: string;
  readonly force?: true;
  readonly serveJob?: true;
}

/** Adds the command and its sub-command. */
export function addRehearse(program: Command, surroundings: Surroundings): void {
  const command = program
    .command("rehearse")
    .description("measure what a running deployment can decide, and have it sign a capacity certificate")
    .option("--for <sale>", "the sale that is rehearsed: its stock and its name go into the certificate")
    .option("--expected-buyers <count>", "how many come: the headroom is computed for them", whole(1, 100_000_000))
    .option("--busiest-second <share>", "the share of them that comes in the busiest second (default: 0.08)", share)
    .option("--seconds <seconds>", "how long it may take, 10 to 300", whole(10, 300), 90)
    .option("--latency <ms>", "what 99 of 100 decisions must keep", whole(10, 5_000), 250)
    .option("--target <url...>", "where buyers connect: this machine or PUBLIC_URL (default: the node's own port)")
    .option("--force", "also while a sale is open or about to open")
    .option("--json <file>", "writes the signed certificate")
    .option("--url <url>", "the node's operator address (default: this machine, ADMIN_PORT)")
    .option("--token <token>", "the operator token (default: ADMIN_TOKEN, or solo mode's own)")
    .addOption(new Option("--serve-job").hideHelp())
    .action((flags: Flags) => rehearse(flags, surroundings));
  command
    .command("verify <file>")
    .description("check that a certificate is this deployment's and unchanged; needs SECRET, or DATA_DIR in solo mode")
    .action((file: string) => verify(file, surroundings));
}

async function rehearse(flags: Flags, surroundings: Surroundings): Promise<void> {
  if (flags.serveJob) {
    const { serveRehearsalJob } = await import("./rehearsal-job.ts");
    const code = await serveRehearsalJob();
    if (code !== 0) throw new CommandFailure("The rehearsal failed.", code);
    return;
  }
  if (flags.json !== undefined) checkWritable(flags.json);
  const operator = connectOperator(flags, surroundings.env);
  const { id } = await operator.request<{ id: string }>("POST", "/v1/admin/rehearsals", {
    ...(flags.for === undefined ? {} : { saleId: flags.for }),
    ...(flags.expectedBuyers === undefined ? {} : { expectedBuyers: flags.expectedBuyers }),
    ...(flags.busiestSecond === undefined ? {} : { busiestSecondShare: flags.busiestSecond }),
    ...{ seconds: flags.seconds, latencyMsMax: flags.latency, force: flags.force === true },
    ...(flags.target === undefined ? {} : { urls: flags.target }),
  });
  surroundings.err(`Rehearsal ${id} runs on the node. Ctrl+C stops it there.\n`);
  stopWhenTold(operator, id, surroundings);
  const ended = await follow(operator, { id, withinMs: flags.seconds * MS_PER_S + GRACE_MS }, surroundings);
  if (ended.signed === null)
    throw new CommandFailure(`No certificate: ${ended.failure ?? "the rehearsal did not end."}`);
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(ended.signed, null, 2)}\n`);
  const { certificate } = ended.signed;
  surroundings.out(describeCertificate(certificate));
  const headroom = certificate.crowd?.headroom ?? null;
  if (headroom !== null && headroom < 1) {
    const what = `headroom ${headroom} x`;
    throw new CommandFailure(
      certificate.limitedBy === "time"
        ? `The expected crowd is more than this rehearsal had time to show: ${what}. Give it more with --seconds.`
        : `The expected crowd is more than this deployment carries: ${what}.`,
    );
  }
}

/** Passes on to the node that this command was told to stop; following goes on until the node has closed its sales. */
function stopWhenTold(operator: OperatorClient, id: string, surroundings: Surroundings): void {
  void surroundings.untilToldToStop().then(async () => {
    surroundings.err("Stopping the rehearsal on the node...\n");
    await operator.request("DELETE", `/v1/admin/rehearsals/${id}`).catch((error: unknown) => {
      surroundings.err(`It could not be told to stop: ${explainFailure(error)}\n`);
    });
  });
}

/** Shows how far it is until it is over. */
async function follow(
  operator: OperatorClient,
  { id, withinMs }: { id: string; withinMs: number },
  surroundings: Surroundings,
): Promise<ShownRehearsal> {
  const looksMax = Math.ceil(withinMs / LOOK_EVERY_MS);
  let said = "";
  for (let looks = 0; ; looks += 1) {
    const rehearsal = await look(operator, id);
    if (rehearsal.state !== "running" || looks >= looksMax) return rehearsal;
    const line = progressLine(rehearsal);
    if (line !== said) surroundings.err(`${line}\n`);
    said = line;
    // A wait that needs no timer of ours: the signal ends it.
    await new Promise<void>((resume) => {
      AbortSignal.timeout(LOOK_EVERY_MS).addEventListener("abort", () => resume());
    });
  }
}

async function look(operator: OperatorClient, id: string): Promise<ShownRehearsal> {
  try {
    return await operator.request<ShownRehearsal>("GET", `/v1/admin/rehearsals/${id}`);
  } catch (error) {
    throw new CommandFailure(
      `${explainFailure(error)}\nWhat became of rehearsal ${id} is not known: it is listed at /v1/admin/rehearsals. Should its node have died, its sales close by themselves.`,
    );
  }
}

const PHASES = {
  preparing: "preparing",
  accepting: "everybody is served",
  refusing: "everybody is refused",
  ending: "closing the rehearsal's sales",
} as const;

function progressLine({ progress }: ShownRehearsal): string {
  if (progress === null) return "The rehearsal has begun.";
  const { phase, ratePerS, trials, acceptsPerS, refusesPerS } = progress;
  const trying = ratePerS === 0 ? "" : `, trying ${ratePerS}/s`;
  const kept = [
    acceptsPerS === 0 ? "" : `accepts ${acceptsPerS}/s`,
    refusesPerS === 0 ? "" : `refuses ${refusesPerS}/s`,
  ].filter((words) => words !== "");
  return `${counted(trials, "trial")}; ${PHASES[phase]}${trying}${kept.length === 0 ? "" : `; kept so far: ${kept.join(", ")}`}`;
}

function verify(file: string, surroundings: Surroundings): void {
  const { DATA_DIR } = surroundings.env;
  const settings = readSettings({ env: { DATA_DIR } });
  const secret = surroundings.env["SECRET"] || readText(resolve(settings.dataDir, "secret")).trim();
  const keys = deriveKeys(secret, surroundings.env["SECRET_PREVIOUS"] || null);
  const certificate = certificateIn(readText(file), keys.certificate);
  if (certificate === null) {
    throw new CommandFailure(`${file} is not a certificate of this deployment, or was changed since it was issued.`);
  }
  surroundings.out(`${describeCertificate(certificate)}The signature is this deployment's, and nothing was changed.\n`);
}

function certificateIn(text: string, key: Parameters<typeof readCertificate>[0]): CapacityCertificate | null {
  try {
    return readCertificate(key, JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CommandFailure(`Cannot read ${file}: ${(error as Error).message}`, EXIT_USAGE);
  }
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Accepted: a whole number from ${min} to ${max}.`);
  };
}

function share(text: string): number {
  const value = Number(text);
  if (/^[01](\.\d+)?$/.test(text) && value >= 0.001 && value <= 1) return value;
  throw new InvalidArgumentError("Accepted: a number from 0.001 to 1.");
}
