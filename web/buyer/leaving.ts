/**
 * Asks before a tab is closed in which something waits for payment: a guest's reservation is in no other tab.
 *
 * The browser has its own words for it and asks only people who pressed something here. The listener is there only while it is
 * needed, because some browsers keep no page in memory that has one. Ways that stay in this tab are not asked about.
 */
let isListening = false;

const ask = (event: BeforeUnloadEvent): void => event.preventDefault();

/** Call it as often as you like. */
export function askBeforeLeaving(isNeeded: boolean): void {
  if (isNeeded === isListening) return;
  isListening = isNeeded;
  if (isNeeded) window.addEventListener("beforeunload", ask);
  else window.removeEventListener("beforeunload", ask);
}

/** Links of this page lead on in the same tab, which keeps its session. Called once. */
export function trustOwnLinks(): void {
  document.addEventListener("click", ({ target }) => {
    const link = target instanceof Element ? target.closest("a") : null;
    if (link?.origin === location.origin && link.target === "") askBeforeLeaving(false);
  });
}
