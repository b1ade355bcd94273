/**
 * A buyer's patience: an attempt that a crowded machine refuses as busy is made again, as the contract advises.
 */
import type { Answer } from "../support/answers.ts";
import { waitUntil } from "../support/waiting.ts";

/** Repeats a call until it is answered by anything but `busy`. */
export async function patiently(call: () => Promise<Answer>): Promise<Answer> {
  return await waitUntil("an answer other than busy", async () => {
    const answer = await call();
    return answer.json?.reason === "busy" ? null : answer;
  });
}
