/**
 * Serves the built pages of web/dist from memory: read once at start, compressed once, answered without touching a disk.
 *
 * Assets carry the hash of their content in their names and may be kept for ever; pages are revalidated by ETag, so a
 * deployment shows at the next visit. Which page is served where is decided by the two apps. Building is
 * scripts/build-web.ts.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { Fault } from "../domain/faults.ts";
import { problemResponse } from "./problem.ts";
import { PAGE_POLICY, pagePolicy, type WidgetSources } from "./security-headers.ts";

/** The two pages. */
export type PageName = "buyer" | "operator";

export interface Pages {
  /** The HTML of a page; 304 when the browser has it. */
  page(name: PageName, request: Request): Response;
  /** A file under /assets/; 404 when the build made none of that name. */
  asset(name: string, request: Request): Response;
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
};
const COMPRESSIBLE: ReadonlySet<string> = new Set([".css", ".html", ".js", ".svg"]);

const PAGE_CACHE = "no-cache";
const ASSET_CACHE = "public, max-age=31536000, immutable";
const GZIP_LEVEL = 9;
const ETAG_LENGTH = 22;
/** A build with more files, or a larger one, is not ours. */
const ASSETS_MAX = 100;
const FILE_BYTES_MAX = 4 * 1_024 * 1_024;

type Bytes = Uint8Array<ArrayBuffer>;

interface StaticFile {
  readonly bytes: Bytes;
  /** Null where compressing gains nothing. */
  readonly gzip: Bytes | null;
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Reads the build in `folder` (web/dist). `widget`: what of others the buyer's page may show. Throws CONFIG_INVALID, saying
 * what to run, when there is none.
 */
export function loadPages(folder: string, options: { readonly widget?: WidgetSources | null } = {}): Pages {
  const html: Record<PageName, StaticFile> = {
    buyer: loadFile(join(folder, "buyer.html"), PAGE_CACHE, pagePolicy(options.widget ?? null)),
    operator: loadFile(join(folder, "operator.html"), PAGE_CACHE),
  };
  const assetsFolder = join(folder, "assets");
  const names = listAssets(assetsFolder);
  const assets = new Map(names.map((name) => [name, loadFile(join(assetsFolder, name), ASSET_CACHE)]));

  return {
    page: (name, request) => answer(html[name], request),
    asset(name, request) {
      const file = assets.get(name);
      return file === undefined ? problemResponse("not_found") : answer(file, request);
    },
  };
}

function listAssets(folder: string): readonly string[] {
  const names = missingIsFault(folder, () => readdirSync(folder)).filter((name) => extname(name) in CONTENT_TYPES);
  if (names.length > ASSETS_MAX) {
    throw new Fault("CONFIG_INVALID", {
      internal: `${folder} has ${names.length} files; at most ${ASSETS_MAX} are ours`,
    });
  }
  return names;
}

function loadFile(path: string, cacheControl: string, policy = PAGE_POLICY): StaticFile {
  const bytes = new Uint8Array(missingIsFault(path, () => readFileSync(path)));
  if (bytes.length > FILE_BYTES_MAX) {
    throw new Fault("CONFIG_INVALID", { internal: `${path} has more than ${FILE_BYTES_MAX} bytes` });
  }
  const extension = extname(path);
  const gzip = COMPRESSIBLE.has(extension) ? new Uint8Array(gzipSync(bytes, { level: GZIP_LEVEL })) : null;
  const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, ETAG_LENGTH)}"`;
  return {
    bytes,
    gzip: gzip !== null && gzip.length < bytes.length ? gzip : null,
    etag,
    headers: {
      "content-type": CONTENT_TYPES[extension] ?? "application/octet-stream",
      "cache-control": cacheControl,
      "content-security-policy": policy,
      vary: "accept-encoding",
    },
  };
}

function missingIsFault<Result>(path: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw new Fault("CONFIG_INVALID", {
      cause: error,
      internal: `the pages are not built: ${path} cannot be read; run "npm run build"`,
    });
  }
}

function answer(file: StaticFile, request: Request): Response {
  const isCompressed = file.gzip !== null && acceptsGzip(request.headers.get("accept-encoding"));
  // The two encodings are two representations, so they must not share a strong tag.
  const etag = isCompressed ? `${file.etag.slice(0, -1)}-gz"` : file.etag;
  const headers: Record<string, string> = { ...file.headers, etag };
  if (isCompressed) headers["content-encoding"] = "gzip";
  if (hasTag(request.headers.get("if-none-match"), etag)) return new Response(null, { status: 304, headers });
  return new Response(isCompressed ? file.gzip : file.bytes, { headers });
}

function acceptsGzip(header: string | null): boolean {
  return /(?:^|[,\s])gzip(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(header ?? "");
}

function hasTag(header: string | null, etag: string): boolean {
  if (header === null) return false;
  return header.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag);
}
