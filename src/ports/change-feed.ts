/**
 * Port: hints that something changed in the store, so that caches refresh before their poll is due.
 *
 * Promises nothing: hints may be lost, late or doubled, so every listener also polls. Hints arrive after commit.
 */

/** What to refresh: the catalogue (sales, items, bans, lists), the stock of an item, or the event log. */
export type ChangeHint =
  | { readonly topic: "catalogue" }
  | { readonly topic: "stock"; readonly itemId: number }
  | { readonly topic: "events" };

export interface ChangeFeed {
  /** Calls back for each hint until the returned function is called. The callback must not throw or block. */
  subscribe(listener: (hint: ChangeHint) => void): () => void;
}
