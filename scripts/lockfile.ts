/**
 * package.json and package-lock.json as the checks of the supply chain see them: read, typed, and resolved like Node does.
 *
 * Only what npm writes in lockfile version 3 is understood. Judging is left to supply-chain.ts, the bill of materials to
 * sbom.ts.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");

/** Our own package.json. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly allowScripts?: Readonly<Record<string, boolean>>;
}

/** One installed package. */
export interface LockEntry {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

export interface Lockfile {
  readonly lockfileVersion: number;
  /** By path from the root; "" is our own package. */
  readonly packages: Readonly<Record<string, LockEntry>>;
}

/** A package of the lockfile under its own name. */
export interface LockedPackage {
  readonly path: string;
  readonly name: string;
  readonly version: string;
  readonly entry: LockEntry;
}

export function readManifest(): Manifest {
  return JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
}

export function readLockfile(): Lockfile {
  return JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"));
}

const FOLDER = "node_modules/";

/** Everything that is installed, sorted by name and version; our own package is not among it. */
export function lockedPackages(lockfile: Lockfile): readonly LockedPackage[] {
  return Object.entries(lockfile.packages)
    .filter(([path]) => path !== "")
    .map(([path, entry]) => ({ path, name: nameOf(path), version: entry.version ?? "", entry }))
    .sort((left, right) => compare(left.name, right.name) || compare(left.version, right.version));
}

function compare(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf(FOLDER) + FOLDER.length);
}

/** What a package needs, wanted versions by name; peers that may be absent and what only a developer needs are left out. */
export function needsOf(entry: LockEntry): Readonly<Record<string, string>> {
  const peers = Object.entries(entry.peerDependencies ?? {}).filter(
    ([name]) => entry.peerDependenciesMeta?.[name]?.optional !== true,
  );
  return { ...Object.fromEntries(peers), ...entry.optionalDependencies, ...entry.dependencies };
}

/** The path at which Node finds `name` from the package at `from`, or null when it is not installed. */
export function resolveFrom(lockfile: Lockfile, from: string, name: string): string | null {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf(FOLDER) - 1))) {
    const path = folder === "" ? `${FOLDER}${name}` : `${folder}/${FOLDER}${name}`;
    if (lockfile.packages[path] !== undefined) return path;
    if (folder === "") return null;
  }
}

/** True for a developer's tool built for one platform, which its parent names exactly and other platforms never install. */
export function isForeignBuild(entry: LockEntry): boolean {
  return entry.dev === true && entry.optional === true && (entry.os !== undefined || entry.cpu !== undefined);
}
