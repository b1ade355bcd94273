/**
 * One mixed run: starts a real node and what it needs, makes the sale, lets the honest and the hostile at it, and reads from
 * the orders who has what at the end.
 *
 * The gate as a hot sale would have it: accounts of a week's age, one unit each, signatures, a challenge for everybody, all
 * limits at their defaults. With the gate open (`isGateOpen`) nothing of that holds, which shows what the same crowd does
 * without it. The edge Redis can be ended at the opening.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NodeProcess, type Runtime, runtimeCommand } from "../../../test/support/node-process.ts";
import { NO_RATES } from "../../../test/support/open-limits.ts";
import { PostgresCluster } from "../../../test/support/postgres-cluster.ts";
import { RedisServer } from "../../../test/support/redis-server.ts";
import { SHOP_SECRET } from "../../../test/support/shop-login.ts";
import type { OrderRow } from "../judge.ts";
import { type NewSale, OperatorClient } from "../operator-client.ts";
import { createSystemClock, wait } from "../system-clock.ts";
import { AnswerBook } from "./answer-book.ts";
import type { CrowdPart, CrowdPartResult, CrowdPartTask } from "./crowd-part.ts";
import { RUN_BITS, RUN_BITS_MAX } from "./devices.ts";
import { hostileOldAccounts, mixtureFor, POPULATION_NAMES, type Population } from "./populations.ts";
import type { MixedFigures } from "./verdict.ts";

export interface MixedOptions {
  readonly runtime: Runtime;
  readonly honestCount: number;
  readonly stock: number;
  readonly seed: number;
  /** Accounts on each of the farm's computers. */
  readonly farmSize: number;
  /** PostgreSQL beside the node instead of inside it. */
  readonly hasPostgres: boolean;
  readonly hasEdge: boolean;
  /** Ends the edge Redis at the opening. */
  readonly killsEdge: boolean;
  /** No rules, challenges, limits or scores. */
  readonly isGateOpen: boolean;
  readonly say: (line: string) => void;
}

const SKU = "unit";
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const ACCOUNT_AGE_MS_MIN = 7 * DAY_MS;
const HOLD_MS = 30_000;
/** Holds may run out this often before the account is drawn up. */
const HOLD_PERIODS = 3;
/** Everybody's coming and getting ready, on two cores that they share with the node. */
const WAIT_MS_MIN = 20_000;
const WAIT_MS_PER_HONEST = 14;
/** From the announcement to the first visitor: the parts of the crowd start meanwhile. */
const ANNOUNCED_MS = 3_000;
const CROWD_PARTS: readonly CrowdPart[] = ["honest", "scalpers", "floods"];
const PART_GRACE_MS = 60_000;

const GATE_OPEN_SETTINGS: Readonly<Record<string, string>> = { ...NO_RATES, COOL_DOWN_MS_MAX: "0" };
/** A score that nobody reaches, and no bans. */
const GATE_OPEN_RISK = {
  bands: { challenge: 101, slow_down: 101, refuse: 101 },
  bans: { hammering: 0, failed_challenges: 0, dropped_holds: 0 },
};

const clock = createSystemClock();

