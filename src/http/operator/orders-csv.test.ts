import { expect, test } from "bun:test";
import fc from "fast-check";
import { orderOf } from "../../../test/support/operator-app.ts";
import { csvHeader, csvLine, csvOrder } from "./orders-csv.ts";

/** Reads RFC 4180 as its grammar says, and nothing laxer. */
function parseCsv(text: string): string[][] {
  const records: string[][] = [];
  let fields: string[] = [];
  let rest = text;
  while (rest !== "") {
    const match = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/.exec(rest);
    if (match === null) throw new Error(`not RFC 4180: ${JSON.stringify(rest.slice(0, 40))}`);
    fields.push(match[1] === undefined ? (match[2] ?? "") : match[1].replaceAll('""', '"'));
    if (match[3] === "\r\n") {
      records.push(fields);
      fields = [];
    }
    rest = rest.slice(match[0].length);
  }
  return records;
}

test.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1"])(
  "a field that begins like %j is no formula",
  (text) => {
    expect(parseCsv(csvLine([text]))).toEqual([[`'${text}`]]);
  },
);

test("whatever the fields are, one record comes back with no field that a spreadsheet would run", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 1, maxLength: 8 }), (fields) => {
      const records = parseCsv(csvLine(fields));
      expect(records).toHaveLength(1);
      for (const [index, field] of (records[0] ?? []).entries()) {
        expect(field).not.toMatch(/^[=+\-@\t\r\n]/);
        expect([fields[index], `'${fields[index]}`]).toContain(field);
      }
    }),
  );
});

test("quotes, commas and line breaks stay inside their field", () => {
  expect(csvLine(['say "no"', "a,b", "a\r\nb", "plain"])).toBe('"say ""no""","a,b","a\r\nb",plain\r\n');
});

test("an order is one record under the header's names", () => {
  const [names, values] = parseCsv(csvHeader() + csvOrder(orderOf({ itemName: '=HYPERLINK("x")', reason: "a,b" })));
  const record = Object.fromEntries((names ?? []).map((name, index) => [name, values?.[index]]));
  expect(record).toEqual({
    rid: "rid-1",
    saleId: "drop",
    sku: "shoe",
    itemName: `'=HYPERLINK("x")`,
    quantity: "1",
    status: "paid",
    reason: "a,b",
    buyerId: "buyer-1",
    amount: "4900",
    currency: "EUR",
    paymentId: "pay-1",
    holdUntil: "2027-01-15T08:10:00.000Z",
    createdAt: "2027-01-15T08:00:00.000Z",
    updatedAt: "2027-01-15T08:01:40.000Z",
  });
});
