/**
 * The demonstration as the README has newcomers run it, small and to its end: the command's own words and its exit.
 */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { DemoCommand } from "../support/demo-command.ts";

const STOCK = 100;

test("one node sells exactly the stock to a crowd with its share of cheats, and the judge says so", async () => {
  const demo = new DemoCommand(["--buyers", "1000", "--stock", `${STOCK}`]);
  try {
    const exit = await demo.ended;
    expect(demo.output).toContain(`VERDICT: correct: ${STOCK} of ${STOCK} units sold to a crowd of 1,000`);
    // Every way of cheating had its try: without that the verdict would say less.
    for (const reason of ["signature_invalid", "signature_replayed", "session_invalid", "limit_reached"]) {
      expect(demo.output).toContain(reason);
    }
    expect(exit).toBe(0);
    expect(readdirSync(demo.folder)).toEqual([]);
  } finally {
    demo.remove();
  }
}, 120_000);
