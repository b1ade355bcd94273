/**
 * Pages come from memory with the right caching, and a missing build says what to run.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { isFault } from "../domain/faults.ts";
import { loadPages, type Pages } from "./pages.ts";

const SCRIPT = `console.log("${"doorbuster ".repeat(50)}");`;
let folder = "";
let pages: Pages;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "doorbuster-pages-"));
  mkdirSync(join(folder, "assets"));
  writeFileSync(join(folder, "buyer.html"), "<!doctype html><title>buyer</title>");
  writeFileSync(join(folder, "operator.html"), "<!doctype html><title>operator</title>");
  writeFileSync(join(folder, "manifest.json"), "{}");
  writeFileSync(join(folder, "assets", "buyer.abc123.js"), SCRIPT);
  writeFileSync(join(folder, "assets", "notes.txt"), "not ours");
  pages = loadPages(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const request = (headers: Record<string, string> = {}) => new Request("http://shop.test/", { headers });

describe("pages", () => {
  test("are revalidated at each visit and run nothing that is not theirs", async () => {
    const response = pages.page("buyer", request());
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("cache-control")).toBe("no-cache");
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(await response.text()).toContain("buyer");
    const again = pages.page("buyer", request({ "if-none-match": response.headers.get("etag") ?? "" }));
    expect(again.status).toBe(304);
    expect(await pages.page("operator", request()).text()).toContain("operator");
  });

  test("allow a challenge's widget what it needs on the buyer's page, and nothing on the operator's", () => {
    const scripts = ["https://widget.example"];
    const widget = { scripts, frames: ["https://frame.example"], styles: [], connections: [] };
    const withWidget = loadPages(folder, { widget });
    const policyOf = (name: "buyer" | "operator") =>
      (withWidget.page(name, request()).headers.get("content-security-policy") ?? "").split("; ");
    expect(policyOf("buyer")).toContain("script-src 'self' https://widget.example");
    expect(policyOf("buyer")).toContain("frame-src https://frame.example");
    expect(policyOf("buyer")).toContain("connect-src 'self'");
    expect(policyOf("operator").join()).not.toContain("example");
  });

  test("serve assets for ever, compressed for whoever takes it", async () => {
    const plain = pages.asset("buyer.abc123.js", request());
    expect(plain.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(plain.headers.get("vary")).toBe("accept-encoding");
    expect(plain.headers.get("content-encoding")).toBeNull();
    expect(await plain.text()).toBe(SCRIPT);

    const compressed = pages.asset("buyer.abc123.js", request({ "accept-encoding": "br, gzip;q=0.8" }));
    expect(compressed.headers.get("content-encoding")).toBe("gzip");
    expect(compressed.headers.get("etag")).not.toBe(plain.headers.get("etag"));
    expect(gunzipSync(new Uint8Array(await compressed.arrayBuffer())).toString()).toBe(SCRIPT);

    const unwanted = pages.asset("buyer.abc123.js", request({ "accept-encoding": "gzip;q=0, br" }));
    expect(unwanted.headers.get("content-encoding")).toBeNull();
  });

  test.each(["nothing.js", "../buyer.html", "notes.txt", "manifest.json", "", "__proto__"])(
    "have no asset %p",
    (name) => {
      expect(pages.asset(name, request()).status).toBe(404);
    },
  );

  test("are read once: what happens to the folder later changes nothing", async () => {
    rmSync(join(folder, "buyer.html"));
    expect(await pages.page("buyer", request()).text()).toContain("buyer");
  });

  test("that are not built stop the start with the command to run", () => {
    let error: unknown;
    try {
      loadPages(join(folder, "nowhere"));
    } catch (caught) {
      error = caught;
    }
    expect(isFault(error, "CONFIG_INVALID")).toBe(true);
    expect((error as Error).message).toContain('run "npm run build"');
  });
});
