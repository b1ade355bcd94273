import { beforeEach, describe, expect, test } from "bun:test";
import { expectProblem, type Staged, stageOperatorApp } from "../../../test/support/operator-app.ts";
import type { RehearsalDocument, RehearsalRequest, RehearsalStart } from "./rehearsals.ts";

const PATH = "/v1/admin/rehearsals";
const RUNNING: RehearsalDocument = {
  ...{
    id: "rehearsal-one",
    state: "running",
    startedAt: 1,
    finishedAt: null,
    saleId: "drop",
    failure: null,
    signed: null,
  },
  progress: { phase: "accepting", ratePerS: 500, trials: 2, acceptsPerS: 250, refusesPerS: 0, elapsedMs: 9_000 },
};
const OVER: RehearsalDocument = { ...RUNNING, id: "rehearsal-over", state: "failed", finishedAt: 2, progress: null };

let staged: Staged;
let asked: RehearsalRequest[];
let answer: RehearsalStart;

beforeEach(() => {
  staged = stageOperatorApp();
  asked = [];
  answer = { kind: "started", id: "rehearsal-one" };
  staged.rehearsals = {
    settings: "settings-of-the-tests",
    start: async (request) => {
      asked.push(request);
      return answer;
    },
    cancel: async (id) => (id === RUNNING.id ? RUNNING : id === OVER.id ? OVER : null),
    find: async (id) => (id === RUNNING.id ? RUNNING : null),
    list: async ({ saleId }) => (saleId === null || saleId === RUNNING.saleId ? [RUNNING] : []),
  };
});

const post = (json: unknown): Promise<Response> => staged.request("POST", PATH, { json });

describe("beginning", () => {
  test("answers 202 with the id and where it can be followed", async () => {
    const response = await post({});
    expect([response.status, response.headers.get("location")]).toEqual([202, `${PATH}/rehearsal-one`]);
    expect(await response.json()).toEqual({ id: "rehearsal-one", state: "running" });
    expect(asked).toEqual([
      {
        ...{ saleId: null, expectedBuyers: null, busiestSecondShare: 0.08, durationMs: 90_000, latencyMsMax: 250 },
        ...{ isForced: false, urls: [] },
      },
    ]);
  });

  test("hands on what was asked for", async () => {
    const urls = ["http://127.0.0.1:8080"];
    const wanted = { saleId: "drop", expectedBuyers: 80_000, busiestSecondShare: 0.2, latencyMsMax: 100 };
    expect((await post({ ...wanted, seconds: 30, force: true, urls })).status).toBe(202);
    expect(asked).toEqual([{ ...wanted, durationMs: 30_000, isForced: true, urls } as unknown as RehearsalRequest]);
  });

  test("a refusal is told in its own words", async () => {
    answer = { kind: "refused", why: "The sale drop is open." };
    expect((await expectProblem(await post({}), "conflict", 409))["detail"]).toBe("The sale drop is open.");
    answer = { kind: "no such sale" };
    await expectProblem(await post({ saleId: "gone" }), "no_such_sale", 404);
  });

  test.each([
    [{ seconds: 9 }, "seconds must be a whole number from 10 to 300"],
    [{ seconds: "90" }, "seconds must be a whole number from 10 to 300"],
    [{ expectedBuyers: 0 }, "expectedBuyers must be a whole number from 1 to"],
    [{ busiestSecondShare: 0 }, "busiestSecondShare must be a number from 0.001 to 1"],
    [{ latencyMsMax: 9 }, "latencyMsMax must be a whole number from 10 to 5000"],
    [{ saleId: "a sale" }, "saleId must be the id of a sale"],
    [{ force: "yes" }, "force must be true or false"],
    [{ urls: "http://127.0.0.1" }, "urls must be a list of origins"],
    [{ urls: Array.from({ length: 65 }, () => "http://127.0.0.1") }, "urls must be at most 64 origins"],
    [{ target: "http://192.0.2.7" }, 'has unknown fields: "target"'],
  ])("%p is malformed: %s", async (body, words) => {
    expect((await expectProblem(await post(body), "malformed", 400))["detail"]).toContain(words);
    expect(asked).toEqual([]);
  });
});

describe("ending early", () => {
  test("is on its way, or was over before, or of nothing that there is", async () => {
    const end = (id: string): Promise<Response> => staged.request("DELETE", `${PATH}/${id}`);
    const [running, over] = [await end("rehearsal-one"), await end("rehearsal-over")];
    expect([running.status, await running.json()]).toEqual([202, RUNNING]);
    expect([over.status, await over.json()]).toEqual([200, OVER]);
    for (const id of ["rehearsal-two", "%20", "a.b"]) await expectProblem(await end(id), "not_found", 404);
  });
});

describe("reading", () => {
  test("one, with its progress", async () => {
    expect(await (await staged.request("GET", `${PATH}/rehearsal-one`)).json()).toEqual(RUNNING);
    for (const id of ["rehearsal-two", "%20", "a.b"]) {
      await expectProblem(await staged.request("GET", `${PATH}/${id}`), "not_found", 404);
    }
  });

  test("all, or those of a sale, beside what the settings are now", async () => {
    const read = async (query: string): Promise<unknown> => (await staged.request("GET", `${PATH}${query}`)).json();
    expect(await read("")).toEqual({ settings: "settings-of-the-tests", rehearsals: [RUNNING] });
    expect(await read("?saleId=drop")).toEqual({ settings: "settings-of-the-tests", rehearsals: [RUNNING] });
    expect(await read("?saleId=other")).toEqual({ settings: "settings-of-the-tests", rehearsals: [] });
    await expectProblem(await staged.request("GET", `${PATH}?saleId=a%20b`), "no_such_sale", 404);
  });
});
