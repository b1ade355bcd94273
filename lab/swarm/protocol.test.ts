/**
 * Messages between processes survive every way a pipe can cut them.
 */
import { expect, test } from "bun:test";
import { LineReader } from "./protocol.ts";

test("lines arrive whole however the pipe cuts them", () => {
  const text = '{"a":1}\n{"b":"ü"}\n\n{"c":3}\n';
  for (let pieceLength = 1; pieceLength <= text.length; pieceLength++) {
    const reader = new LineReader();
    const lines: string[] = [];
    for (let at = 0; at < text.length; at += pieceLength) lines.push(...reader.push(text.slice(at, at + pieceLength)));
    expect(lines).toEqual(['{"a":1}', '{"b":"ü"}', '{"c":3}']);
  }
});
