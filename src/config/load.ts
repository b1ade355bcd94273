/**
 * Reads the process configuration once: environment and flags in, one deep-frozen value out, or every problem at once.
 *
 * Nobody else reads the environment. An empty variable counts as not set, because compose files cannot unset one. In solo
 * mode the secrets that are missing come from DATA_DIR (secrets.ts); `readSettings` alone touches no disk.
 */
import { Fault } from "../domain/faults.ts";
import { checkTogether } from "./check.ts";
import { maskedUrls } from "./masking.ts";
import { readOrMakeSecrets } from "./secrets.ts";
import { fieldOf, SETTINGS, type SettingName, type SettingValues, UNAVAILABLE_SETTINGS } from "./settings.ts";

const OWN_PREFIX = "DOORBUSTER_";

/** Where a value came from. */
export type Origin = "default" | "environment" | "flag" | "data directory" | "made now";

/** Checked settings, with the secrets as far as they were given. */
export interface Settings extends SettingValues {
  /** "solo" runs on an embedded database, "postgres" on DATABASE_URL, "redis" on that and the ledger's Redis. */
  readonly mode: "solo" | "postgres" | "redis";
  readonly origins: Readonly<Record<SettingName, Origin>>;
}

/** What a node runs with. */
export interface Config extends Settings {
  readonly secret: string;
  readonly adminToken: string;
}

/** Where settings come from. `overrides` are command-line flags by the variable's name; undefined ones do not count. */
export interface ConfigSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly overrides?: { readonly [Name in SettingName]?: string | number | undefined };
}

/** The configuration of a node, with secrets made and kept in DATA_DIR where solo mode lacks them. Throws CONFIG_INVALID. */
export function loadConfig(sources: ConfigSources): Config {
  const settings = readSettings(sources);
  if (settings.secret !== null && settings.adminToken !== null) return settings as Config;
  const kept = readOrMakeSecrets(settings.dataDir);
  const origins = { ...settings.origins };
  const keptOrigin = kept.isNew ? "made now" : "data directory";
  if (settings.secret === null) origins.SECRET = keptOrigin;
  if (settings.adminToken === null) origins.ADMIN_TOKEN = keptOrigin;
  return freeze({
    ...settings,
    secret: settings.secret ?? kept.secret,
    adminToken: settings.adminToken ?? kept.adminToken,
    origins,
  });
}

/** The settings as given, without touching the disk. Throws CONFIG_INVALID with every problem, one a line. */
export function readSettings(sources: ConfigSources): Settings {
  const problems = unknownNames(sources.env);
  const values: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const [text, origin] = rawValue(name, sources);
    origins[name] = origin;
    values[fieldOf(name)] = text === null ? null : parse(name, text, problems);
  }
  if (problems.length === 0) problems.push(...checkTogether(values as unknown as SettingValues));
  if (problems.length > 0) throw new Fault("CONFIG_INVALID", { internal: problems.join("\n") });
  const mode = modeOf(values as unknown as SettingValues);
  return freeze({ ...values, mode, origins } as unknown as Settings);
}

function modeOf({ databaseUrl, redisUrl }: SettingValues): Settings["mode"] {
  if (databaseUrl === null) return "solo";
  return redisUrl === null ? "postgres" : "redis";
}

function rawValue(name: SettingName, sources: ConfigSources): [string | null, Origin] {
  const flag = sources.overrides?.[name];
  if (flag !== undefined) return [String(flag), "flag"];
  const variable = sources.env[name];
  if (variable !== undefined && variable !== "") return [variable, "environment"];
  return [SETTINGS[name].byDefault, "default"];
}

function parse(name: SettingName, text: string, problems: string[]): unknown {
  const setting = SETTINGS[name];
  const result = setting.schema.safeParse(text);
  if (result.success) return result.data;
  problems.push(`${name} is ${shownText(setting.secret, text)}; accepted: ${setting.accepted}.`);
  return null;
}

function shownText(secret: "no" | "whole" | "password", text: string): string {
  if (secret === "no") return JSON.stringify(text);
  const masked = secret === "password" ? maskedUrls(text) : null;
  return masked === null ? "not acceptable (not shown)" : JSON.stringify(masked);
}

function unknownNames(env: ConfigSources["env"]): string[] {
  const problems: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value === "") continue;
    if (UNAVAILABLE_SETTINGS.includes(name)) {
      problems.push(`${name} is set, but this version has no such mode; accepted: not set.`);
    }
    if (name.startsWith(OWN_PREFIX) && !(name in SETTINGS)) {
      const plain = name.slice(OWN_PREFIX.length);
      const hint = plain in SETTINGS ? `did you mean ${plain}?` : '"doorbuster config print" lists all variables.';
      problems.push(`${name} is not a variable of Doorbuster; accepted: not set. ${hint}`);
    }
  }
  return problems;
}

function freeze<Value extends object>(value: Value): Value {
  for (const member of Object.values(value)) {
    if (typeof member === "object" && member !== null) freeze(member);
  }
  return Object.freeze(value);
}
