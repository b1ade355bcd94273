/**
 * What we depend on, checked without a network and in a moment: `npm run check:supply`.
 *
 * Stops a lockfile that drifted from package.json, a source other than the registry, a package without a hash, a new
 * script at installation, a version younger than a week when it was taken, a licence nobody looked at, and any package
 * that the committed bill of materials does not name. What needs the network (advisories, signatures, the age of new
 * packages) is review-dependencies.ts.
 */
import { existsSync, readFileSync } from "node:fs";
import {
  isForeignBuild,
  type LockedPackage,
  type Lockfile,
  lockedPackages,
  type Manifest,
  needsOf,
  readLockfile,
  readManifest,
  resolveFrom,
} from "./lockfile.ts";
import { makeSbom, type Reviews, renderSbom, reviewKeyOf, reviewsIn, SBOM_FILE } from "./sbom.ts";

const COOLDOWN_DAYS = 7;
const DAY_MS = 86_400_000;
/** Each is somebody whom everybody who runs this has to trust. */
const RUNTIME_PACKAGES_MAX = 24;
const REGISTRY = /^https:\/\/registry\.npmjs\.org\//;
const EXACT_VERSION = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/;
const INTEGRITY = /^sha512-[A-Za-z0-9+/]{86}==$/;
const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall"];
const LICENCES: ReadonlySet<string> = new Set([
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "ISC",
  "MIT",
  "MIT OR Apache-2.0",
  "Unlicense",
]);

/** Everything that is wrong, in words for whoever changed it. Empty when nothing is. */
export function supplyChainProblems(state: {
  manifest: Manifest;
  lockfile: Lockfile;
  /** The committed bill of materials; "" when there is none. */
  sbomText: string;
}): readonly string[] {
  const { manifest, lockfile, sbomText } = state;
  const reviews = sbomText === "" ? new Map() : reviewsIn(JSON.parse(sbomText));
  const isListed = sbomText === renderSbom(makeSbom(manifest, lockfile, reviews));
  return [
    ...manifestProblems(manifest),
    ...driftProblems(manifest, lockfile),
    ...lockedPackages(lockfile).flatMap((one) => packageProblems(one, { manifest, lockfile, reviews })),
    ...(isListed
      ? []
      : ["docs/security/sbom.cdx.json is not what the lockfile says; run: npm run review:dependencies"]),
  ];
}

function manifestProblems(manifest: Manifest): readonly string[] {
  const all = { ...manifest.dependencies, ...manifest.devDependencies };
  const loose = Object.entries(all).filter(([, version]) => !EXACT_VERSION.test(version));
  const count = Object.keys(manifest.dependencies ?? {}).length;
  return [
    ...loose.map(([name, version]) => `package.json: ${name} is "${version}"; accepted: one exact version`),
    ...INSTALL_SCRIPTS.filter((name) => manifest.scripts?.[name] !== undefined).map(
      (name) => `package.json: the script "${name}" would run on everybody's machine; we have none`,
    ),
    ...(count > RUNTIME_PACKAGES_MAX ? [`package.json: ${count} dependencies; at most ${RUNTIME_PACKAGES_MAX}`] : []),
  ];
}

function driftProblems(manifest: Manifest, lockfile: Lockfile): readonly string[] {
  const root = lockfile.packages[""] ?? {};
  const problems: string[] = [];
  if (lockfile.lockfileVersion !== 3) problems.push("package-lock.json: accepted is version 3");
  for (const kind of ["dependencies", "devDependencies"] as const) {
    const [wanted, locked] = [manifest[kind] ?? {}, root[kind] ?? {}];
    for (const name of new Set([...Object.keys(wanted), ...Object.keys(locked)])) {
      if (wanted[name] !== locked[name])
        problems.push(`package-lock.json: ${kind} of ${name} drifted from package.json`);
      const installed = lockfile.packages[`node_modules/${name}`]?.version;
      if (installed !== wanted[name])
        problems.push(`package-lock.json: ${name} is locked at ${installed ?? "nothing"}`);
    }
  }
  return problems;
}

function packageProblems(
  one: LockedPackage,
  { manifest, lockfile, reviews }: { manifest: Manifest; lockfile: Lockfile; reviews: Reviews },
): readonly string[] {
  const { name, version, entry, path } = one;
  const label = `${name}@${version}`;
  const problems: string[] = [];
  if (entry.link === true || !EXACT_VERSION.test(version)) problems.push(`${label}: not a version of the registry`);
  if (entry.resolved !== undefined && !REGISTRY.test(entry.resolved)) problems.push(`${label}: not from the registry`);
  if (!LICENCES.has(entry.license ?? "")) problems.push(`${label}: licence ${entry.license ?? "unknown"}`);
  if (entry.hasInstallScript === true && manifest.allowScripts?.[name] !== true) {
    problems.push(`${label}: runs a script when it is installed, and is not in allowScripts`);
  }
  for (const [need, wanted] of Object.entries(needsOf(entry))) {
    const isOptional = entry.optionalDependencies?.[need] !== undefined;
    if (!isOptional && resolveFrom(lockfile, path, need) === null) problems.push(`${label}: needs ${need}@${wanted}`);
  }
  return [...problems, ...trustProblems(one, lockfile, reviews)];
}

/** Its content is fixed, and it was a week old when it came. */
function trustProblems(one: LockedPackage, lockfile: Lockfile, reviews: Reviews): readonly string[] {
  const { name, version, entry } = one;
  const label = `${name}@${version}`;
  if (entry.integrity === undefined) {
    const isPinned = isForeignBuild(entry) && parentsOf(one, lockfile).length > 0;
    return isPinned ? [] : [`${label}: has no hash`];
  }
  if (!INTEGRITY.test(entry.integrity)) return [`${label}: its hash is not SHA-512`];
  const review = reviews.get(reviewKeyOf(one) ?? "");
  if (review === undefined) return [`${label}: nobody looked at it; run: npm run review:dependencies`];
  const ageDays = (Date.parse(review.admittedOn) - Date.parse(review.publishedBy)) / DAY_MS;
  return ageDays >= COOLDOWN_DAYS
    ? []
    : [`${label}: was ${ageDays} days old when it was taken; accepted: ${COOLDOWN_DAYS}`];
}

/** Packages that name exactly this version as one of their builds. */
function parentsOf({ name, version }: LockedPackage, lockfile: Lockfile): readonly string[] {
  return Object.entries(lockfile.packages)
    .filter(([, entry]) => entry.optionalDependencies?.[name] === version && entry.integrity !== undefined)
    .map(([path]) => path);
}

if (import.meta.main) {
  const sbomText = existsSync(SBOM_FILE) ? readFileSync(SBOM_FILE, "utf8") : "";
  const problems = supplyChainProblems({ manifest: readManifest(), lockfile: readLockfile(), sbomText });
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length > 0) process.exitCode = 1;
}
