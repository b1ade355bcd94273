/**
 * What must not be in committed code: hidden clocks and dice, escape hatches of the type system, focus, unfinished business.
 */
import { expect, test } from "bun:test";
import { codeOf, isTest, sourcesUnder, textOf } from "./repository.ts";

const LOCAL = /^src\/adapters\/local\//;
const BANNED: readonly { readonly what: RegExp; readonly unless: RegExp }[] = [
  { what: /\bDate\.now\(|\bMath\.random\b|\bnew Date\(\)/, unless: /^(src\/adapters\/local|client|web|lab|scripts)\// },
  { what: /\b(setTimeout|setInterval)\(/, unless: /^(src\/adapters|client|web|lab|scripts)\// },
  { what: /\bprocess\.env\b/, unless: /^(src\/main\.ts|lab\/|scripts\/|src\/cli\/demo)/ },
  { what: /\bBun\./, unless: /^src\/http\/listen\/bun\.ts$/ },
  { what: /\bconsole\./, unless: /^(scripts|lab)\// },
  { what: /\bcatch( \(\w+\))? \{\s*\}/, unless: /^$/ },
  { what: /@ts-(ignore|nocheck)|\bas any\b|: any\b/, unless: /^$/ },
  { what: /\bexport \* from\b|\benum \w/, unless: /^$/ },
];

test("no source uses a word that is banned where it stands", () => {
  const found = sourcesUnder("src", "client", "web", "lab", "scripts")
    .filter((path) => !isTest(path))
    .flatMap((path) => {
      const code = codeOf(path);
      return BANNED.filter((ban) => !ban.unless.test(path) && ban.what.test(code)).map((ban) => `${path}: ${ban.what}`);
    });
  expect(found).toEqual([]);
});

test("nothing is left for later, and no test is focused or skipped", () => {
  const word = /\bFIXME\b|\bTODO\b(?! #\d)|\b(?:test|describe|it)\.(?:only|skip|todo)\b/;
  const all = sourcesUnder("src", "client", "web", "lab", "scripts", "test");
  expect(all.filter((path) => !path.endsWith("banned-words.test.ts") && word.test(textOf(path)))).toEqual([]);
});

test("only the local adapters know the clock and the dice of the machine", () => {
  const users = sourcesUnder("src").filter(
    (path) => !isTest(path) && /\bDate\.now\(|\bMath\.random\(/.test(codeOf(path)),
  );
  expect(users.every((path) => LOCAL.test(path))).toBe(true);
});
