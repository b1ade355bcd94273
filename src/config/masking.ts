/**
 * Shows values without their secrets, for messages and `config print`.
 *
 * Only text that is a URL with a host is taken apart: anything else may be a password that was pasted into the wrong
 * variable, and is not shown at all.
 */

/** Stands for a secret. Its length says nothing. */
export const MASK = "********";

/** One URL and no list in disguise: a comma in the host, or "@" behind it, where a list's next password may stand. */
function isPlain(url: URL): boolean {
  return url.host !== "" && !url.host.includes(",") && !`${url.pathname}${url.search}${url.hash}`.includes("@");
}

/** A URL without its password and without the parameters that look like secrets; null for what is not a URL with a host. */
export function maskedUrl(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (!isPlain(url)) return null;
  if (url.password !== "") url.password = MASK;
  for (const name of url.searchParams.keys()) if (/password|secret|key/i.test(name)) url.searchParams.set(name, MASK);
  return url.href;
}

/** The same for one URL or several, comma-separated; null as soon as a part is none: nobody knows what that is. */
export function maskedUrls(text: string): string | null {
  const whole = maskedUrl(text);
  if (whole !== null) return whole;
  const masked = text.split(",").map((part) => maskedUrl(part.trim()));
  return masked.every((part) => part !== null) ? masked.join(",") : null;
}
