/**
 * Starts a solo node as a process of its own, on free ports, in a temporary data directory, and stops it again.
 *
 * The node gets exactly the settings named here and nothing of our environment, so a DATABASE_URL in somebody's shell
 * cannot turn a demonstration into load on a real database. It prints its addresses; we read them there, because ports
 * that were found free a moment ago may be taken by the time they are used.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../src/ports/clock.ts";

const MAIN_PATH = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const READY_WITHIN_MS = 45_000;
const STOP_WITHIN_MS = 15_000;
const OUTPUT_CHARACTERS_MAX = 100_000;

/** A node that is ready for buyers. */
export interface ShopProcess {
  readonly pid: number;
  /** Buyers connect here. */
  readonly hostname: string;
  readonly port: number;
  readonly buyerAddress: string;
  readonly adminAddress: string;
  readonly adminToken: string;
  readonly isRunning: boolean;
  /** The end of what it printed, for when something went wrong. */
  readonly output: string;
  /** Asks it to end, insists after a while, and removes its data. */
  stop(): Promise<void>;
}

/** Starts the node and waits until it says that it is ready. */
export async function startShop(clock: Clock): Promise<ShopProcess> {
  const dataFolder = await mkdtemp(join(tmpdir(), "doorbuster-demo-"));
  const adminToken = randomBytes(24).toString("base64url");
  const child = spawn(process.execPath, [...process.execArgv, MAIN_PATH, "serve"], {
    env: {
      HOST: "127.0.0.1",
      PORT: "0",
      ADMIN_PORT: "0",
      ADMIN_TOKEN: adminToken,
      SECRET: randomBytes(32).toString("base64url"),
      DATA_DIR: join(dataFolder, "data"),
      // Every buyer of the crowd has an address of its own, told by the crowd as a proxy would.
      TRUSTED_PROXIES: "127.0.0.1/32",
      LOG_LEVEL: "warn",
      NO_COLOR: "1",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const shop = new Shop({ clock, child, dataFolder, adminToken });
  try {
    await shop.untilReady();
  } catch (error) {
    await shop.stop();
    throw error;
  }
  return shop;
}

class Shop implements ShopProcess {
  readonly adminToken: string;
  output = "";
  buyerAddress = "";
  adminAddress = "";
  private readonly clock: Clock;
  private readonly child: ChildProcess;
  private readonly dataFolder: string;
  private readonly ended: Promise<void>;
  private readonly ready: Promise<void>;

  constructor(parts: { clock: Clock; child: ChildProcess; dataFolder: string; adminToken: string }) {
    this.clock = parts.clock;
    this.child = parts.child;
    this.dataFolder = parts.dataFolder;
    this.adminToken = parts.adminToken;
    this.ended = new Promise((resolve) => {
      this.child.once("error", () => resolve());
      this.child.once("exit", () => resolve());
    });
    this.ready = new Promise((resolve) => {
      const keep = (text: string): void => {
        this.output = (this.output + text).slice(-OUTPUT_CHARACTERS_MAX);
        if (this.buyerAddress !== "" || !/^Ready\./m.test(this.output)) return;
        this.buyerAddress = /^\s*Buyers\s+(http:\S+)/m.exec(this.output)?.[1] ?? "";
        this.adminAddress = /^\s*Operators\s+(http:\S+)/m.exec(this.output)?.[1] ?? "";
        resolve();
      };
      for (const stream of [this.child.stdout, this.child.stderr]) stream?.setEncoding("utf8").on("data", keep);
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get hostname(): string {
    return new URL(this.buyerAddress).hostname;
  }

  get port(): number {
    return Number(new URL(this.buyerAddress).port);
  }

  get isRunning(): boolean {
    return this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  async untilReady(): Promise<void> {
    let cancel = (): void => undefined;
    const late = new Promise<"late">((resolve) => {
      cancel = this.clock.setTimer(READY_WITHIN_MS, () => resolve("late"));
    });
    const outcome = await Promise.race([this.ready.then(() => "ready"), this.ended.then(() => "ended"), late]);
    cancel();
    if (outcome === "ready" && this.buyerAddress !== "" && this.adminAddress !== "") return;
    throw new Error(`The node did not become ready (${outcome}). It said:\n${this.output}`);
  }

  async stop(): Promise<void> {
    if (this.isRunning) {
      this.child.kill("SIGTERM");
      const cancel = this.clock.setTimer(STOP_WITHIN_MS, () => this.child.kill("SIGKILL"));
      await this.ended;
      cancel();
    }
    await rm(this.dataFolder, { recursive: true, force: true });
  }
}
