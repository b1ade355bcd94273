/**
 * A provider's widget in the page: Turnstile or hCaptcha, loaded from where the server says and nowhere else.
 *
 * The page's policy lets that host in only where the deployment uses it. A widget that does not come (a blocker, an outage)
 * is not waited for: the device works instead.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { PuzzleProps } from "./puzzle-props.ts";

/** What both providers' scripts offer. */
interface CaptchaScript {
  render(place: Element, options: Record<string, unknown>): unknown;
  remove?(widget: unknown): void;
}

const SCRIPT_MS_MAX = 10_000;
const LOOK_MS = 50;

function loaded(kind: string): CaptchaScript | undefined {
  return (globalThis as unknown as Record<string, CaptchaScript | undefined>)[kind];
}

/** Scripts that were refused or are not there. */
const missing = new Set<string>();

/** The provider's script, loaded once; rejects when it does not come in time. */
async function load(kind: string, url: string): Promise<CaptchaScript> {
  if (document.querySelector(`script[src="${CSS.escape(url)}"]`) === null && loaded(kind) === undefined) {
    const script = document.createElement("script");
    script.src = url;
    script.async = true;
    script.onerror = () => missing.add(url);
    document.head.append(script);
  }
  const deadline = performance.now() + SCRIPT_MS_MAX;
  for (let found = loaded(kind); ; found = loaded(kind)) {
    if (found !== undefined) return found;
    if (missing.has(url) || performance.now() > deadline) throw new Error("The widget did not come.");
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Whose check it is, in the address's own words: nothing of another host comes without being named. */
function hostOf(script: string | undefined): string {
  return URL.canParse(script ?? "") ? new URL(script ?? "").host : "another host";
}

export function CaptchaWidget({
  challenge,
  onSolution,
}: Omit<PuzzleProps, "onSolution"> & { onSolution: (solution: string | null) => void }) {
  const place = useRef<HTMLDivElement>(null);
  const [isThere, setThere] = useState(false);
  const { kind, token } = challenge;
  const { siteKey, script, action, boundTo } = challenge as unknown as Record<string, string>;
  useEffect(() => {
    let remove = (): void => undefined;
    let isGone = false;
    const giveUp = () => isGone || onSolution(null);
    load(kind, script ?? "").then((provider) => {
      if (isGone || place.current === null) return;
      const widget = provider.render(place.current, {
        sitekey: siteKey,
        action,
        cData: boundTo,
        callback: (response: string) => isGone || onSolution(response),
        "error-callback": giveUp,
      });
      remove = () => provider.remove?.(widget);
      setThere(true);
    }, giveUp);
    return () => {
      isGone = true;
      remove();
    };
  }, [token]);
  return (
    <>
      <p class="small soft">
        {isThere ? "This check is made by" : "Loading a check from"} {hostOf(script)}.
      </p>
      <div ref={place} class="widget" />
    </>
  );
}
