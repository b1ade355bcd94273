/**
 * Mutants: the design with one thing taken away. The simulator has to notice each of them, or it would not notice a bug.
 *
 * The one thing to know: a mutant weakens the schema, a script, or the way one production class uses a port, by wrapping
 * what that class is given; the class itself is the real one. `kills` names what a schedule may find; finding anything
 * else counts too, but means that the mutant is understood badly.
 */
import type { Books, CommitBatch } from "../../src/ports/books.ts";
import type { BucketEpoch, BucketStore, StreamEntry } from "../../src/ports/bucket-store.ts";
import type { PaymentProvider } from "../../src/ports/payment-provider.ts";
import type { Servers, Weakened } from "./scene.ts";

export interface Mutant {
  readonly name: string;
  /** What is missing, in words. */
  readonly what: string;
  readonly weakened: Weakened;
  /** The checks that find it. */
  readonly kills: readonly string[];
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: "no-epoch-check",
    what: "a commit does not look at the epoch",
    weakened: { booksRules: { checksEpoch: false } },
    kills: ["P2", "CHECK"],
  },
  {
    name: "no-checks-no-epoch-check",
    what: "no CHECK on stock, and a commit does not look at the epoch",
    weakened: { booksRules: { checksEpoch: false, checksStock: false } },
    kills: ["P2", "P1"],
  },
  {
    name: "no-checks-no-recovery",
    what: "no CHECK on stock, no run id in the scripts, no conductor",
    weakened: { booksRules: { checksStock: false }, bucketRules: { checksRunId: false }, hasNoConductor: true },
    kills: ["L1", "L3", "X2", "P1", "S3"],
  },
  {
    name: "credit-not-idempotent",
    what: "a credit that is repeated moves units again",
    weakened: { bucketRules: { creditsOnce: false } },
    kills: ["X1", "L1"],
  },
  {
    name: "commit-not-idempotent",
    what: "a rid that is committed again moves units again",
    weakened: { booksRules: { commitsOnce: false } },
    kills: ["CHECK", "P3", "P2"],
  },
  {
    name: "fence-keeps-granted",
    what: "the fence leaves granted units where they are",
    weakened: { booksRules: { fenceBringsHome: false } },
    kills: ["P2"],
  },
  {
    name: "fence-keeps-grants",
    what: "the fence leaves transfers alive that were under way",
    weakened: { booksRules: { fenceVoidsGrants: false } },
    kills: ["L1"],
  },
  {
    name: "fence-from-any-mode",
    what: "a fence does not look from which mode it leads, so a conductor may act on what it saw a moment ago",
    weakened: { booksRules: { fenceChecksMode: false } },
    kills: ["E3", "S5", "ALARM"],
  },
  {
    name: "no-drain",
    what: "an epoch ends without a look at what is left in its streams",
    weakened: { hasNoDrain: true },
    kills: ["E4", "S5"],
  },
  {
    name: "node-trusts-its-lease",
    what: "a node's own count of its lease is believed after the lease was swept",
    weakened: { bucketRules: { forgetsSweptLeases: false } },
    kills: ["R1"],
  },
  {
    name: "grants-not-resumed",
    what: "nobody carries on a transfer whose process died",
    weakened: withBooks(() => ({ listUnsettledGrants: async () => [] })),
    kills: ["L1", "L2"],
  },
  {
    name: "run-id-not-checked",
    what: "a bucket does not ask on which server it is",
    weakened: { bucketRules: { checksRunId: false } },
    kills: ["S2", "S3", "X2", "L1", "L2", "CHECK"],
  },
  {
    name: "no-conductor",
    what: "nobody moves a sale out of a Redis that cannot be trusted",
    weakened: { hasNoConductor: true },
    kills: ["L1", "L3"],
  },
  {
    name: "release-before-cancel",
    what: "units are released without waiting for the provider to cancel",
    weakened: { servers: ({ provider, ...others }) => ({ ...others, provider: releaseAtOnce(provider) }) },
    kills: ["M1"],
  },
  {
    name: "acknowledge-before-commit",
    what: "a worker acknowledges what it has only read",
    weakened: { servers: ({ store, ...others }) => ({ ...others, store: acknowledgeEarly(store) }) },
    kills: ["A1"],
  },
  {
    name: "repeats-not-recognised",
    what: "a bucket decides a known rid anew",
    weakened: { bucketRules: { recognisesRepeats: false } },
    kills: ["S3", "ALARM"],
  },
  {
    name: "leases-never-swept",
    what: "the lease of a dead node is kept for it, and taken back by nobody",
    weakened: { bucketRules: { sweepsLeases: false, takesLeasesBack: false } },
    kills: ["L1", "L2"],
  },
  {
    name: "notes-not-delivered",
    what: "buckets never hear that a hold has ended",
    weakened: withBooks(() => ({ listNotes: async () => [] })),
    kills: ["L3"],
  },
  {
    name: "lost-not-recorded",
    what: "acceptances of an epoch that is over are forgotten without a word",
    weakened: withBooks(() => ({ recordLost: async () => 0 })),
    kills: ["L1", "S5"],
  },
  {
    name: "restore-on-error",
    what: "a commit without an answer gives its units back to the bucket (the seeds' B12)",
    weakened: { servers: restoreOnError },
    kills: ["X1"],
  },
];

/** The mutant of that name; throws when there is none. */
export function mutantOf(name: string): Mutant {
  const found = MUTANTS.find((mutant) => mutant.name === name);
  if (found === undefined)
    throw new Error(`no mutant "${name}"; there are: ${MUTANTS.map((each) => each.name).join(", ")}`);
  return found;
}

/** Says "cancelled" to the sweeper and lets the buyer pay on. */
function releaseAtOnce(provider: PaymentProvider): PaymentProvider {
  return { ...provider, cancel: async () => "cancelled" };
}

function acknowledgeEarly(store: BucketStore): BucketStore {
  const acknowledge = async (stream: BucketEpoch, entries: readonly StreamEntry[]): Promise<void> => {
    if (entries.length === 0) return;
    await store.acknowledge({ ...stream, lastSeqs: entries.map(({ lastSeq }) => lastSeq) });
  };
  const readNew: BucketStore["readNew"] = async (request) => {
    const entries = await store.readNew(request);
    await acknowledge(request, entries);
    return entries;
  };
  const readNewOfEach: BucketStore["readNewOfEach"] = async (request) => {
    const lists = await store.readNewOfEach(request);
    for (const [index, stream] of request.streams.entries()) await acknowledge(stream, lists[index] ?? []);
    return lists;
  };
  return { ...store, readNew, readNewOfEach };
}

/** The seeds' rule "if the database fails, restore the stock": a COMMIT without an answer gives its units back. */
function restoreOnError({ store, books, provider }: Servers): Servers {
  const commitBatch = async (batch: CommitBatch): ReturnType<Books["commitBatch"]> => {
    try {
      return await books.commitBatch(batch);
    } catch (error) {
      const units = batch.rows.reduce((sum, row) => sum + row.quantity, 0);
      const creditId = `restore.${batch.rows[0]?.rid}.${batch.rows.length}`;
      await store.credit({ ...batch, creditId, units, notes: [] });
      throw error;
    }
  };
  return { store, provider, books: { ...books, commitBatch } };
}

function withBooks(change: () => Partial<Books>): Weakened {
  return { servers: ({ books, ...others }) => ({ ...others, books: { ...books, ...change() } }) };
}
