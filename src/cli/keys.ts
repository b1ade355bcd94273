/**
 * `doorbuster keys …`: fresh secrets in the form of an environment file, and a SECRET that follows no other.
 */
import type { Command } from "commander";
import { readSettings } from "../config/load.ts";
import { makeSecrets } from "../config/secrets.ts";
import { CommandFailure } from "./failure.ts";
import type { Surroundings } from "./surroundings.ts";

/** Adds the commands. */
export function addKeys(program: Command, surroundings: Surroundings): void {
  const keys = program.command("keys").description("secrets of a deployment");
  keys
    .command("new")
    .description("make SECRET and ADMIN_TOKEN; give all nodes of a deployment the same ones")
    .action(() => {
      const { secret, adminToken } = makeSecrets();
      surroundings.out(`SECRET=${secret}\nADMIN_TOKEN=${adminToken}\n`);
    });
  keys
    .command("adopt")
    .description("make SECRET the one that the nodes of DATABASE_URL sign with, though it follows no other")
    .addHelpText(
      "after",
      "\nFor a secret that leaked or was lost, and for a copy of a database: sessions, passes and receipts of before are over.\nStop every node first. A secret is changed without anybody noticing by SECRET_PREVIOUS: docs/operating/operators.md.",
    )
    .action(async () => {
      const settings = readSettings({ env: surroundings.env });
      const { secret, databaseUrl } = settings;
      if (secret === null || databaseUrl === null) {
        throw new CommandFailure(
          "Set DATABASE_URL to the deployment's database and SECRET to what its nodes shall have.",
        );
      }
      const { kid, isNew } = await surroundings.composition.adoptDeploymentSecret({ ...settings, secret });
      surroundings.out(
        isNew
          ? `The deployment signs with this SECRET now (kid ${kid}). Start every node with it.\n`
          : `This SECRET (kid ${kid}) is the deployment's already.\n`,
      );
    });
}
