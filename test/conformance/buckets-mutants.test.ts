/**
 * The comparison of scripts and model notices a broken script: each of these mistakes, made on purpose, is found.
 *
 * Some were real mistakes of ours or of others. `STEPS` and `SEED` are not used here: a mistake that takes more calls to be
 * found than these is found too late.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type LoadedScript, loadScripts, scriptOf } from "../../src/adapters/redis/script-loader.ts";
import type { ScriptName } from "../../src/adapters/redis/scripts.ts";
import { RedisServer } from "../support/redis-server.ts";
import { compareHistory, type HistoryServers, openHistoryStore } from "./bucket-histories.suite.ts";

const STEPS = 3_000;
const SEED = 20_261_122;

interface Mutant {
  readonly mistake: string;
  readonly script: ScriptName;
  readonly from: string;
  readonly to: string;
}

const MUTANTS: readonly Mutant[] = [
  {
    mistake: "gsub without parentheses hands on two values",
    script: "reserve",
    from: "(string.gsub(lease, '^%d+', tostring(leaseLeft), 1))",
    to: "string.gsub(lease, '^%d+', tostring(leaseLeft), 1)",
  },
  {
    mistake: "leases that were taken back stay",
    script: "reserve",
    from: "if areRevoked then redis.call('DEL', leases)",
    to: "if areRevoked then local forgotten",
  },
  {
    mistake: "a lease's own units are not taken off the sum",
    script: "reserve",
    from: "leaseLeft = leaseLeft - fromLease; leased = leased - fromLease",
    to: "leaseLeft = leaseLeft - fromLease",
  },
  {
    mistake: "a lease whose time is over still counts",
    script: "reserve",
    from: "if tonumber(expires) > now then leaseLeft",
    to: "if expires then leaseLeft",
  },
  {
    mistake: "what is leased counts as gone",
    script: "reserve",
    from: "elseif available + leased < quantity then verdicts[i] = 0",
    to: "elseif available + fromLease < quantity then verdicts[i] = 0",
  },
  { mistake: "two attempts of a buyer in one batch do not add up", script: "reserve", from: "units[buyer] or", to: "" },
  {
    mistake: "a rid twice in one batch is two",
    script: "reserve",
    from: "remembered[i] or own[rid]",
    to: "remembered[i]",
  },
  {
    mistake: "a repeat may come from somebody else",
    script: "reserve",
    from: "itsBuyer ~= buyer or itsQuantity ~= text",
    to: "itsQuantity ~= text",
  },
  {
    mistake: "a repeat does not notice its end",
    script: "reserve",
    from: "elseif sign == '-' then",
    to: "elseif sign == '+' then",
  },
  {
    mistake: "the limit is one too high",
    script: "reserve",
    from: "has + quantity > limit",
    to: "has + quantity > limit + 1",
  },
  { mistake: "a closed gate lets through", script: "reserve", from: "known[3] ~= '1'", to: "known[3] == '2'" },
  { mistake: "another epoch may sell", script: "reserve", from: "known ~= asked", to: "known == 'none'" },
  { mistake: "another server may sell", script: "reserve", from: "registered ~= runId()", to: "registered == 'none'" },
  { mistake: "a paused sale sells", script: "reserve", from: "known[6] == '1'", to: "known[6] == '2'" },
  {
    mistake: "a credit counts twice",
    script: "credit",
    from: "if before then return",
    to: "if before == '' then return",
  },
  {
    mistake: "more leaves than there is",
    script: "credit",
    from: "if -units > available then units = 0 - available end",
    to: "",
  },
  {
    mistake: "units that leave leave leases behind",
    script: "credit",
    from: "if areRevoked then redis",
    to: "if not areRevoked then redis",
  },
  { mistake: "an end is noted twice", script: "credit", from: "hasEnded ~= (kind == 'ended')", to: "true" },
  { mistake: "an end does not give the buyer room", script: "credit", from: "-tonumber(quantity)", to: "0" },
  {
    mistake: "leases never end",
    script: "lease",
    from: "if tonumber(expires) <= now then",
    to: "if expires == '' then",
  },
  {
    mistake: "asking twice lends twice",
    script: "lease",
    from: "op == 'acquire' and mine then",
    to: "op == 'none' then",
  },
  { mistake: "one node may borrow everything", script: "lease", from: "2 * (live + 1)", to: "1" },
  {
    mistake: "a lease that was given back stays lent",
    script: "lease",
    from: "available + mine, leased - mine",
    to: "available, leased",
  },
  {
    mistake: "preparing twice forgets who was accepted",
    script: "prepare",
    from: "known[3] ~= '0'",
    to: "known[3] == ''",
  },
  { mistake: "settings go back to an older revision", script: "settings", from: "<= tonumber(known[3])", to: "< 0" },
  { mistake: "the low-water mark goes back", script: "committed", from: "> tonumber(known[3])", to: ">= 0" },
  { mistake: "filling an open bucket", script: "load", from: "known[3] == '1'", to: "known[3] == '2'" },
];

function mutated({ script, from, to }: Mutant): Readonly<Record<ScriptName, LoadedScript>> {
  const scripts = loadScripts();
  const { text } = scripts[script];
  assert.equal(text.split(from).length, 2, `${script}.lua has "${from}" once`);
  return { ...scripts, [script]: scriptOf(text.replace(from, () => to)) };
}

describe("mistakes in scripts", () => {
  let server: RedisServer;
  let servers: HistoryServers;
  before(async () => {
    server = await RedisServer.start({ appendOnly: false });
    servers = { urls: [server.url], call: (_key, ...args) => server.call(...args), stop: () => server.stop() };
  });
  after(() => server.stop());

  test("there is no difference without a mistake", async () => {
    const store = await openHistoryStore(servers);
    await compareHistory(SEED, { store, servers, steps: STEPS });
    await store.close();
  });

  for (const mutant of MUTANTS) {
    test(`is found: ${mutant.mistake}`, async () => {
      await server.call("FLUSHALL");
      const store = await openHistoryStore(servers, mutated(mutant));
      try {
        await assert.rejects(compareHistory(SEED, { store, servers, steps: STEPS }), /SEED=/);
      } finally {
        await store.close();
      }
    });
  }
});
