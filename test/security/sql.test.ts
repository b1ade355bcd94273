/**
 * T13, in the sources: a statement is a constant, and what a user sent travels beside it as a parameter.
 *
 * What a hostile text does to a real database is in hostile-texts.suite.ts, what the database itself forbids in
 * database-roles.test.ts.
 */
import { describe, expect, test } from "bun:test";
import { codeOf, filesUnder, isTest, sourcesUnder, textOf } from "../tidy/repository.ts";

/** A template that is SQL. */
const STATEMENT =
  /`(?=[^`]*\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|LISTEN|NOTIFY|CREATE|ALTER|DROP)\b)((?:[^`\\]|\\.)*)`/g;
const PART = /\$\{([^}]*)\}/g;
/** Constants of a module are written in capitals; a driver's own quoting is safe as well. */
const CONSTANT = /^(?:[A-Z][A-Z0-9_]*|pg\.escapeIdentifier\([a-z]+\))$/;

/** Names from a closed set of literals, each with where the set is. */
const CLOSED: Readonly<Record<string, readonly string[]>> = {
  "src/adapters/postgres/migrate.ts": ["schema", "list"],
  // Parts of statements that the module itself puts together when it is loaded.
  "src/adapters/payment-sandbox/sandbox-statements.ts": ["kind", "afterMs", "update", "told", "more"],
  "src/adapters/postgres/postgres-stats-store.ts": [
    "column",
    'sumOf("decisions")',
    'sumOf("accepted")',
    'sumOf("refused")',
  ],
};

function interpolationsIn(text: string): readonly string[] {
  return [...text.matchAll(STATEMENT)].flatMap(([, statement = ""]) =>
    [...statement.matchAll(PART)].map(([, part = ""]) => part.trim()),
  );
}

describe("T13: statements", () => {
  const adapters = sourcesUnder("src").filter((path) => !isTest(path));

  test("take in nothing but constants", () => {
    const wrong = adapters.flatMap((path) =>
      interpolationsIn(textOf(path))
        .filter((part) => !CONSTANT.test(part) && !CLOSED[path]?.includes(part))
        .map((part) => `${path}: \${${part}}`),
    );
    expect(wrong).toEqual([]);
  });

  test("that took in a value would be found", () => {
    expect(
      interpolationsIn(`q(\`SELECT * FROM orders WHERE rid = '\${rid}'\`)`).filter((part) => !CONSTANT.test(part)),
    ).toEqual(["rid"]);
    expect(adapters.flatMap((path) => interpolationsIn(textOf(path))).length).toBeGreaterThan(10);
  });

  test("are put together nowhere else: no text is added to a statement", () => {
    const added = adapters.filter((path) => /\btext: [^,}]*["`] *\+|\btext: *\w+ *\+/.test(codeOf(path)));
    expect(added).toEqual([]);
  });
});

describe("T13: functions of the database", () => {
  test("run no text that was put together", () => {
    const migrations = sourcesUnderSql();
    const dynamic = migrations.filter((path) =>
      /\bEXECUTE\s+(?!FUNCTION\b|PROCEDURE\b)/i.test(withoutComments(textOf(path))),
    );
    expect(migrations.length).toBeGreaterThan(10);
    expect(dynamic).toEqual([]);
  });
});

function withoutComments(sql: string): string {
  return sql.replace(/--[^\n]*/g, "").replace(/\b(GRANT|REVOKE)\b[^;]*;/gi, "");
}

function sourcesUnderSql(): readonly string[] {
  return filesUnder("src").filter((path) => path.endsWith(".sql"));
}
