/**
 * The bill of materials: every package that is installed, as CycloneDX 1.6, made from the lockfile alone.
 *
 * The same lockfile always gives the same bytes, so the file is committed and every change of what we depend on, however
 * deep, is a line that somebody reads. Each component says since when it was known to be published and when we took it.
 */
import { join } from "node:path";
import {
  isForeignBuild,
  type LockedPackage,
  type Lockfile,
  lockedPackages,
  type Manifest,
  needsOf,
  resolveFrom,
} from "./lockfile.ts";

/** Where it is. */
export const SBOM_FILE = join(import.meta.dirname, "../docs/security/sbom.cdx.json");

/** Days in ISO form. */
export interface Review {
  /** Published on this day or before. */
  readonly publishedBy: string;
  /** Taken into the lockfile on this day. */
  readonly admittedOn: string;
}

/** What was found out about a package; `known` by `name@version integrity`. */
export type Reviews = ReadonlyMap<string, Review>;

export interface Component {
  readonly type: "library";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly scope: "required" | "optional" | "excluded";
  readonly hashes?: readonly { readonly alg: "SHA-512"; readonly content: string }[];
  readonly licenses: readonly { readonly expression: string }[];
  readonly purl: string;
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}

export interface Sbom {
  readonly bomFormat: "CycloneDX";
  readonly specVersion: "1.6";
  readonly version: 1;
  readonly metadata: { readonly component: Readonly<Record<string, unknown>> };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const PUBLISHED_BY = "doorbuster:publishedBy";
const ADMITTED_ON = "doorbuster:admittedOn";

/** Under which a review is remembered: another content under the same version is another package. */
export function reviewKey(name: string, version: string, integrityHex: string): string {
  return `${name}@${version} ${integrityHex}`;
}

function hexOf(integrity: string): string {
  return Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex");
}

/** The key of a locked package; null for one without a hash. */
export function reviewKeyOf({ name, version, entry }: LockedPackage): string | null {
  return entry.integrity === undefined ? null : reviewKey(name, version, hexOf(entry.integrity));
}

/** The whole document. Packages without a review have none of its two days. */
export function makeSbom(manifest: Manifest, lockfile: Lockfile, reviews: Reviews): Sbom {
  const packages = lockedPackages(lockfile);
  const root = purlOf(manifest.name, manifest.version);
  const components = new Map(packages.map((one) => [purlOf(one.name, one.version), toComponent(one, reviews)]));
  const needs = new Map<string, Set<string>>();
  const add = (ref: string, path: string, wanted: Readonly<Record<string, string>>): void => {
    const found = needs.get(ref) ?? new Set<string>();
    for (const name of Object.keys(wanted)) {
      const target = resolveFrom(lockfile, path, name);
      if (target !== null) found.add(purlOf(name, lockfile.packages[target]?.version ?? ""));
    }
    needs.set(ref, found);
  };
  add(root, "", { ...manifest.dependencies, ...manifest.devDependencies });
  for (const one of packages) add(purlOf(one.name, one.version), one.path, needsOf(one.entry));
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "application",
        "bom-ref": root,
        name: manifest.name,
        version: manifest.version,
        licenses: [{ expression: manifest.license }],
        purl: root,
      },
    },
    components: [...components.values()],
    dependencies: [...needs].map(([ref, found]) => ({ ref, dependsOn: [...found].sort() })),
  };
}

/** The file's text: a line a package, so that a change of one is a change of one line. */
export function renderSbom({ components, dependencies, ...head }: Sbom): string {
  const lines = (all: readonly object[]): string => all.map((one) => `    ${JSON.stringify(one)}`).join(",\n");
  const parts = Object.entries(head).map(([name, value]) => `  "${name}": ${JSON.stringify(value)},\n`);
  const lists = `  "components": [\n${lines(components)}\n  ],\n  "dependencies": [\n${lines(dependencies)}\n  ]\n`;
  return `{\n${parts.join("")}${lists}}\n`;
}

/** What an earlier bill of materials knew. */
export function reviewsIn(sbom: Pick<Sbom, "components">): Reviews {
  const reviews = new Map<string, Review>();
  for (const { name, version, hashes, properties = [] } of sbom.components) {
    const propertyOf = (wanted: string) => properties.find((property) => property.name === wanted)?.value;
    const [publishedBy, admittedOn] = [propertyOf(PUBLISHED_BY), propertyOf(ADMITTED_ON)];
    const content = hashes?.[0]?.content;
    if (publishedBy === undefined || admittedOn === undefined || content === undefined) continue;
    reviews.set(reviewKey(name, version, content), { publishedBy, admittedOn });
  }
  return reviews;
}

function toComponent(one: LockedPackage, reviews: Reviews): Component {
  const { name, version, entry } = one;
  const review = reviews.get(reviewKeyOf(one) ?? "");
  const purl = purlOf(name, version);
  return {
    type: "library",
    "bom-ref": purl,
    name,
    version,
    scope: scopeOf(entry),
    ...(entry.integrity === undefined ? {} : { hashes: [{ alg: "SHA-512", content: hexOf(entry.integrity) }] }),
    licenses: [{ expression: entry.license ?? "NOASSERTION" }],
    purl,
    ...(review === undefined
      ? {}
      : {
          properties: [
            { name: PUBLISHED_BY, value: review.publishedBy },
            { name: ADMITTED_ON, value: review.admittedOn },
          ],
        }),
  };
}

function scopeOf(entry: LockedPackage["entry"]): Component["scope"] {
  if (entry.dev === true || isForeignBuild(entry)) return "excluded";
  return entry.optional === true ? "optional" : "required";
}

function purlOf(name: string, version: string): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}
