/**
 * T8: ids cannot be guessed, and no number in an answer says how many there were before.
 */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { call, expectAccepted } from "../support/answers.ts";
import type { GetDeployment } from "../support/deployment.ts";
import { seat } from "../support/operator-client.ts";
import { mapBounded, range } from "../support/waiting.ts";
import { patiently } from "./patience.ts";

const GUESSES = 10_000;
const IN_FLIGHT = 32;
/** Numbers of an answer that are instants: they grow for everybody alike. */
const INSTANTS = /(At|Until|Now|^now|timestamp)$/;

/** Every number in a document, by its path. */
function numbersIn(value: unknown, path = ""): ReadonlyMap<string, number> {
  if (typeof value === "number") return new Map([[path, value]]);
  if (typeof value !== "object" || value === null) return new Map();
  return new Map(Object.entries(value).flatMap(([name, member]) => [...numbersIn(member, `${path}.${name}`)]));
}

/** Paths whose numbers rise from each document to the next: what a counter would do. */
function countersIn(documents: readonly unknown[]): readonly string[] {
  const all = documents.map((document) => numbersIn(document));
  return [...(all[0]?.keys() ?? [])].filter((path) => {
    if (INSTANTS.test(path)) return false;
    const values = all.map((numbers) => numbers.get(path) ?? Number.NaN);
    return values.every((value, index) => index === 0 || value > (values[index - 1] ?? Number.NaN));
  });
}

export function describeGuessing(deployment: GetDeployment): void {
  test("ten thousand guessed reservations are nobody's, near ones and random ones alike", async () => {
    const sale = await deployment().sale();
    const victim = await deployment().guest();
    const { rid } = expectAccepted(await patiently(async () => await victim.reserve(sale)));
    const attacker = await deployment().guest();
    const near = (index: number): string => {
      const at = index % rid.length;
      return `${rid.slice(0, at)}${String.fromCharCode(65 + (index % 26))}${rid.slice(at + 1)}`;
    };
    const statuses = await mapBounded(range(GUESSES), IN_FLIGHT, async (index) => {
      const guess = index % 2 === 0 ? near(index) : randomBytes(21).toString("base64url");
      const headers = { Authorization: `Bearer ${attacker.session.token}` };
      const answer = await call(`${deployment().buyerUrl}/v1/reservations/${guess}`, { headers });
      return answer.status;
    });
    expect(new Set(statuses)).toEqual(new Set([404]));
    expect((await victim.find(rid)).status).toBe(200);
  });

  test("no number in what buyers are told counts orders, buyers or sales", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 50 })] });
    const documents: unknown[] = [];
    for (let times = 0; times < 6; times += 1) {
      const buyer = await deployment().guest();
      const accepted = expectAccepted(await patiently(async () => await buyer.reserve(sale)));
      const found = (await buyer.find(accepted.rid)).json;
      const checkout = (await buyer.checkout(accepted.rid)).json;
      const shown = (await call(`${deployment().buyerUrl}/v1/sales/${sale.saleId}`)).json;
      documents.push({ session: buyer.session, accepted, found, checkout, shown });
    }
    expect(countersIn(documents)).toEqual([]);
  });

  test("a counter would be noticed", () => {
    expect(countersIn([1, 2, 3].map((seq) => ({ order: { seq: seq * 7, createdAt: seq, quantity: 1 } })))).toEqual([
      ".order.seq",
    ]);
  });

  test("ids that follow each other share no beginning and no order", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 50 })] });
    const rids: string[] = [];
    for (let times = 0; times < 12; times += 1) {
      rids.push(expectAccepted(await patiently(async () => await (await deployment().guest()).reserve(sale))).rid);
    }
    expect(new Set(rids.map((rid) => rid.slice(0, 4))).size).toBe(rids.length);
    expect([...rids].sort()).not.toEqual(rids);
  });
}
