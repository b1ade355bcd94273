/**
 * Builds the two pages into web/dist: scripts and styles with content-hashed names, HTML that refers to them, a manifest.
 *
 * Names carry the hash of the content, so assets may be cached for ever and a page never meets the wrong script. Fails
 * when the buyer's script outgrows its budget or a page could not live under a strict Content-Security-Policy. Runs on
 * Bun and on Node; bundling is always `bun build` in a child process. Serving is src/http/pages.ts's work.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DIST = join(ROOT, "web", "dist");
const PAGES = ["buyer", "operator"] as const;
/** Scripts that a page starts beside itself, or loads when it needs them. */
const SIDE_SCRIPTS = ["web/buyer/pow-worker.ts", "web/buyer/puzzles.tsx"];
const HASH_LENGTH = 10;
const BUYER_SCRIPT_GZIP_BYTES_MAX = 24 * 1_024;
const BUNDLE_WAIT_MS_MAX = 60_000;
const GZIP_LEVEL = 9;

interface Asset {
  /** Where the browser finds it. */
  readonly url: string;
  readonly bytes: number;
  readonly gzipBytes: number;
}

function bundle(into: string): void {
  const bun = process.versions["bun"] === undefined ? join(ROOT, "node_modules", ".bin", "bun") : process.execPath;
  // The environment of whoever builds must not leak into the bundle, hence "--env disable".
  const options = ["--entry-naming", "[name].[ext]", "--target", "browser", "--production", "--env", "disable"];
  // One page at a time: built together, the larger page's names lengthen those of the smaller.
  const pages = PAGES.map((page) => [`web/${page}/${page}.tsx`, `web/${page}/${page}.css`]);
  for (const entries of [...pages, SIDE_SCRIPTS]) {
    execFileSync(bun, ["build", ...entries, "--outdir", into, ...options], {
      cwd: ROOT,
      stdio: ["ignore", "ignore", "inherit"],
      timeout: BUNDLE_WAIT_MS_MAX,
    });
  }
}

/** Writes the file under its hashed name and answers what the manifest says about it. */
function emit(into: string, name: string, content: Uint8Array): Asset {
  const hash = createHash("sha256").update(content).digest("base64url").replace(/[-_]/g, "").slice(0, HASH_LENGTH);
  const extension = extname(name);
  const hashed = `${name.slice(0, -extension.length)}.${hash}${extension}`;
  writeFileSync(join(into, "assets", hashed), content);
  return {
    url: `/assets/${hashed}`,
    bytes: content.length,
    gzipBytes: gzipSync(content, { level: GZIP_LEVEL }).length,
  };
}

/** The page with each `{{name}}` replaced by the address of that asset; an unknown name is a mistake in the page. */
function fillIn(page: string, assets: ReadonlyMap<string, Asset>): string {
  return page.replace(/\{\{([\w.-]+)\}\}/g, (_, name: string) => {
    const asset = assets.get(name);
    if (asset === undefined) throw new Error(`The page refers to ${name}, which the build did not make.`);
    return asset.url;
  });
}

/** Refuses what `default-src 'self'` would block, at build time and not on sale day. */
function checkPage(name: string, html: string): void {
  const forbidden: readonly (readonly [RegExp, string])[] = [
    [/<script(?![^>]*\ssrc=)/i, "an inline script"],
    [/<style|\sstyle=/i, "an inline style"],
    [/\son[a-z]+=/i, "an inline event handler"],
    [/(?:src|href)="(?:https?:)?\/\//i, "an address of another host"],
  ];
  for (const [pattern, what] of forbidden) {
    if (pattern.test(html)) throw new Error(`${name} contains ${what}; the Content-Security-Policy would block it.`);
  }
}

function checkScript(name: string, script: string): void {
  for (const pattern of [/\beval\(/, /new Function\(/, /https?:\/\/(?!www\.w3\.org\/)[\w-]+\.\w/]) {
    const found = pattern.exec(script);
    if (found !== null) throw new Error(`${name} contains "${found[0]}"; the Content-Security-Policy would block it.`);
  }
}

function checkBudget(assets: ReadonlyMap<string, Asset>): void {
  const gzipBytes = assets.get("buyer.js")?.gzipBytes ?? Number.POSITIVE_INFINITY;
  if (gzipBytes > BUYER_SCRIPT_GZIP_BYTES_MAX) {
    throw new Error(
      `The buyer's script has ${gzipBytes} bytes compressed; ${BUYER_SCRIPT_GZIP_BYTES_MAX} are allowed, ` +
        "because it is what a crowd downloads in the same minute.",
    );
  }
}

function makeAssets(staging: string): ReadonlyMap<string, Asset> {
  const bundled = join(staging, "bundled");
  mkdirSync(join(staging, "assets"));
  bundle(bundled);
  const assets = new Map<string, Asset>();
  for (const name of readdirSync(bundled).sort()) {
    const content = readFileSync(join(bundled, name));
    if (name.endsWith(".js")) checkScript(name, content.toString("utf8"));
    assets.set(name, emit(staging, name, content));
  }
  assets.set("icon.svg", emit(staging, "icon.svg", readFileSync(join(ROOT, "web", "shared", "icon.svg"))));
  rmSync(bundled, { recursive: true });
  return assets;
}

function build(): void {
  // Built aside and moved into place, so that a failed build leaves the previous pages as they were.
  const staging = mkdtempSync(join(ROOT, "web", ".dist-"));
  try {
    const assets = makeAssets(staging);
    for (const page of PAGES) {
      const html = fillIn(readFileSync(join(ROOT, "web", page, `${page}.html`), "utf8"), assets);
      checkPage(`${page}.html`, html);
      writeFileSync(join(staging, `${page}.html`), html);
    }
    writeFileSync(join(staging, "manifest.json"), manifestOf(assets));
    checkBudget(assets);
    rmSync(DIST, { recursive: true, force: true });
    renameSync(staging, DIST);
    report(assets);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Only what follows from the content: compressed sizes differ between runtimes, and a build must not. */
function manifestOf(assets: ReadonlyMap<string, Asset>): string {
  const entries = [...assets].map(([name, { url, bytes }]) => [name, { url, bytes }]);
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}

function report(assets: ReadonlyMap<string, Asset>): void {
  for (const [name, asset] of assets) {
    process.stdout.write(`${name.padEnd(14)} ${String(asset.gzipBytes).padStart(6)} bytes gzip  ${asset.url}\n`);
  }
}

build();
