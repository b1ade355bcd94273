/**
 * `doorbuster config print`: the effective configuration, where each value came from, secrets masked.
 *
 * It makes nothing: secrets that solo mode would make at its first start are shown as such.
 */
import type { Command } from "commander";
import { readSettings, type Settings } from "../config/load.ts";
import { MASK, maskedUrls } from "../config/masking.ts";
import { fieldOf, SETTINGS, type SettingName } from "../config/settings.ts";
import type { Surroundings } from "./surroundings.ts";
import { renderTable } from "./table.ts";

/** Adds the command. */
export function addConfig(program: Command, surroundings: Surroundings): void {
  program
    .command("config")
    .description("look at the configuration")
    .command("print")
    .description("print each setting, its value and where that came from; secrets are masked")
    .option("--json", "print as JSON")
    .action((options: { readonly json?: true }) => {
      const settings = readSettings({ env: surroundings.env });
      const rows = shownSettings(settings);
      surroundings.out(
        options.json
          ? `${JSON.stringify(Object.fromEntries(rows.map(([name, value, origin]) => [name, { value, origin }])), null, 2)}\n`
          : `Mode: ${settings.mode}\n\n${renderTable(["variable", "value", "origin"], rows)}`,
      );
    });
}

function shownSettings(settings: Settings): [string, string, string][] {
  return (Object.keys(SETTINGS) as SettingName[]).map((name) => [
    name,
    shownValue(settings, name),
    settings.origins[name],
  ]);
}

function shownValue(settings: Settings, name: SettingName): string {
  const value = (settings as unknown as Record<string, unknown>)[fieldOf(name)];
  if (value === null) {
    const isMadeLater = settings.mode === "solo" && (name === "SECRET" || name === "ADMIN_TOKEN");
    return isMadeLater ? "(kept in DATA_DIR)" : "(not set)";
  }
  if (SETTINGS[name].secret === "whole") return MASK;
  const text = Array.isArray(value) ? value.join(",") : String(value);
  return SETTINGS[name].secret === "password" ? (maskedUrls(text) ?? MASK) : text;
}
