/** Imports point one way: domain ← ports ← funnel | ledger | orders | push ← http | cli ← app; adapters only from app. */
import { expect, test } from "bun:test";
import { importsOf, isTest, sourcesUnder } from "./repository.ts";

const CORE = ["domain", "ports", "funnel", "ledger", "orders", "push"];
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  ports: ["domain"],
  config: ["domain"],
  funnel: CORE,
  ledger: CORE,
  orders: CORE,
  push: CORE,
  challenges: ["domain", "ports"],
  http: [...CORE, "config"],
  cli: [...CORE, "config"],
  adapters: ["domain", "ports"],
  app: [...CORE, "challenges", "config", "http", "adapters"],
  "main.ts": ["app", "cli"],
};
const OUTSIDE: Readonly<Record<string, RegExp>> = {
  client: /^(client|src\/domain)\//,
  web: /^(web|client|src\/domain)\//,
  lab: /^(lab|client|test\/support|src\/(domain|ports|ledger|orders|adapters\/(local|redis|postgres)|funnel\/3-identity))\//,
};

test("every import points in the direction of the architecture", () => {
  const wrong: string[] = [];
  for (const path of sourcesUnder("src", "client", "web", "lab").filter((file) => !isTest(file))) {
    const [top = "", area = ""] = path.split("/");
    for (const target of importsOf(path)) {
      const [targetTop = "", targetArea = ""] = target.split("/");
      const isInside = targetTop === "src" && (targetArea === area || MAY_IMPORT[area]?.includes(targetArea));
      const isDemo = /^src\/cli\/(demo|swarm|rehears)/.test(path) && targetTop === "lab";
      const isAllowed = top === "src" ? isInside || isDemo : OUTSIDE[top]?.test(target);
      if (!isAllowed) wrong.push(`${path} → ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});
