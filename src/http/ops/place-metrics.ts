/**
 * Metrics of the quick audit: where the units of running sales are, how far Postgres is behind the buckets, and whether
 * it all adds up. From the last look this process made; a sale that could not be looked at is absent rather than stale.
 */
import { Gauge, type Registry } from "@prometheus-io/client";
import type { PlacesAudit } from "../../ledger/auditor.ts";

const PLACES = ["unapplied", "available", "leased", "uncommitted"] as const;
const MS_PER_S = 1_000;

/** Adds the gauges. */
export function addPlaceMetrics(registry: Registry, lastPlaces: () => readonly PlacesAudit[]): void {
  const add = (
    gauge: { name: string; help: string; labels: readonly string[] },
    collect: (places: PlacesAudit, set: (labels: Record<string, string>, value: number) => void) => void,
  ): void => {
    new Gauge({
      name: gauge.name,
      help: gauge.help,
      labelNames: [...gauge.labels],
      registers: [registry],
      collect() {
        this.reset();
        for (const places of lastPlaces()) collect(places, (labels, value) => this.set(labels, value));
      },
    });
  };
  add(
    {
      name: "doorbuster_bucket_units",
      help: "Units granted to buckets by where they are.",
      labels: ["sale", "sku", "place"],
    },
    (places, set) => {
      for (const item of places.items) {
        for (const place of PLACES) set({ sale: places.saleId, sku: item.sku, place }, item[place]);
      }
    },
  );
  add(
    {
      name: "doorbuster_place_violations",
      help: "Violations found by the last quick look at the sale; anything but 0 is an emergency.",
      labels: ["sale"],
    },
    (places, set) => set({ sale: places.saleId }, places.violations.length),
  );
  add(
    {
      name: "doorbuster_oldest_gap_seconds",
      help: "How long the oldest acceptance without an order has been missing; above 30 something is stuck.",
      labels: ["sale"],
    },
    (places, set) => {
      const gapsMs = places.items.flatMap((item) => item.buckets.map((bucket) => bucket.gapMs));
      set({ sale: places.saleId }, Math.max(0, ...gapsMs) / MS_PER_S);
    },
  );
}
