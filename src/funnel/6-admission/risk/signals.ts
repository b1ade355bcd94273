/**
 * What the page tells of the device it runs on, and what that says: a device key, and what is held against the session.
 *
 * Signals are coarse on purpose and none of them is kept: they go into a keyed hash together with agent and network, which
 * is then the session's "device". Equal laptops in one office are therefore one device; limits and weights allow for that.
 * A liar may tell what he likes: signals only ever make it dearer to be many, they let nobody in.
 */
import type { HmacKey } from "../../3-identity/hmac.ts";
import { DEVICE_LENGTH } from "../../3-identity/session-token.ts";
import type { RiskCause } from "./risk-model.ts";
import { zoneOffsetMinutes } from "./time-zones.ts";

/** See the contract's schema for the bounds of each. */
export interface PageSignals {
  /** The browser says that a program drives it. */
  readonly automation: boolean;
  /** IANA name. */
  readonly timeZone: string;
  readonly languages: readonly string[];
  readonly screen: { readonly width: number; readonly height: number; readonly depth: number };
  readonly hardwareConcurrency: number;
  /** Fingers the screen can tell apart; 0 = no touch. */
  readonly touch: number;
  /** Hashes of how the machine draws. */
  readonly webgl?: string | undefined;
  readonly canvas?: string | undefined;
}

/** Where the session begins, as far as the request tells. */
export interface SessionOrigin {
  readonly networkKey: string;
  /** The User-Agent; "" when there is none. */
  readonly agent: string;
  /** Where a trusted proxy says the address is, as an IANA time zone; null when nobody says. */
  readonly addressTimeZone: string | null;
}

/** Agents of tools and libraries. What pretends to be a browser is told by other means. */
const TOOL_AGENT =
  /^$|curl|wget|python|aiohttp|httpx|go-http|java\/|okhttp|axios|node|undici|libwww|perl|ruby|scrapy|bot\b|spider/i;
const AUTOMATED_AGENT = /headless|phantomjs|selenium|puppeteer|playwright|electron/i;
const HANDHELD_AGENT = /iphone|ipad|android.+mobile/i;
/** Borders of neighbouring time zones are near; beyond this it is another part of the world. */
const OFFSET_MINUTES_MAX = 120;

/** Telephones of one model are all alike, computers seldom: so many times more of them look like one. */
export const HANDHELD_TOLERANCE = 16;
const HANDHELD = "h";
const DESKTOP = "d";

/** Whether a device key is that of a telephone or tablet. */
export function isHandheld(device: string): boolean {
  return device.startsWith(HANDHELD);
}

/** The device key of signals; equal signals with the same agent on the same network are the same device. */
export function deviceKeyOf(key: HmacKey, signals: PageSignals, origin: SessionOrigin): string {
  const { screen } = signals;
  const parts = [
    origin.networkKey,
    origin.agent,
    signals.timeZone,
    signals.languages.join(),
    `${screen.width}x${screen.height}x${screen.depth}`,
    signals.hardwareConcurrency,
    signals.touch,
    signals.webgl ?? "",
    signals.canvas ?? "",
  ];
  const kind = signals.touch > 0 && HANDHELD_AGENT.test(origin.agent) ? HANDHELD : DESKTOP;
  return kind + key.sign(parts.join("\n")).slice(0, DEVICE_LENGTH - kind.length);
}

/** What is held against a session that begins like this. */
export function startCauses(signals: PageSignals | null, origin: SessionOrigin, nowMs: number): readonly RiskCause[] {
  const causes: RiskCause[] = [];
  if (signals?.automation === true || AUTOMATED_AGENT.test(origin.agent)) causes.push("automation");
  if (TOOL_AGENT.test(origin.agent)) causes.push("tool_agent");
  if (signals === null) causes.push("no_signals");
  else {
    if (contradictsItself(signals, origin.agent)) causes.push("implausible");
    if (isElsewhere(signals, origin, nowMs)) causes.push("time_zone");
  }
  return causes;
}

/** No browser in anybody's hands is like this. */
function contradictsItself({ screen, touch, languages, hardwareConcurrency }: PageSignals, agent: string): boolean {
  const hasNoScreen = screen.width < 200 || screen.height < 200 || screen.depth < 8;
  const isHandheldWithoutTouch = HANDHELD_AGENT.test(agent) && touch === 0;
  return hasNoScreen || isHandheldWithoutTouch || languages.length === 0 || hardwareConcurrency < 1;
}

function isElsewhere(signals: PageSignals, origin: SessionOrigin, nowMs: number): boolean {
  if (origin.addressTimeZone === null) return false;
  const here = zoneOffsetMinutes(signals.timeZone, nowMs);
  const there = zoneOffsetMinutes(origin.addressTimeZone, nowMs);
  // A zone that this machine does not know says nothing about the buyer.
  return here !== null && there !== null && Math.abs(here - there) > OFFSET_MINUTES_MAX;
}
