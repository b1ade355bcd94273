/**
 * Whether the sale was rehearsed, in a line: what the deployment can do, and how far that reaches for this crowd.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type KnownRehearsals, rehearsedLine } from "../../src/domain/rehearsed-line.ts";
import { textOf } from "./admin-api.ts";
import type { SaleWatch } from "./sale-watch.ts";
import { formatMoment } from "./words.ts";

export function RehearsalLine({ watch }: { watch: SaleWatch }) {
  const line = useSignal<string | null>("");
  useEffect(() => {
    const { saleId } = watch;
    watch.api.call<KnownRehearsals>("GET", "/rehearsals").then(
      (known) => {
        line.value = rehearsedLine(known, { saleId, showInstant: formatMoment });
      },
      (error: unknown) => {
        line.value = `Rehearsals are not known: ${textOf(error)}`;
      },
    );
  }, [watch]);
  if (line.value === null) return null;
  return <p class="small soft">{line.value}</p>;
}
