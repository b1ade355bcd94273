/**
 * A person is asked one question at a time, may change his mind, and is not asked again when his device shall work.
 */
import { describe, expect, test } from "bun:test";
import type { ChallengeWork } from "../../client/challenge.ts";
import type { Challenge } from "../../client/contract.ts";
import { Questions } from "./questions.ts";

const WORK: Challenge = {
  kind: "pow",
  token: "c1.w",
  expiresAt: 0,
  alternatives: ["slide"],
  difficulty: 4,
  puzzles: 16,
};
const SLIDE: Challenge = { ...WORK, kind: "slide", token: "c1.s", alternatives: ["pow", "arithmetic"] };
const PREFERRED: Challenge = { ...WORK, preferred: "slide" };

function page({ isUrgent = true } = {}) {
  const said: string[] = [];
  let drawings = 0;
  const questions = new Questions({
    changed: () => {
      drawings += 1;
    },
    say: (text) => said.push(text),
    isUrgent: () => isUrgent,
  });
  const work = (signal?: AbortSignal): ChallengeWork => ({ signal, onProgress: () => undefined });
  return { questions, said, work, drawings: () => drawings };
}

describe("questions", () => {
  test("leave work to the device, and ask for the kind that is preferred to it", async () => {
    const { questions, work } = page();
    expect(await questions.ask(WORK, work())).toBeNull();
    expect(await questions.ask(PREFERRED, work())).toEqual({ instead: "slide" });
    expect(questions.current).toBeNull();
  });

  test("are drawn and spoken until they are answered, once", async () => {
    const { questions, said, work, drawings } = page();
    const answer = questions.ask(SLIDE, work());
    expect(questions.current).toMatchObject({ challenge: SLIDE, isRepeated: false, isUrgent: true });
    expect(said.length).toBe(1);
    expect(drawings()).toBe(1);
    const { current } = questions;
    current?.answer("0,0;1,1");
    current?.answer("0,0;2,2");
    expect(await answer).toBe("0,0;1,1");
    expect(questions.current).toBeNull();
    expect(drawings()).toBeGreaterThan(1);
  });

  test("say that an answer was wrong when the next one comes, but not to a new wish", async () => {
    const { questions, said, work } = page();
    void questions.ask(SLIDE, work());
    questions.current?.answer("0,0;1,1");
    void questions.ask({ ...SLIDE, token: "c1.t" }, work());
    expect(questions.current?.isRepeated).toBe(true);
    expect(said.at(-1)).toStartWith("That was not right.");
    questions.current?.answer("0,0;1,1");
    questions.end();
    void questions.ask(SLIDE, work());
    expect(questions.current?.isRepeated).toBe(false);
  });

  test("are not asked of somebody who lets his device work, or whom none could be shown", async () => {
    for (const given of [{ instead: "pow" }, null]) {
      const { questions, work } = page();
      const answer = questions.ask(SLIDE, work());
      questions.current?.answer(given);
      expect(await answer).toEqual(given);
      expect(await questions.ask(PREFERRED, work())).toBeNull();
      expect(await questions.ask(SLIDE, work())).toBeNull();
      expect(questions.current).toBeNull();
    }
  });

  test("become urgent when the person does what they are asked for", async () => {
    const { questions, work, drawings } = page({ isUrgent: false });
    questions.hurry();
    expect(drawings()).toBe(0);
    const answer = questions.ask(SLIDE, work());
    expect(questions.current?.isUrgent).toBe(false);
    questions.hurry();
    expect(questions.current?.isUrgent).toBe(true);
    questions.current?.answer("0,0;1,1");
    expect(await answer).toBe("0,0;1,1");
    expect(questions.current).toBeNull();
  });

  test("give way to a newer one, and to whoever stops waiting", async () => {
    const { questions, work } = page();
    const first = questions.ask(SLIDE, work());
    const second = questions.ask({ ...SLIDE, token: "c1.second" }, work());
    expect(first).rejects.toThrow("Another question");
    expect(questions.current?.challenge.token).toBe("c1.second");
    questions.current?.answer({ instead: "arithmetic" });
    expect(await second).toEqual({ instead: "arithmetic" });

    const stop = new AbortController();
    const third = questions.ask(SLIDE, work(stop.signal));
    stop.abort(new Error("stopped"));
    expect(third).rejects.toThrow("stopped");
    expect(questions.current).toBeNull();
  });
});