/** Carries the run out. Rejects when it could not be. */
export async function runMixed(options: MixedOptions): Promise<MixedFigures> {
  const cluster = options.hasPostgres ? await PostgresCluster.start({ isDurable: true }) : null;
  const edge = options.hasEdge ? await RedisServer.start({ appendOnly: false }) : null;
  const folder = mkdtempSync(join(tmpdir(), "doorbuster-mixed-"));
  const weights = join(folder, "risk.json");
  writeFileSync(weights, JSON.stringify(GATE_OPEN_RISK));
  try {
    const node = await NodeProcess.start({
      runtime: options.runtime,
      databaseUrl: cluster === null ? null : await cluster.createDatabase(),
      env: {
        SESSION_JWT_SECRET: SHOP_SECRET,
        CHALLENGE_BITS: String(RUN_BITS),
        CHALLENGE_BITS_MAX: String(RUN_BITS_MAX),
        LOG_LEVEL: "warn",
        ...(edge === null ? {} : { EDGE_REDIS_URL: edge.url }),
        ...(options.isGateOpen ? { ...GATE_OPEN_SETTINGS, RISK_WEIGHTS: weights } : {}),
      },
    });
    try {
      return await playAt(node, options, edge);
    } catch (error) {
      throw new Error(`the run failed; the node said:\n${node.output.slice(-2_000)}`, { cause: error });
    } finally {
      await node.stop();
    }
  } finally {
    await edge?.stop();
    await cluster?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function playAt(node: NodeProcess, options: MixedOptions, edge: RedisServer | null): Promise<MixedFigures> {
  const { honestCount, stock, seed, say } = options;
  const mixture = mixtureFor(honestCount, options.farmSize);
  const operator = new OperatorClient({ address: node.adminUrl, token: node.adminToken });
  const beginsAtMs = clock.nowMs() + ANNOUNCED_MS;
  const opensAtMs = beginsAtMs + WAIT_MS_MIN + honestCount * WAIT_MS_PER_HONEST;
  const endsAtMs = opensAtMs + HOLD_PERIODS * HOLD_MS;
  const { id: saleId } = await operator.createSale(saleOf(options, opensAtMs));
  say(`Sale ${saleId}: ${stock} units, ${honestCount} honest buyers; opens in ${seconds(opensAtMs - clock.nowMs())}.`);

  const base = { port: node.buyerPort, saleId, sku: SKU, beginsAtMs, opensAtMs, endsAtMs, mixture, seed };
  const withinMs = endsAtMs - clock.nowMs() + PART_GRACE_MS;
  const parts = Promise.all(CROWD_PARTS.map((part) => playPart({ ...base, part }, withinMs)));
  const opening = (async () => {
    await wait(clock, opensAtMs - clock.nowMs());
    if (options.killsEdge) await edge?.kill();
    say(`Open${options.killsEdge ? ", and the edge Redis is gone" : ""}; ends in ${seconds(endsAtMs - opensAtMs)}.`);
  })();
  // Whatever is still held when the account is drawn up counts for whoever holds it.
  const drawnUp = (async () => {
    await wait(clock, endsAtMs - clock.nowMs());
    return await operator.orders(saleId);
  })();
  const [played, , orders] = await Promise.all([parts, opening, drawnUp]);
  const book = new AnswerBook();
  for (const { counts } of played) book.merge(counts);
  const of = (part: CrowdPart): CrowdPartResult => played[CROWD_PARTS.indexOf(part)] as CrowdPartResult;
  return {
    honestCount,
    stock,
    counts: book.counts,
    surprises: played.flatMap(({ surprises }) => surprises),
    hostileOldAccounts: hostileOldAccounts(mixture),
    ends: of("honest").ends,
    latenessMs: { honest: of("honest").latenessMs, scalpers: of("scalpers").latenessMs },
    units: unitsBy(orders, Object.assign({}, ...played.map(({ buyerIds }) => buyerIds))),
    audit: await operator.audit(saleId),
  };
}

function saleOf({ stock, isGateOpen }: MixedOptions, opensAt: number): NewSale & Record<string, unknown> {
  const gate = {
    challenge: "always",
    signature: "required",
    eligibility: { accountAgeMsMin: ACCOUNT_AGE_MS_MIN },
  };
  return {
    name: "Mixed run",
    opensAt,
    closesAt: opensAt + HOUR_MS,
    holdMs: HOLD_MS,
    perBuyerMax: 1,
    items: [{ sku: SKU, name: "Unit", price: { amount: 4_900, currency: "EUR" }, stock, perBuyerMax: 1 }],
    ...(isGateOpen ? { challenge: "none", signature: "optional" } : gate),
  };
}

/** Ends the part when it does not end by itself. */
function playPart(task: CrowdPartTask, withinMs: number): Promise<CrowdPartResult> {
  const [command, flags] = runtimeCommand("bun");
  const child = spawn(command, [...flags, join(import.meta.dirname, "crowd-part.ts"), JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString("utf8");
  });
  const cancel = clock.setTimer(withinMs, () => child.kill("SIGKILL"));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      cancel();
      if (code === 0) resolve(JSON.parse(output) as CrowdPartResult);
      else reject(new Error(`the ${task.part} part ended with ${signal ?? code}`));
    });
  });
}

const HAVING_UNITS = new Set(["held", "expiring", "paid"]);

/** Units of orders that have some, by whose they are; "nobody" = a buyer that no part named. */
export function unitsBy(
  orders: readonly OrderRow[],
  buyerIds: Readonly<Partial<Record<Population, readonly string[]>>>,
): Readonly<Record<string, number>> {
  const owners = new Map<string, Population>();
  for (const population of POPULATION_NAMES) {
    for (const buyerId of buyerIds[population] ?? []) owners.set(buyerId, population);
  }
  const units: Record<string, number> = {};
  for (const { buyerId, quantity, status } of orders) {
    if (!HAVING_UNITS.has(status)) continue;
    const owner = owners.get(buyerId) ?? "nobody";
    units[owner] = (units[owner] ?? 0) + quantity;
  }
  return units;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
