/**
 * A terminal sees a block that is drawn over itself and taken away; anything else sees a line every two seconds.
 */
import { expect, test } from "bun:test";
import { LiveView } from "./live-view.ts";
import type { SwarmProgress } from "./swarm.ts";

const RUNNING: SwarmProgress = {
  phase: "running",
  ...{
    minted: 10,
    identities: 10,
    requests: 4_000,
    endMs: 3_000,
    atMs: 1_500,
    sent: 2_100,
    answered: 2_000,
    accepted: 30,
  },
  ...{ decided: 1_900, errors: 2, latencyMsP99: 12.4 },
};

function setUp(isTTY: boolean): { view: LiveView; written: () => string; clock: { nowMs: number } } {
  let text = "";
  const clock = { nowMs: 0 };
  const output = { isTTY, columns: 100, write: (more: string) => (text += more) };
  return { view: new LiveView(output, () => clock.nowMs), written: () => text, clock };
}

test("a terminal: as many lines up as were drawn, and nothing left at the end", () => {
  const { view, written, clock } = setUp(true);
  view.show(RUNNING);
  clock.nowMs = 250;
  view.show({ ...RUNNING, answered: 2_500 });
  expect(written()).toContain("[████████████████████                    ] 50 %");
  expect(written()).toContain(
    "1.5 s · 4,000 arrivals in all · 2,500 answered · 2,000/s · 30 accepted · p99 12 ms · 2 errors",
  );
  expect(written().split("\u001b[4A")).toHaveLength(2);
  view.end();
  expect(written().endsWith("\u001b[4A\r\u001b[0J")).toBe(true);
});

test("what is left to do by hand stays where the block was, and is not drawn over", () => {
  for (const isTTY of [true, false]) {
    const { view, written } = setUp(isTTY);
    view.show(RUNNING);
    view.show({ phase: "trouble", trouble: "Close it yourself." });
    view.end();
    expect(written().replace("\u001b[4A", "")).not.toContain("\u001b[4A");
    expect(written().endsWith(isTTY ? "\r\u001b[0JClose it yourself.\n\r\u001b[0J" : "Close it yourself.\n")).toBe(
      true,
    );
  }
});

test("no terminal: sessions are told while they become more, and once when all are there", () => {
  const { view, written, clock } = setUp(false);
  const preparing = { ...RUNNING, phase: "preparing", identities: 2_000, minted: 0, atMs: 0 } as const;
  for (; clock.nowMs <= 4_000; clock.nowMs += 250) view.show(preparing);
  expect(written()).toBe("");
  for (; clock.nowMs <= 8_000; clock.nowMs += 250) view.show({ ...preparing, minted: 1_200 });
  view.show({ ...preparing, phase: "signing", minted: 2_000 });
  view.show({ ...preparing, phase: "signing", minted: 2_000 });
  expect(written()).toBe("1,200 of 2,000 sessions\n2,000 sessions minted\nsigning ahead, in 0.0 s\n");
});

test("no terminal: a line at once and then every two seconds, without escape codes", () => {
  const { view, written, clock } = setUp(false);
  for (clock.nowMs = 0; clock.nowMs <= 4_000; clock.nowMs += 250) view.show(RUNNING);
  view.end();
  expect(written().split("\n")).toHaveLength(4);
  expect(written()).not.toContain("\u001b");
});
