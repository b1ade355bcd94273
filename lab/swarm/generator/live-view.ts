/**
 * What goes on, for people: a block that is redrawn on a terminal, a line every two seconds anywhere else.
 */
import { counted } from "../../../src/domain/counted.ts";
import type { ProgressOutput } from "../progress.ts";
import type { SwarmProgress, SwarmTrouble } from "./swarm.ts";

const PLAIN_INTERVAL_MS = 2_000;
const BAR_WIDTH = 40;
const RATE_WINDOW_MS = 1_000;
const RATES_SHOWN_MAX = 60;
const BLOCKS = " ▁▂▃▄▅▆▇█";
const MS_PER_S = 1_000;
const CLEAR_BELOW = "\u001b[0J";

const PHASES: Readonly<Record<SwarmProgress["phase"], string>> = {
  preparing: "minting sessions",
  signing: "signing ahead",
  waiting: "waiting for the opening",
  running: "running",
  auditing: "waiting for the books, then the audit",
};

/** Draws progress; call {@link show} as often as there is any, and {@link end} once. */
export class LiveView {
  readonly #output: ProgressOutput;
  readonly #nowMs: () => number;
  #drawnLines = 0;
  #lastPlainMs = Number.NEGATIVE_INFINITY;
  /** Null until anything of it was seen. */
  #saidMinted: number | null = null;
  #rates: readonly number[] = [];
  #recent: { readonly nowMs: number; readonly answered: number }[] = [];

  constructor(output: ProgressOutput, nowMs: () => number) {
    this.#output = output;
    this.#nowMs = nowMs;
  }

  show(progress: SwarmProgress | SwarmTrouble): void {
    if (progress.phase === "trouble") {
      // It stays, where a block would be drawn over.
      this.end();
      this.#output.write(`${progress.trouble}\n`);
      return;
    }
    const nowMs = this.#nowMs();
    const perS = this.#rate(progress.answered, nowMs);
    this.#rates = [...this.#rates, perS].slice(-RATES_SHOWN_MAX);
    if (this.#output.isTTY === true) {
      this.#draw(linesOf(progress, perS, this.#rates));
    } else {
      this.#tellPlainly(progress, { perS, nowMs });
    }
  }

  /** Takes the block away; what is written next begins where it was. */
  end(): void {
    this.#draw([]);
  }

  /** Sessions are counted while they become more, and once when all are there: a line that stays says nothing. */
  #tellPlainly(progress: SwarmProgress, { perS, nowMs }: { perS: number; nowMs: number }): void {
    const { phase, minted, identities } = progress;
    const isPreparing = phase === "preparing";
    if (!isPreparing && this.#saidMinted !== null) {
      this.#saidMinted = null;
      this.#output.write(`${counted(identities, "session")} minted\n`);
    }
    if (isPreparing) this.#saidMinted ??= 0;
    if (nowMs - this.#lastPlainMs < PLAIN_INTERVAL_MS) return;
    if (isPreparing && minted <= (this.#saidMinted ?? 0)) return;
    if (isPreparing) this.#saidMinted = minted;
    this.#lastPlainMs = nowMs;
    this.#output.write(`${summaryOf(progress, perS)}\n`);
  }

  #draw(lines: readonly string[]): void {
    if (this.#output.isTTY !== true) return;
    const width = (this.#output.columns ?? 80) - 1;
    const up = this.#drawnLines === 0 ? "" : `\u001b[${this.#drawnLines}A`;
    this.#output.write(`${up}\r${CLEAR_BELOW}${lines.map((line) => `${line.slice(0, width)}\n`).join("")}`);
    this.#drawnLines = lines.length;
  }

  #rate(answered: number, nowMs: number): number {
    this.#recent.push({ nowMs, answered });
    this.#recent = this.#recent.filter((one) => nowMs - one.nowMs <= RATE_WINDOW_MS);
    const [oldest] = this.#recent;
    if (oldest === undefined || nowMs <= oldest.nowMs) return 0;
    return ((answered - oldest.answered) * MS_PER_S) / (nowMs - oldest.nowMs);
  }
}

function summaryOf(progress: SwarmProgress, perS: number): string {
  const { phase, atMs } = progress;
  if (phase === "preparing") return `${count(progress.minted)} of ${counted(progress.identities, "session")}`;
  if (phase === "auditing") return PHASES.auditing;
  if (phase !== "running") return `${PHASES[phase]}, in ${seconds(Math.max(0, -atMs))}`;
  return [
    seconds(atMs),
    `${counted(progress.requests, "arrival")} in all`,
    `${count(progress.answered)} answered`,
    `${count(perS)}/s`,
    `${count(progress.accepted)} accepted`,
    perS === 0 ? "p99 –" : `p99 ${count(progress.latencyMsP99)} ms`,
    counted(progress.errors, "error"),
  ].join(" · ");
}

/** A phase, how far it has come, what it comes to, and the rate of the last while as a line of blocks. */
function linesOf(progress: SwarmProgress, perS: number, rates: readonly number[]): readonly string[] {
  const { phase, minted, identities, atMs, endMs } = progress;
  const share = phase === "preparing" ? minted / Math.max(1, identities) : Math.max(0, atMs) / Math.max(1, endMs);
  const full = Math.round(Math.min(1, share) * BAR_WIDTH);
  const bar = `[${"█".repeat(full)}${" ".repeat(BAR_WIDTH - full)}] ${(100 * Math.min(1, share)).toFixed(0)} %`;
  const top = Math.max(1, ...rates);
  const blocks = rates.map((rate) => BLOCKS[Math.round((rate / top) * (BLOCKS.length - 1))] ?? "").join("");
  const lines = [PHASES[phase], bar, summaryOf(progress, perS)];
  return phase === "running" ? [...lines, `${blocks} ${count(top)}/s at most`] : lines;
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function seconds(ms: number): string {
  return `${(ms / MS_PER_S).toFixed(1)} s`;
}
