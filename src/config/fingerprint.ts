/**
 * A short name for what a deployment is set to, secrets left out: what was measured under other settings was another deployment.
 *
 * What only says where a node is (ports, hosts, folders) and how much it logs is no part of it.
 */
import { hash } from "node:crypto";
import type { Settings } from "./load.ts";
import { maskedUrls } from "./masking.ts";
import { fieldOf, SETTINGS, type SettingName } from "./settings.ts";

const FINGERPRINT_LENGTH = 22;
const OF_ONE_NODE: readonly SettingName[] = [
  "PORT",
  "HOST",
  "ADMIN_PORT",
  "ADMIN_HOST",
  "ADMIN_URL",
  "DATA_DIR",
  "LOG_LEVEL",
];

/** Equal for equal settings; says nothing about any. */
export function settingsFingerprint(settings: Settings): string {
  const names = (Object.keys(SETTINGS) as SettingName[]).filter(
    (name) => SETTINGS[name].secret !== "whole" && !OF_ONE_NODE.includes(name),
  );
  const values = settings as unknown as Readonly<Record<string, unknown>>;
  const lines = names.sort().map((name) => `${name}=${shown(name, values[fieldOf(name)])}`);
  return hash("sha256", lines.join("\n"), "base64url").slice(0, FINGERPRINT_LENGTH);
}

function shown(name: SettingName, value: unknown): string {
  const text = Array.isArray(value) ? value.join(",") : String(value ?? "");
  return SETTINGS[name].secret === "password" ? (maskedUrls(text) ?? "") : text;
}
