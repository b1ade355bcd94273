/**
 * The MemoryGauge port over this process: its heap against the runtime's bound, its pages against the container's.
 *
 * Node ends itself at the bound of its heap, whatever the machine has left; a container ends whoever passes its own bound.
 * Bun has no bound of its own and says so with a size of zero. Where neither bounds, the machine does.
 */
import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { MemoryGauge } from "../../ports/memory-gauge.ts";

/** `bytesMax` null = what the container or the machine allows. */
export function createMemoryGauge(bytesMax: number | null = null): MemoryGauge {
  const bound = bytesMax ?? constrainedBytes() ?? totalmem();
  const hasHeapBound = process.versions["bun"] === undefined;
  return {
    usedFraction() {
      const pages = process.memoryUsage.rss() / bound;
      if (!hasHeapBound) return pages;
      const heap = getHeapStatistics();
      return Math.max(pages, heap.used_heap_size / heap.heap_size_limit);
    },
  };
}

/** What the container allows; null where there is none, or where it allows more than the machine has. */
function constrainedBytes(): number | null {
  const bytes = process.constrainedMemory();
  return bytes > 0 && bytes <= totalmem() ? bytes : null;
}
