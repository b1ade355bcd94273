/**
 * Whether the sale was rehearsed, in a line: what the deployment can do, and how far that reaches for this crowd.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { findRehearsals, rehearsedLine } from "../../src/domain/rehearsed-line.ts";
import { textOf } from "./admin-api.ts";
import type { SaleWatch } from "./sale-watch.ts";
import { formatMoment } from "./words.ts";

export function RehearsalLine({ watch }: { watch: SaleWatch }) {
  const line = useSignal<string | null>("");
  const problem = useSignal("");
  useEffect(() => {
    const { api, saleId } = watch;
    findRehearsals((path) => api.call("GET", path), saleId).then(
      (known) => {
        line.value = rehearsedLine(known, { saleId, showInstant: formatMoment });
        problem.value = "";
      },
      (error: unknown) => {
        problem.value = `Whether it was rehearsed is not known. ${textOf(error)}`;
      },
    );
  }, [watch]);
  return (
    <>
      <p class="small bad" role="alert">
        {problem}
      </p>
      {line.value !== null && problem.value === "" && <p class="small soft">{line.value}</p>}
    </>
  );
}
