/**
 * Writes an uploaded allowlist, of a million lines if need be, in the memory of one piece and a table of nine bytes a buyer.
 *
 * The whole list is refused when one entry is wrong, and the errors name lines or indexes: a list that was loaded in part
 * would turn buyers away on sale day. Parts are written while the body is still arriving, and count only once all of it was
 * right; nothing of a refused list remains. What is slow to write slows its sender down.
 */
import type { SaleId } from "../../domain/ids.ts";
import type { Sale } from "../../domain/sale.ts";
import { AllowlistTable } from "../../funnel/2-window/allowlist-table.ts";
import { keyedHash } from "../../funnel/keyed-hash.ts";
import { ALLOWLIST_PART_MAX, type AllowlistEntry } from "../../ports/allowlist-store.ts";
import { streamRequestBody } from "../request-body.ts";
import { AllowlistLines, JSON_LIST_BYTES_MAX, parseAllowlistJson, type ReadLine } from "./allowlist.ts";
import { type Checked, readText } from "./body.ts";
import type { OperatorDependencies } from "./dependencies.ts";
import { ERRORS_LISTED_MAX, type FieldError, invalidFields, type OperatorProblem } from "./problem.ts";

/** Buyers of one list. */
export const ALLOWLIST_MAX = 1_000_000;
/** Bytes of one upload: that many of the longest lines. The listener must let this much through. */
export const ALLOWLIST_BYTES_MAX = ALLOWLIST_MAX * 132;

type UploadDependencies = Pick<OperatorDependencies, "saleStore" | "allowlists" | "clock" | "random" | "log">;

/** How the body is written, by its Content-Type; null for what is no list. */
export type AllowlistForm = "json" | "text" | "csv";

export function allowlistFormOf(contentType: string | undefined): AllowlistForm | null {
  const type = contentType?.split(";")[0]?.trim().toLowerCase();
  if (type === undefined || type === "application/json") return "json";
  if (type === "text/plain") return "text";
  return type === "text/csv" ? "csv" : null;
}

/** Replaces the sale's list by the one in the body; answers how many buyers it has. */
export async function uploadAllowlist(
  request: Request,
  sale: Sale,
  options: { form: AllowlistForm; deps: UploadDependencies },
): Promise<Checked<number>> {
  const { form, deps } = options;
  const writer = new ListWriter(sale, deps);
  let isPublished = false;
  try {
    const problem =
      form === "json"
        ? await takeJson(request, writer, deps)
        : await takeLines(request, writer, { isCsv: form === "csv", clock: deps.clock });
    const refusal = problem ?? writer.problem;
    if (refusal !== null) return { kind: "problem", problem: refusal };
    isPublished = await writer.publish();
    if (!isPublished) return { kind: "problem", problem: { reason: "no_such_sale" } };
    return { kind: "value", value: writer.size };
  } finally {
    if (!isPublished) await writer.discard();
  }
}

async function takeJson(
  request: Request,
  writer: ListWriter,
  deps: UploadDependencies,
): Promise<OperatorProblem | null> {
  const text = await readText(request, deps.clock, JSON_LIST_BYTES_MAX);
  const list = text.kind === "problem" ? text : parseAllowlistJson(text.value);
  if (list.kind === "problem") return list.problem;
  for (const buyerId of list.value) await writer.add({ buyerId, tier: null }, "buyerIds");
  return null;
}

async function takeLines(
  request: Request,
  writer: ListWriter,
  options: { isCsv: boolean; clock: UploadDependencies["clock"] },
): Promise<OperatorProblem | null> {
  const lines = new AllowlistLines(options);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const addAll = async (read: readonly ReadLine[]): Promise<boolean> => {
    for (const entry of read) {
      if ("error" in entry) writer.refuse(`line ${entry.line}`, entry.error);
      else await writer.add(entry, `line ${entry.line}`);
      if (writer.isFull) return false;
    }
    return true;
  };
  try {
    const cut = await streamRequestBody(request, {
      clock: options.clock,
      bytesMax: ALLOWLIST_BYTES_MAX,
      take: (piece) => addAll(lines.read(decoder.decode(piece, { stream: true }))),
    });
    if (cut !== null) return { reason: cut.reason, detail: cut.detail };
    await addAll(lines.read(decoder.decode()));
    await addAll(lines.end());
    return null;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { reason: "malformed", detail: "The body is not valid UTF-8." };
  }
}

/** A list on its way to the store. */
class ListWriter {
  readonly #deps: UploadDependencies;
  readonly #saleId: SaleId;
  readonly #tiers: ReadonlySet<string>;
  readonly #table: AllowlistTable;
  readonly #errors: FieldError[] = [];
  #errorCount = 0;
  #pending: AllowlistEntry[] = [];
  #parts = 0;
  #listId: number | null = null;

  constructor(sale: Sale, deps: UploadDependencies) {
    this.#deps = deps;
    this.#saleId = sale.id;
    this.#tiers = new Set((sale.eligibility.tiers ?? []).map((tier) => tier.name));
    this.#table = new AllowlistTable(keyedHash(deps.random));
  }

  get size(): number {
    return this.#table.size;
  }

  /** There are more buyers than a list may have. */
  get isFull(): boolean {
    return this.#table.size > ALLOWLIST_MAX;
  }

  /** Why the list cannot be published; null when it can. */
  get problem(): OperatorProblem | null {
    if (this.isFull) {
      const detail = `The list has more than ${ALLOWLIST_MAX} buyers, the most one list can have.`;
      return { reason: "payload_too_large", detail };
    }
    return this.#errorCount === 0 ? null : invalidFields(this.#errors, this.#errorCount);
  }

  /** The same entry twice is one; the same buyer in two tiers is an error, because nobody could say which one was meant. */
  async add({ buyerId, tier }: AllowlistEntry, place: string): Promise<void> {
    if (tier !== null && !this.#tiers.has(tier)) return this.refuse(place, "names a tier that the sale does not have");
    const added = this.#table.add(buyerId, tier);
    if (added === "contradiction") return this.refuse(place, "names a buyer whom an earlier line has in another tier");
    if (added === "same" || this.#errorCount > 0) return;
    this.#pending.push({ buyerId, tier });
    if (this.#pending.length === ALLOWLIST_PART_MAX) await this.#flush();
  }

  refuse(field: string, text: string): void {
    this.#errorCount += 1;
    if (this.#errors.length < ERRORS_LISTED_MAX) this.#errors.push({ field, text });
  }

  async #flush(): Promise<void> {
    const { allowlists } = this.#deps;
    this.#listId ??= await allowlists.begin(this.#saleId);
    if (this.#listId === null) return;
    await allowlists.addPart({ listId: this.#listId, part: this.#parts, entries: this.#pending });
    this.#parts += 1;
    this.#pending = [];
  }

  /** False when the sale is gone. */
  async publish(): Promise<boolean> {
    await this.#flush();
    if (this.#listId === null) return false;
    const list = { saleId: this.#saleId, listId: this.#listId, buyers: this.size, parts: this.#parts };
    return this.#deps.allowlists.publish(list);
  }

  /** What cannot be forgotten now is forgotten with the next list. */
  async discard(): Promise<void> {
    if (this.#listId === null) return;
    try {
      await this.#deps.allowlists.discard(this.#listId);
    } catch (error) {
      this.#deps.log.warn({ error, saleId: this.#saleId }, "a refused allowlist is still stored, unpublished");
    }
  }
}
