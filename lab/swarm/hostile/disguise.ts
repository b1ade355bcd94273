/**
 * What people and programs look like to the shop: agents, what their pages tell of the device, and logins of the shop.
 *
 * Whoever pretends pretends well: a farm's computer shows a plausible browser, the same one for all its accounts, because
 * that is what its machine is. Programs show what they are, or nothing.
 */
import { shopToken } from "../../../test/support/shop-login.ts";
import type { SeededRandom } from "../seeded-random.ts";

/** How somebody begins a session. */
export interface Disguise {
  readonly agent: string;
  /** Null = not the shop's page. */
  readonly signals: Signals | null;
}

interface Signals {
  readonly automation: boolean;
  readonly timeZone: string;
  readonly languages: readonly string[];
  readonly screen: { readonly width: number; readonly height: number; readonly depth: number };
  readonly hardwareConcurrency: number;
  readonly touch: number;
  readonly webgl: string;
  readonly canvas: string;
}

const DAY_S = 86_400;
const TELEPHONE_SHARE = 0.6;
const OLD_DAYS_MIN = 30;
const OLD_DAYS_MAX = 1_500;
const HASH_LENGTH = 12;

const COMPUTERS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Safari/605.1.15",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
];
const TELEPHONES = [
  "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
];
const COMPUTER_SCREENS: readonly (readonly [number, number])[] = [
  [1_920, 1_080],
  [2_560, 1_440],
  [1_536, 864],
  [1_440, 900],
  [1_366, 768],
];
const TELEPHONE_SCREENS: readonly (readonly [number, number])[] = [
  [390, 844],
  [393, 873],
  [430, 932],
  [360, 800],
];
const TIME_ZONES = ["Europe/Berlin", "Europe/Vienna", "Europe/Paris", "Europe/London", "Europe/Zurich"];
const LANGUAGES = [["de-DE", "de", "en"], ["de-AT", "de"], ["fr-FR", "fr"], ["en-GB"], ["en-US", "en"]];
const TOOLS = ["python-httpx/0.28.1", "Go-http-client/2.0", "okhttp/5.1.0", ""];

function pick<Choice>(random: SeededRandom, choices: readonly Choice[]): Choice {
  return choices[random.below(choices.length)] as Choice;
}

/** Somebody's own telephone or computer. */
export function drawPerson(random: SeededRandom): Disguise {
  return drawBrowser(random, random.fraction() < TELEPHONE_SHARE);
}

/** A computer with a browser: one of an office's, or a farm's. */
export function drawComputer(random: SeededRandom): Disguise {
  return drawBrowser(random, false);
}

function drawBrowser(random: SeededRandom, isTelephone: boolean): Disguise {
  const [width, height] = pick(random, isTelephone ? TELEPHONE_SCREENS : COMPUTER_SCREENS);
  return {
    agent: pick(random, isTelephone ? TELEPHONES : COMPUTERS),
    signals: {
      automation: false,
      timeZone: pick(random, TIME_ZONES),
      languages: pick(random, LANGUAGES),
      screen: { width, height, depth: 24 },
      hardwareConcurrency: pick(random, isTelephone ? [6, 8] : [4, 8, 12, 16]),
      touch: isTelephone ? 5 : 0,
      webgl: random.text(HASH_LENGTH),
      canvas: random.text(HASH_LENGTH),
    },
  };
}

/** A program: half of them drive a browser and cannot hide it, half speak HTTP by themselves. */
export function drawProgram(random: SeededRandom): Disguise {
  if (random.fraction() < 0.5) return { agent: pick(random, TOOLS), signals: null };
  const { agent, signals } = drawComputer(random);
  return { agent, signals: signals === null ? null : { ...signals, automation: true } };
}

/** The body of `POST /v1/sessions` for an account of the shop. */
export function loginBody(
  account: { readonly name: string; readonly ageDays: number },
  signals: Signals | null,
  nowMs: number,
): string {
  const createdS = Math.floor(nowMs / 1_000) - Math.round(account.ageDays * DAY_S);
  const token = shopToken({ sub: account.name, account_created_at: createdS });
  return JSON.stringify({ kind: "jwt", token, ...(signals === null ? {} : { signals }) });
}

/** The age of an account that somebody has used for a while. */
export function drawOldAgeDays(random: SeededRandom): number {
  return OLD_DAYS_MIN + random.below(OLD_DAYS_MAX - OLD_DAYS_MIN);
}
