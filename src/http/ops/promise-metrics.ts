/**
 * What the stores promise less than they should, as metrics: an alarm for whoever does not read /readyz.
 */
import { Gauge, type Registry } from "@prometheus-io/client";
import type { DatabasePromise, Durability } from "../../ledger/ledger-view.ts";

export interface PromiseSources {
  /** `redis` is null where none is configured. */
  promises(): { readonly redis: Durability | null; readonly postgres: DatabasePromise };
}

export function addPromiseMetrics(registry: Registry, sources: PromiseSources): void {
  new Gauge({
    name: "doorbuster_promise_weaker",
    help: "1 where a power cut at the store may lose what was answered: Redis the last second of 202s, PostgreSQL orders.",
    labelNames: ["store"],
    registers: [registry],
    collect() {
      const { redis, postgres } = sources.promises();
      this.reset();
      this.set({ store: "postgres" }, postgres.kind === "embedded" || postgres.weakness !== null ? 1 : 0);
      if (redis !== null) this.set({ store: "redis" }, redis === "everysec" ? 1 : 0);
    },
  });
}
