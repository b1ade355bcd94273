/**
 * Where an item's units are, as one bar: sold, held, free. Always shown beside the numbers, which carry the meaning.
 */
import type { StockFigures } from "./documents.ts";

export function StockBar({ figures }: { figures: Omit<StockFigures, "sku"> }) {
  const percent = (units: number) => (figures.total === 0 ? 0 : (units / figures.total) * 100);
  const sold = percent(figures.sold);
  // Units granted to Redis or to a node are promised to nobody yet, but are not free either.
  const held = percent(figures.held + figures.granted);
  return (
    <svg class="stock-bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect class="is-sold" width={sold} height="8" />
      <rect class="is-held" x={sold} width={held} height="8" />
    </svg>
  );
}
