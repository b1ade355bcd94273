/**
 * What this page tells the shop of the device it runs on when a session begins: a few coarse facts, none of them a name.
 *
 * They only help to tell one visitor from a hundred that look alike; they are hashed where they arrive and not kept. What
 * a browser does not give is left out, and nothing here may keep a session from beginning. The graphics card's name and a
 * few drawn letters leave the page as hashes.
 */
import type { PageSignals } from "../../client/contract.ts";

const LANGUAGES_MAX = 8;
const HASH_LENGTH = 16;
const DRAWN = "Doorbuster \u2603 0O1l";

/** Never rejects: a fact that cannot be had is not there. */
export async function collectSignals(): Promise<PageSignals> {
  const { webdriver, languages, hardwareConcurrency, maxTouchPoints } = navigator;
  const [webgl, canvas] = await Promise.all([hashOf(graphicsCard), hashOf(drawnLetters)]);
  return {
    automation: webdriver === true,
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC",
    languages: languages.slice(0, LANGUAGES_MAX),
    screen: { width: Math.round(screen.width), height: Math.round(screen.height), depth: screen.colorDepth },
    hardwareConcurrency: hardwareConcurrency ?? 1,
    touch: maxTouchPoints,
    ...(webgl === null ? {} : { webgl }),
    ...(canvas === null ? {} : { canvas }),
  };
}

/** A canvas may be forbidden, and a driver may be broken: then there is nothing to tell. */
async function hashOf(read: () => string | null): Promise<string | null> {
  try {
    const text = read();
    if (text === null || text === "") return null;
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    const letters = btoa(String.fromCharCode(...new Uint8Array(digest)));
    return letters.replaceAll("+", "-").replaceAll("/", "_").slice(0, HASH_LENGTH);
  } catch {
    return null;
  }
}

function graphicsCard(): string | null {
  const context = document.createElement("canvas").getContext("webgl");
  const names = context?.getExtension("WEBGL_debug_renderer_info");
  return context && names ? String(context.getParameter(names.UNMASKED_RENDERER_WEBGL)) : null;
}

function drawnLetters(): string | null {
  const canvas = document.createElement("canvas");
  canvas.width = 160;
  canvas.height = 24;
  const context = canvas.getContext("2d");
  if (context === null) return null;
  context.font = "16px serif";
  context.fillText(DRAWN, 2, 18);
  return canvas.toDataURL();
}
