/**
 * `doorbuster keys new`: two fresh secrets in the form of an environment file.
 */
import type { Command } from "commander";
import { makeSecrets } from "../config/secrets.ts";
import type { Surroundings } from "./surroundings.ts";

/** Adds the command. */
export function addKeys(program: Command, surroundings: Surroundings): void {
  program
    .command("keys")
    .description("secrets of a deployment")
    .command("new")
    .description("make SECRET and ADMIN_TOKEN; give all nodes of a deployment the same ones")
    .action(() => {
      const { secret, adminToken } = makeSecrets();
      surroundings.out(`SECRET=${secret}\nADMIN_TOKEN=${adminToken}\n`);
    });
}
