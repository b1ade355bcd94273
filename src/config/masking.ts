/**
 * Shows values without their secrets, for messages and `config print`.
 *
 * Only text that is a URL with a host is taken apart: anything else may be a password that was pasted into the wrong
 * variable, and is not shown at all.
 */

/** Stands for a secret. Its length says nothing. */
export const MASK = "********";

/** A URL without its password and without the parameters that look like secrets; null for what is not a URL with a host. */
export function maskedUrl(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (url.host === "") return null;
  if (url.password !== "") url.password = MASK;
  for (const name of url.searchParams.keys()) if (/password|secret|key/i.test(name)) url.searchParams.set(name, MASK);
  return url.href;
}
