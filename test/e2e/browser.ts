/**
 * The system's Chromium for one test file, and a page that complains about everything a person would never see.
 *
 * Violations of the content security policy, errors in the console, failed requests and requests to other hosts are
 * collected; each test ends by finding none.
 */

import { expect } from "bun:test";
import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const CHROMIUM = "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts the browser; throws with what to install when there is none. */
export async function startBrowser(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) throw new Error(`these tests need ${CHROMIUM}: apt-get install chromium`);
  return await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/** A page in a profile of its own, and its complaints. */
export interface WatchedPage {
  readonly page: Page;
  expectNoComplaints(): void;
  close(): Promise<void>;
}

/** Opens a page that may talk to these origins and to nobody else. */
export async function openPage(
  browser: Browser,
  origins: readonly string[],
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol.startsWith("http") && !origins.includes(origin)) complaints.push(`another host: ${request.url()}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 500) complaints.push(`${response.status()}: ${response.url()}`);
  });
  return {
    page,
    expectNoComplaints: () => expect(complaints).toEqual([]),
    close: async () => await context.close(),
  };
}
