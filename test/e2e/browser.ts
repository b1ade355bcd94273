/**
 * What a test file with a browser stands on: the system's Chromium, a deployment, and pages that complain about everything
 * a person would never see.
 *
 * Violations of the content security policy, errors in the console, failed requests and requests to other hosts are
 * collected; a test ends by finding none. Pages are closed after the test that opened them, browser and deployment after the
 * file's last.
 */

import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout } from "bun:test";
import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { Deployment, type Target } from "../support/deployment.ts";
import { OPEN_LIMITS } from "../support/open-limits.ts";
import { waitUntil } from "../support/waiting.ts";

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
const START_MS_MAX = 90_000;
const TEST_MS_MAX = 60_000;
/** A deployment whose challenges are solved in a moment, and that never minds how many come from here. */
export const WITH_CHALLENGES = { ...OPEN_LIMITS, CHALLENGE_BITS: "6" };
const ACTION_MS_MAX = 25_000;
const HEIGHT = 900;

/** A page in a profile of its own, and its complaints. */
export interface WatchedPage {
  readonly page: Page;
  expectNoComplaints(): void;
  close(): Promise<void>;
}

/** What the deployment of a test file is. */
export interface TestBedOptions {
  /** A PostgreSQL by default: making it costs a fifth of the processor time that making the embedded database does. */
  readonly database?: Target["database"];
  /** A function where a value is only known when the file's other servers run. Absent = no limits. */
  readonly env?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>);
}

/** A page that may talk to these origins and to nobody else; default: the buyer's. */
export interface PageOptions extends BrowserContextOptions {
  readonly origins?: readonly string[];
  readonly width?: number;
}

/** The test bed of this file. Servers that its deployment needs are started in a `beforeAll` above the call. */
export function useTestBed(options: TestBedOptions = {}): TestBed {
  const bed = new TestBed(options);
  setDefaultTimeout(TEST_MS_MAX);
  beforeAll(() => bed.start(), START_MS_MAX);
  afterEach(() => bed.closePages());
  afterAll(() => bed.stop());
  return bed;
}

export class TestBed {
  readonly #options: TestBedOptions;
  #browser: Browser | null = null;
  #deployment: Deployment | null = null;

  constructor(options: TestBedOptions) {
    this.#options = options;
  }

  get browser(): Browser {
    return started(this.#browser);
  }

  get deployment(): Deployment {
    return started(this.#deployment);
  }

  async start(): Promise<void> {
    const { database = "postgres", env } = this.#options;
    const variables = typeof env === "function" ? env() : env;
    const deployment = Deployment.start({ database, runtime: "bun" }, variables);
    [this.#browser, this.#deployment] = await Promise.all([startBrowser(), deployment]);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#browser?.close(), this.#deployment?.stop()]);
  }

  async closePages(): Promise<void> {
    await Promise.all(this.#browser?.contexts().map((context) => context.close()) ?? []);
  }

  /** An empty page. */
  async open(options: PageOptions = {}): Promise<WatchedPage> {
    const { origins = [this.deployment.buyerUrl], width = 1_280, ...others } = options;
    const viewport = { width, height: HEIGHT };
    const context = await this.browser.newContext({ locale: "en-GB", viewport, ...others });
    const page = await context.newPage();
    page.setDefaultTimeout(ACTION_MS_MAX);
    return { page, expectNoComplaints: watch(page, origins), close: async () => await context.close() };
  }

  /** A buyer's page at a path. */
  async visit(path: string, options: PageOptions = {}): Promise<WatchedPage> {
    const watched = await this.open(options);
    await watched.page.goto(`${this.deployment.buyerUrl}${path}`);
    return watched;
  }

  /** The console with the machine's token, at a fragment of its address; "" is the list of sales. */
  async signIn(fragment = "", options: PageOptions = {}): Promise<WatchedPage> {
    const { adminUrl, adminToken } = this.deployment.node;
    const watched = await this.open({ origins: [adminUrl], ...options });
    const { page } = watched;
    await page.goto(`${adminUrl}/${fragment}`);
    await page.getByLabel("Token").fill(adminToken);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("navigation", { name: "Console" }).waitFor();
    return watched;
  }
}

/** Fails when the page is wider than its screen. */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const [content, screen] = (await page.evaluate(
    "[document.documentElement.scrollWidth, window.innerWidth]",
  )) as number[];
  expect(content as number).toBeLessThanOrEqual(screen as number);
}

/** Buys one unit of the only item, as far as the payment. */
export async function buy(page: Page): Promise<void> {
  await page.getByRole("button", { name: /^Buy/ }).click();
  await page.getByRole("button", { name: /^Pay/ }).waitFor();
}

/** Waits until the page has what a solved challenge is worth. */
export async function clearanceIn(page: Page, saleId: string): Promise<void> {
  const kept = `sessionStorage.getItem("doorbuster.clearance.${saleId}")`;
  await waitUntil("the clearance", async () => await page.evaluate(kept));
}

async function startBrowser(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) throw new Error(`these tests need ${CHROMIUM}: apt-get install chromium`);
  return await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

function started<Part>(part: Part | null): Part {
  if (part === null) throw new Error("the test bed is not ready before the first test");
  return part;
}

/** Collects complaints from now on; the answer fails when there are any. */
function watch(page: Page, origins: readonly string[]): () => void {
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
  return () => expect(complaints).toEqual([]);
}
