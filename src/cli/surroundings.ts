/**
 * What a command may touch of the world outside: output, input, environment, and the composition that main.ts hands in.
 *
 * Commands get it as an argument and write nowhere else, so that a test can run any of them in process and read what a
 * person would have seen. The command line depends on the composition only through these interfaces.
 */
import type { Config, Settings } from "../config/load.ts";
import type { Role } from "./roles.ts";

/** A node that serves. */
export interface RunningNode {
  /** The port buyers connect to; null when the node has no `api` role. */
  readonly buyerPort: number | null;
  /** The port of operators, health and metrics. */
  readonly adminPort: number;
  /** Drains, then ends. */
  stop(): Promise<void>;
}

/** What the composition root offers to commands. */
export interface Composition {
  startNode(config: Config, roles: readonly Role[]): Promise<RunningNode>;
  /** Applies missing migrations to the configured database and answers their names. */
  migrateDatabase(settings: Settings): Promise<readonly string[]>;
  /** Makes SECRET the deployment's own, whatever it was before. */
  adoptDeploymentSecret(settings: Settings & { readonly secret: string }): Promise<{ kid: string; isNew: boolean }>;
}

/** The outside of a command. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** True when a person reads the output. */
  readonly isTerminal: boolean;
  readonly composition: Composition;
  /** Answers to the person or program that asked. */
  out(text: string): void;
  /** Complaints and progress. */
  err(text: string): void;
  /** All of standard input. */
  readInput(): Promise<string>;
  /** Resolves with the signal's name once the process is told to stop. */
  untilToldToStop(): Promise<string>;
}
