/**
 * The file of a sale: instants as people write them, and a help, a page and an example that fit what the server takes.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { NewSaleSchema } from "../http/operator/schemas.ts";
import { readSaleFile, SALE_FILE_HELP } from "./sale-file.ts";

const DOCS = join(import.meta.dirname, "../../docs/operating");

function sale(opensAt: unknown): string {
  return JSON.stringify({ name: "x", opensAt, eligibility: { tiers: [{ name: "m", opensAt }] }, items: [] });
}

describe("instants", () => {
  test.each(["2030-06-01T18:00:00Z", "2030-06-01T18:00Z", "2030-06-01T20:00:00.000+02:00", 1_906_567_200_000])(
    "%p is one, of the sale and of its tiers",
    (opensAt) => {
      expect(readSaleFile(sale(opensAt), "a file")).toMatchObject({
        opensAt: 1_906_567_200_000,
        eligibility: { tiers: [{ name: "m", opensAt: 1_906_567_200_000 }] },
      });
    },
  );

  test.each(["2030-06-01T18:00:00", "2030-06-01", "tomorrow", "2030-13-01T18:00:00Z", ""])("%p is none", (opensAt) => {
    expect(() => readSaleFile(sale(opensAt), "a file")).toThrow(
      `opensAt is ${JSON.stringify(opensAt)}, eligibility.tiers[0].opensAt is ${JSON.stringify(opensAt)} in a file; accepted`,
    );
  });

  test("are looked for in those fields alone", () => {
    const text = JSON.stringify({ name: "2030-06-01T18:00:00Z" });
    expect(readSaleFile(text, "a file")).toEqual({ name: "2030-06-01T18:00:00Z" });
  });
});

describe("the documentation", () => {
  const refused = NewSaleSchema.safeParse({ nothing: true }).error?.issues.map(({ message }) => message) ?? [];
  const fields = refused.flatMap((text) => /accepted are (.*)$/.exec(text)?.[1]?.split(", ") ?? []);

  test("names every field that the server takes", () => {
    expect(fields).toContain("opensAt");
    const page = readFileSync(join(DOCS, "sales.md"), "utf8");
    for (const field of fields) {
      expect(SALE_FILE_HELP).toMatch(new RegExp(`^ +${field} `, "m"));
      expect(page).toContain(`\`${field}\``);
    }
  });

  test("has an example that is a sale", () => {
    const text = readFileSync(join(DOCS, "sale.example.json"), "utf8");
    expect(NewSaleSchema.safeParse(readSaleFile(text, "the example")).error).toBeUndefined();
  });
});
