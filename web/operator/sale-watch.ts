/**
 * One sale under observation: its document, its live statistics, and the operator's commands on it.
 *
 * The document is read at the start and after every command; everything that changes by itself comes by the stream,
 * about once a second. Rates of the last two minutes are kept for the sparkline.
 */
import { signal } from "@preact/signals";
import { type AdminApi, textOf } from "./admin-api.ts";
import type { Sale, Stats } from "./documents.ts";

/** Two minutes of one point a second. */
export const HISTORY_POINTS_MAX = 120;

export type Command = "warm-up" | "open" | "pause" | "resume" | "close";

export class SaleWatch {
  readonly api: AdminApi;
  readonly saleId: string;
  readonly sale = signal<Sale | null>(null);
  readonly stats = signal<Stats | null>(null);
  readonly history = signal<readonly { readonly decisionsPerS: number; readonly acceptedPerS: number }[]>([]);
  /** What is wrong with the connection; empty while figures are live. */
  readonly trouble = signal("");
  /** What the last command did, or why it did nothing. */
  readonly outcome = signal<{ readonly tone: "good" | "bad"; readonly text: string } | null>(null);
  readonly busy = signal<Command | null>(null);
  readonly #ending = new AbortController();

  constructor(api: AdminApi, saleId: string) {
    this.api = api;
    this.saleId = saleId;
  }

  start(): void {
    void this.reload();
    void this.api.followStats(this.saleId, {
      signal: this.#ending.signal,
      onStats: (stats) => this.#take(stats),
      onBreak: (text) => {
        this.trouble.value = text;
      },
    });
  }

  stop(): void {
    this.#ending.abort();
  }

  async reload(): Promise<void> {
    try {
      this.sale.value = await this.api.call<Sale>("GET", `/sales/${this.saleId}`);
      this.trouble.value = "";
    } catch (error) {
      this.trouble.value = textOf(error);
    }
  }

  async command(command: Command): Promise<void> {
    if (this.busy.value !== null) return;
    this.busy.value = command;
    try {
      this.sale.value = await this.api.call<Sale>("POST", `/sales/${this.saleId}/${command}`);
      this.outcome.value = { tone: "good", text: DONE[command] };
    } catch (error) {
      this.outcome.value = { tone: "bad", text: textOf(error) };
    }
    this.busy.value = null;
  }

  #take(stats: Stats): void {
    this.stats.value = stats;
    this.trouble.value = "";
    this.history.value = [...this.history.value, stats.rates].slice(-HISTORY_POINTS_MAX);
    const sale = this.sale.value;
    // The state moves by the clock and by other operators too; the document follows.
    if (sale !== null && (sale.state !== stats.state || sale.epoch !== stats.epoch)) void this.reload();
  }
}

const DONE: Record<Command, string> = {
  "warm-up": "This node is warm and ready.",
  open: "The sale is open.",
  pause: "The sale is paused. Holds and payments go on.",
  resume: "The sale goes on.",
  close: "The sale is closed for good.",
};
