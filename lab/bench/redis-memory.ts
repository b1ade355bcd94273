/**
 * What the ledger's keys occupy in Redis, counted key by key by the server itself, so that buffers of connections and the
 * allocator's reserves do not hide a byte a refusal.
 */
import { createClient } from "@redis/client";

export interface RedisFootprint {
  readonly keys: number;
  /** Σ `MEMORY USAGE`, every element counted. */
  readonly keyBytes: number;
  /** What the server reports as used, everything included. */
  readonly usedBytes: number;
}

/** Looks at everything the server holds. */
export async function readFootprint(url: string): Promise<RedisFootprint> {
  const client = createClient({ url });
  await client.connect();
  try {
    let keyBytes = 0;
    let keys = 0;
    for await (const batch of client.scanIterator()) {
      for (const key of batch) {
        keyBytes += (await client.memoryUsage(key, { SAMPLES: 0 })) ?? 0;
        keys += 1;
      }
    }
    const usedBytes = Number(/^used_memory:(\d+)/m.exec(await client.info("memory"))?.[1]);
    return { keys, keyBytes, usedBytes };
  } finally {
    await client.close();
  }
}
