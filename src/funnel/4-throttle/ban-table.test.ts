/**
 * A ban holds for whom it names until it ends; an exemption ends what was automatic and nothing that an operator decided.
 */
import { describe, expect, test } from "bun:test";
import type { Ban } from "../../ports/sale-store.ts";
import { type BanSubject, BanTable } from "./ban-table.ts";

const NOW_MS = 1_800_000_000_000;
const ANN: BanSubject = { buyerId: "ann", device: "device-of-ann", ipKey: "203.0.113.7" };

function ban(changes: Partial<Ban>): Ban {
  return {
    id: "1",
    kind: "buyer",
    subject: "ann",
    reason: "a test",
    effect: "refuse",
    origin: "operator",
    createdAt: 0,
    expiresAt: null,
    ...changes,
  };
}

describe("a ban", () => {
  test.each([
    ["an account", {}],
    ["a device", { kind: "device", subject: "device-of-ann" }],
    ["a network", { kind: "ip", subject: "203.0.113.7" }],
  ] satisfies [string, Partial<Ban>][])("of %s holds for it and for nobody else", (_name, changes) => {
    const table = new BanTable([ban(changes)]);
    expect(table.isBanned(ANN, NOW_MS)).toBe(true);
    const bob = { buyerId: "bob", device: "another", ipKey: "203.0.113.8" };
    expect(table.isBanned(bob, NOW_MS)).toBe(false);
    expect(table.isBanned({ buyerId: null, ipKey: "198.51.100.1" }, NOW_MS)).toBe(false);
  });

  test("of a network is found in whatever form its address was written", () => {
    const table = new BanTable([ban({ kind: "ip", subject: "2001:DB8:0:1:0:0:0:5" })]);
    expect(table.isBanned({ buyerId: null, ipKey: "2001:db8:0:1::/64" }, NOW_MS)).toBe(true);
  });

  test("ends when its latest ends", () => {
    const table = new BanTable([ban({ expiresAt: NOW_MS + 10 }), ban({ id: "2", expiresAt: NOW_MS + 20 })]);
    expect(table.isBanned(ANN, NOW_MS + 19)).toBe(true);
    expect(table.isBanned(ANN, NOW_MS + 20)).toBe(false);
  });

  test("of no device holds for nobody without one", () => {
    expect(new BanTable([ban({ kind: "device", subject: "x" })]).isBanned({ ...ANN, device: "" }, NOW_MS)).toBe(false);
  });
});

describe("a cool-down", () => {
  test("refuses nothing and says exactly how long it lasts", () => {
    const table = new BanTable([ban({ effect: "cool_down", origin: "automatic", expiresAt: NOW_MS + 1_234 })]);
    expect(table.isBanned(ANN, NOW_MS)).toBe(false);
    expect(table.coolDownMs(ANN, NOW_MS)).toBe(1_234);
    expect(table.coolDownMs(ANN, NOW_MS + 1_234)).toBe(0);
    expect(table.coolDownMs({ ...ANN, buyerId: "bob" }, NOW_MS)).toBe(0);
  });
});

describe("an exemption", () => {
  const exemption = ban({ id: "e", kind: "ip", subject: "203.0.113.7", effect: "exempt" });

  test("ends automatic bans and cool-downs of whoever is behind it", () => {
    const coolDown = ban({ effect: "cool_down", origin: "automatic", expiresAt: NOW_MS + 1_000 });
    const table = new BanTable([exemption, ban({ origin: "automatic" }), coolDown]);
    expect(table.isExempt(ANN, NOW_MS)).toBe(true);
    expect(table.isBanned(ANN, NOW_MS)).toBe(false);
    expect(table.coolDownMs(ANN, NOW_MS)).toBe(0);
    expect(table.isBanned({ ...ANN, ipKey: "203.0.113.8" }, NOW_MS)).toBe(true);
  });

  test("ends no ban that an operator made", () => {
    expect(new BanTable([exemption, ban({})]).isBanned(ANN, NOW_MS)).toBe(true);
  });
});
