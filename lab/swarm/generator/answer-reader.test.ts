/**
 * The quick way of reading an answer says what the thorough one says, for answers that come whole and in pieces.
 */
import { describe, expect, test } from "bun:test";
import { AnswerReader } from "./answer-reader.ts";
import { OutcomeNames } from "./outcomes.ts";

function answer(status: number, body: string, headers: readonly string[] = []): Buffer {
  const lines = [
    `HTTP/1.1 ${status} Word`,
    "content-type: application/problem+json",
    ...headers,
    `content-length: ${body.length}`,
  ];
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n${body}`);
}

function problem(reason: string, more = ""): string {
  return `{"type":"https://doorbuster.dev/errors#${reason}","title":"A text.","reason":"${reason}"${more}}`;
}

function setUp(): { reader: AnswerReader; names: OutcomeNames; outcomeOf: (bytes: Buffer) => string | null } {
  const names = new OutcomeNames();
  const reader = new AnswerReader(names);
  const outcomeOf = (bytes: Buffer): string | null =>
    reader.read(bytes, "attempt") ? names.nameOf(reader.outcome) : null;
  return { reader, names, outcomeOf };
}

describe("answers to attempts", () => {
  test("are told by status and reason, the second time as the first", () => {
    const { outcomeOf } = setUp();
    for (let round = 0; round < 3; round += 1) {
      expect(outcomeOf(answer(409, problem("empty")))).toBe("empty");
      expect(outcomeOf(answer(409, problem("sold_out")))).toBe("sold_out");
      expect(outcomeOf(answer(503, problem("busy", ',"retryAfterMs":1250')))).toBe("busy");
      expect(outcomeOf(answer(201, '{"rid":"r"}'))).toBe("held");
      expect(outcomeOf(answer(201, '{"rid":"r"}', ["Idempotent-Replayed: true"]))).toBe("held again");
      expect(outcomeOf(answer(202, '{"rid":"r"}'))).toBe("queued");
      expect(outcomeOf(answer(502, "gone"))).toBe("status 502");
    }
  });

  test("of equal length and status are not taken for each other", () => {
    const { outcomeOf } = setUp();
    const [left, right] = ["signature_stale", "session_expired"];
    expect(problem(left).length).toBe(problem(right).length);
    for (let round = 0; round < 3; round += 1) {
      expect(outcomeOf(answer(401, problem(left)))).toBe(left);
      expect(outcomeOf(answer(401, problem(right)))).toBe(right);
    }
  });

  test("in pieces are not there before their last byte, whatever was read before", () => {
    const { outcomeOf } = setUp();
    const whole = answer(409, problem("empty"));
    outcomeOf(whole);
    for (let length = 1; length < whole.length; length += 1) expect(outcomeOf(whole.subarray(0, length))).toBeNull();
    expect(outcomeOf(whole)).toBe("empty");
    // Longer, and cut where the one before it ended.
    const longer = answer(409, problem("empty", ',"left":12'));
    expect(outcomeOf(longer.subarray(0, whole.length))).toBeNull();
    expect(outcomeOf(longer)).toBe("empty");
  });

  test("in chunks end with the last chunk", () => {
    const { outcomeOf } = setUp();
    const head = "HTTP/1.1 409 Word\r\ntransfer-encoding: chunked\r\n\r\n";
    const body = problem("empty");
    const chunk = `${body.length.toString(16)}\r\n${body}\r\n`;
    expect(outcomeOf(Buffer.from(head + chunk))).toBeNull();
    expect(outcomeOf(Buffer.from(`${head}${chunk}0\r\n\r\n`))).toBe("empty");
  });

  test("say how long to wait, and when the connection ends", () => {
    const { reader } = setUp();
    for (const waitMs of [1_250, 2_750]) {
      expect(reader.read(answer(503, problem("busy", `,"retryAfterMs":${waitMs}`)), "attempt")).toBe(true);
      expect(reader.retryAfterMs()).toBe(waitMs);
      expect(reader.isLast).toBe(false);
    }
    reader.read(answer(503, problem("draining"), ["connection: close"]), "attempt");
    expect(reader.isLast).toBe(true);
    expect(reader.retryAfterMs()).toBeNull();
  });
});

test("looks and attempts of equal length are not taken for each other", () => {
  const { reader, names } = setUp();
  const refused = answer(429, problem("throttled"));
  const nameAs = (kind: "look" | "attempt"): string => {
    reader.read(refused, kind);
    return names.nameOf(reader.outcome);
  };
  for (let round = 0; round < 2; round += 1) {
    expect([nameAs("look"), nameAs("attempt")]).toEqual(["look: throttled", "throttled"]);
  }
  // A text without a reason says nothing about another one of its length.
  const silent = answer(429, problem("throttled").replace("reason", "season"));
  expect(silent.length).toBe(refused.length);
  for (const [bytes, outcome] of [
    [silent, "status 429"],
    [refused, "throttled"],
    [silent, "status 429"],
  ] as const) {
    reader.read(bytes, "attempt");
    expect(names.nameOf(reader.outcome)).toBe(outcome);
  }
});

test("answers to other requests are named after the request", () => {
  const { reader, names } = setUp();
  reader.read(answer(200, "{}"), "look");
  expect(names.nameOf(reader.outcome)).toBe("look: done");
  reader.read(answer(429, problem("throttled")), "checkout");
  expect(names.nameOf(reader.outcome)).toBe("checkout: throttled");
  reader.read(answer(500, "oh"), "press");
  expect(names.nameOf(reader.outcome)).toBe("press: status 500");
});
