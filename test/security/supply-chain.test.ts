/**
 * T30: what we depend on cannot change unseen, and what we build of it is always the same.
 *
 * Each test breaks a copy of our own package.json, lockfile or bill of materials in one way that an attack or a slip would,
 * and the check of `npm run check` must name it.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Lockfile, type Manifest, readLockfile, readManifest } from "../../scripts/lockfile.ts";
import { makeSbom, renderSbom, reviewsIn, SBOM_FILE } from "../../scripts/sbom.ts";
import { supplyChainProblems } from "../../scripts/supply-chain.ts";

setDefaultTimeout(120_000);

const ROOT = join(import.meta.dirname, "../..");
const ADDED = "node_modules/hono";

interface Draft {
  manifest: Manifest;
  lockfile: { lockfileVersion: number; packages: Record<string, Lockfile["packages"][string]> };
  sbomText: string;
}

function draft(): Draft {
  return {
    manifest: readManifest(),
    lockfile: { ...readLockfile(), packages: { ...readLockfile().packages } },
    sbomText: readFileSync(SBOM_FILE, "utf8"),
  };
}

/** The problems after a change; the bill of materials is made anew, as somebody would who only wants the check to pass. */
function problemsAfter(change: (state: Draft) => void): readonly string[] {
  const state = draft();
  const reviews = reviewsIn(JSON.parse(state.sbomText));
  change(state);
  state.sbomText = renderSbom(makeSbom(state.manifest, state.lockfile, reviews));
  return supplyChainProblems(state);
}

/** Changes one locked package. */
function edit(path: string, change: Partial<Lockfile["packages"][string]>): (state: Draft) => void {
  return ({ lockfile }) => {
    lockfile.packages[path] = { ...lockfile.packages[path], ...change };
  };
}

describe("T30: the check of the supply chain", () => {
  test("finds nothing wrong with what we have", () => {
    expect(supplyChainProblems(draft())).toEqual([]);
  });

  const slips: Readonly<Record<string, readonly [(state: Draft) => void, RegExp]>> = {
    "a range instead of a version": [
      (state) => {
        state.manifest = { ...state.manifest, dependencies: { ...state.manifest.dependencies, hono: "^4.13.18" } };
      },
      /hono is "\^4\.13\.18"/,
    ],
    "a dependency that was not locked": [
      (state) => {
        state.manifest = { ...state.manifest, dependencies: { ...state.manifest.dependencies, leftpad: "1.0.0" } };
      },
      /leftpad drifted from package\.json/,
    ],
    "a lockfile that holds another version": [edit(ADDED, { version: "4.13.1" }), /hono is locked at 4\.13\.1/],
    "a script at installation": [edit(ADDED, { hasInstallScript: true }), /hono@.*runs a script when it is installed/],
    "a source that is not the registry": [
      edit(ADDED, { resolved: "git+ssh://git@github.com/somebody/hono.git#abc" }),
      /hono@.*not from the registry/,
    ],
    "another registry": [
      edit(ADDED, { resolved: "https://registry.npmjs.org.evil.example/hono" }),
      /not from the registry/,
    ],
    "a link to a folder": [edit(ADDED, { link: true }), /hono@.*not a version of the registry/],
    "other content under the same version": [
      edit(ADDED, { integrity: `sha512-${"A".repeat(86)}==` }),
      /hono@.*nobody looked at it/,
    ],
    "a weak hash": [edit(ADDED, { integrity: "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=" }), /hono@.*not SHA-512/],
    "a new package deep down": [
      edit("node_modules/pg/node_modules/brand-new", {
        version: "1.0.0",
        integrity: `sha512-${"B".repeat(86)}==`,
        license: "MIT",
      }),
      /brand-new@1\.0\.0: nobody looked at it/,
    ],
    "a licence nobody has looked at": [edit(ADDED, { license: "SSPL-1.0" }), /hono@.*licence SSPL-1\.0/],
    "a package that is missing": [
      ({ lockfile }) => {
        delete lockfile.packages["node_modules/pg-protocol"];
      },
      /needs pg-protocol/,
    ],
    "an own script that runs on everybody's machine": [
      (state) => {
        state.manifest = { ...state.manifest, scripts: { ...state.manifest.scripts, postinstall: "node x.js" } };
      },
      /"postinstall" would run/,
    ],
  };
  test.each(Object.entries(slips))("names %s", (_, [change, expected]) => {
    expect(problemsAfter(change).join("\n")).toMatch(expected);
  });

  test("names a package without a hash, unless it is a developer's tool for another platform", () => {
    const change = (path: string) => (state: Draft) => {
      const { integrity: _, ...rest } = state.lockfile.packages[path] ?? {};
      state.lockfile.packages[path] = rest;
    };
    expect(problemsAfter(change(ADDED)).join()).toMatch(/hono@.*has no hash/);
    const foreign = Object.keys(readLockfile().packages).find((path) => path.endsWith("/cli-linux-x64")) ?? "";
    expect(problemsAfter(change(foreign))).toEqual([]);
  });

  test("names a version that was younger than a week when it was taken", () => {
    const state = draft();
    const hono =
      /("name":"hono".*?"doorbuster:publishedBy","value":")[\d-]+(".*?"doorbuster:admittedOn","value":")[\d-]+/;
    state.sbomText = state.sbomText.replace(hono, "$12026-11-16$22026-11-22");
    expect(supplyChainProblems(state).join()).toMatch(/hono@.*was 6 days old/);
  });

  test("names a bill of materials that leaves something out", () => {
    const state = draft();
    state.sbomText = state.sbomText.replace(/^ {4}\{"type":"library","bom-ref":"pkg:npm\/hono@.*\n/m, "");
    const problems = supplyChainProblems(state).join("\n");
    expect(problems).toContain("sbom.cdx.json is not what the lockfile says");
  });
});

describe("T30: the build", () => {
  test("of the same sources is the same, byte by byte, in another folder", () => {
    const folders = [1, 2].map(() => mkdtempSync(join(tmpdir(), "doorbuster-build-")));
    try {
      const builds = folders.map((folder) => {
        for (const part of ["web", "client", "src", "scripts"]) {
          cpSync(join(ROOT, part), join(folder, part), { recursive: true, filter: (path) => !path.includes("dist") });
        }
        mkdirSync(join(folder, "bin"), { recursive: true });
        for (const file of ["package.json", "tsconfig.json"]) cpSync(join(ROOT, file), join(folder, file));
        symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
        execFileSync(process.execPath, [join(folder, "scripts/build-web.ts")], { cwd: folder, stdio: "pipe" });
        return contentOf(join(folder, "web/dist"));
      });
      expect([...(builds[0]?.keys() ?? [])].length).toBeGreaterThanOrEqual(7);
      expect(builds[1]).toEqual(builds[0] as Map<string, string>);
    } finally {
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    }
  });
});

function contentOf(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    names
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path.slice(folder.length), readFileSync(path, "base64")]),
  );
}
