/**
 * One of several nodes of a deployment: a process with roles and two fixed ports, so that it can be killed and started
 * again where the others and the proxy expect it.
 *
 * It gets exactly the settings named here and nothing of our environment: a variable in somebody's shell cannot point a
 * demonstration at a real database.
 */
import { fileURLToPath } from "node:url";
import type { Clock } from "../../src/ports/clock.ts";
import { takeFreePort } from "../../test/support/ports.ts";
import { answers, ChildProgram } from "./child-program.ts";

const MAIN_PATH = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const READY_WITHIN_MS = 45_000;
const STOP_WITHIN_MS = 15_000;

export interface ShopNodeOptions {
  /** As people hear of it: "api-2". */
  readonly name: string;
  readonly roles: readonly string[];
  /** The deployment's settings; ports and addresses are added. */
  readonly settings: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

/** A node, running or not. */
export class ShopNode {
  readonly name: string;
  readonly buyerPort: number;
  readonly adminPort: number;
  readonly #options: ShopNodeOptions;
  #program: ChildProgram;

  private constructor(options: ShopNodeOptions, ports: { buyerPort: number; adminPort: number }) {
    this.#options = options;
    this.name = options.name;
    this.buyerPort = ports.buyerPort;
    this.adminPort = ports.adminPort;
    this.#program = this.#spawn();
  }

  /** Starts it without waiting. */
  static async spawn(options: ShopNodeOptions): Promise<ShopNode> {
    return new ShopNode(options, { buyerPort: await takeFreePort(), adminPort: await takeFreePort() });
  }

  get pid(): number {
    return this.#program.pid;
  }

  get output(): string {
    return this.#program.output;
  }

  get isRunning(): boolean {
    return this.#program.isRunning;
  }

  get adminAddress(): string {
    return `http://127.0.0.1:${this.adminPort}`;
  }

  /** Resolves when it says so itself. */
  async untilReady(): Promise<void> {
    await this.#program.untilReady(() => answers(`${this.adminAddress}/readyz`, 200), READY_WITHIN_MS);
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    await this.#program.kill();
  }

  /** Starts the killed node again on its ports and waits until it is ready. */
  async restart(): Promise<void> {
    this.#program = this.#spawn();
    await this.untilReady();
  }

  async stop(): Promise<void> {
    await this.#program.stop({ signal: "SIGTERM", withinMs: STOP_WITHIN_MS });
  }

  #spawn(): ChildProgram {
    const { name, roles, settings, clock } = this.#options;
    return new ChildProgram({
      name: `node ${name}`,
      command: process.execPath,
      args: [...process.execArgv, MAIN_PATH, "serve", "--roles", roles.join(",")],
      env: {
        HOST: "127.0.0.1",
        PORT: String(this.buyerPort),
        ADMIN_HOST: "127.0.0.1",
        ADMIN_PORT: String(this.adminPort),
        LOG_LEVEL: "warn",
        NO_COLOR: "1",
        ...settings,
      },
      clock,
    });
  }
}
